"""Nulls: what is held fixed and what is drawn anew. Each draws; measures score."""

from congruence.careful import guard
from congruence.nulls import document_shift, pairing, rerun, subset  # noqa: F401 (they register themselves)
from congruence.nulls.base import NULLS, Case, Draws, Null, make_null, null
from congruence.nulls.permutations import permutations_for, seed_of, subsets_for
from congruence.nulls.subset import UnrelatedKeywords

__all__ = [
    "NULLS",
    "Case",
    "Draws",
    "Null",
    "UnrelatedKeywords",
    "make_null",
    "null",
    "permutations_for",
    "seed_of",
    "subsets_for",
]

guard(globals())
