"""All similarities of two small sets of features, for matchers that need the whole matrix."""

from dataclasses import dataclass

import numpy as np

from congruence.matching.pairs import Found
from congruence.stats import Correlation, PreparedActs
from congruence.stats.graph import list_pairs


@dataclass(frozen=True)
class SimilarityMatrix:
    """Similarities of the features that vary.

    Attributes:
        features_a, features_b: the features behind rows and columns, ascending.
        values: (rows, columns) similarity; that of the least similar pair where a pair isn't allowed.
        cofirings: (rows, columns) tokens on which both fire.
    """

    features_a: np.ndarray
    features_b: np.ndarray
    values: np.ndarray
    cofirings: np.ndarray

    @staticmethod
    def of(a: PreparedActs, b: PreparedActs, correlation: Correlation) -> "SimilarityMatrix":
        """By the measure, engine and minimum of co-firings of a correlation. 48 bytes a cell."""
        features_a, features_b = np.sort(a.varying), np.sort(b.varying)
        fewest = correlation.min_cofirings if correlation.min_cofirings > 1 else 0
        cells = len(features_a) * len(features_b)
        pairs = list_pairs(
            a,
            b,
            correlation.engine,
            measure=correlation.measure,
            least=-np.inf,
            fewest=fewest,
            max_pairs=cells,
        )
        values = np.full((len(features_a), len(features_b)), pairs.values.min(initial=0.0))
        cofirings = np.zeros(values.shape, np.int32)
        at = np.searchsorted(features_a, pairs.feature_a), np.searchsorted(features_b, pairs.feature_b)
        values[at], cofirings[at] = pairs.values, pairs.cofirings
        return SimilarityMatrix(features_a, features_b, values, cofirings)

    def pairs(self, rows: np.ndarray, columns: np.ndarray) -> Found:
        """Cells of the matrix as pairs of features."""
        return Found(
            self.features_a[rows],
            self.features_b[columns],
            self.values[rows, columns],
            self.cofirings[rows, columns].astype(np.int64),
        )
