"""Filters of pairs: each gives a keep-mask; `apply_filters` runs a list of them and counts what each took."""

from congruence.filters import non_concept, one_to_one, shared_token, thresholds  # noqa: F401 (they register)
from congruence.filters.pairs import Pairs, encode_tokens
from congruence.filters.registry import FILTERS, Filtered, FilterStep, apply_filters

__all__ = ["FILTERS", "FilterStep", "Filtered", "Pairs", "apply_filters", "encode_tokens"]
