"""Nulls: what is held fixed and what is drawn anew. Each draws; measures score."""

from congruence.nulls import document_shift, firing_rate, pairing, rerun, subset  # noqa: F401 (they register)
from congruence.nulls.permutations import permutations_for, seed_of
from congruence.nulls.registry import NULLS, Null, Setting, null

__all__ = ["NULLS", "Null", "Setting", "null", "permutations_for", "seed_of"]
