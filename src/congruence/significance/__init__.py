"""Is a score more than chance? Named nulls, permutation tests, corrections and intervals."""

from congruence.careful import guard
from congruence.nulls import NULLS, Case, Null, null, permutations_for, seed_of
from congruence.significance.bootstrap import Interval, bootstrap_interval, rows_taken
from congruence.significance.calibrated import Calibrated, calibrated, calibrated_grid
from congruence.significance.correction import ALPHA, METHODS, adjust, benjamini_hochberg, holm, max_t
from congruence.significance.permutation import permutation_test, test_cells
from congruence.significance.summary import corrected, p_value, summarise

__all__ = [
    "ALPHA",
    "METHODS",
    "NULLS",
    "Calibrated",
    "Case",
    "Interval",
    "Null",
    "adjust",
    "benjamini_hochberg",
    "bootstrap_interval",
    "calibrated",
    "calibrated_grid",
    "corrected",
    "holm",
    "max_t",
    "null",
    "p_value",
    "permutation_test",
    "permutations_for",
    "rows_taken",
    "seed_of",
    "summarise",
    "test_cells",
]

guard(globals())
