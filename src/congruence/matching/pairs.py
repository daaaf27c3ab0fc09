"""Filling in the match record from pairs of features."""

from dataclasses import dataclass

import numpy as np

from congruence.records import Matching
from congruence.stats import Correlation, PreparedActs
from congruence.stats.graph import list_pairs


@dataclass(frozen=True)
class Found:
    """Pairs a matcher chose.

    Attributes:
        feature_a, feature_b: (p,) int64.
        r: (p,) float64 similarity.
        cofirings: (p,) int64 tokens on which both fire.
    """

    feature_a: np.ndarray
    feature_b: np.ndarray
    r: np.ndarray
    cofirings: np.ndarray

    def __len__(self) -> int:
        return len(self.feature_a)

    @staticmethod
    def concatenated(parts: "list[Found]") -> "Found":
        """All pairs of several lists."""
        nobody = np.empty(0, np.int64)
        parts = parts or [Found(nobody, nobody, np.empty(0), nobody)]
        return Found(
            np.concatenate([part.feature_a for part in parts]),
            np.concatenate([part.feature_b for part in parts]),
            np.concatenate([part.r for part in parts]),
            np.concatenate([part.cofirings for part in parts]),
        )

    def select(self, keep: np.ndarray) -> "Found":
        """The pairs at an index array or mask."""
        return Found(self.feature_a[keep], self.feature_b[keep], self.r[keep], self.cofirings[keep])

    def by_a(self) -> "Found":
        """The same pairs in the order of the A features."""
        return self.select(np.argsort(self.feature_a, kind="stable"))

    def swapped(self) -> "Found":
        """The same pairs with A and B exchanged."""
        return Found(self.feature_b, self.feature_a, self.r, self.cofirings)


def matching_of(
    correlation: Correlation, found: Found, *, method: str, objective: str, from_: str = "a"
) -> Matching:
    """The record of given pairs, in the order given.

    The margin of a pair is its r minus the r of the best *other* partner of the feature on side `from_`:
    below zero where a bijection had to give that feature less than its best.
    """
    feature_a, feature_b = found.feature_a, found.feature_b
    seeker, partner, best = feature_a, feature_b, correlation.a_to_b
    if from_ == "b":
        seeker, partner, best = feature_b, feature_a, correlation.b_to_a
    return Matching(
        method=method,
        feature_a=feature_a.astype(np.int64),
        feature_b=feature_b.astype(np.int64),
        r=np.asarray(found.r, np.float64),
        firings_a=correlation.firings_a[feature_a],
        firings_b=correlation.firings_b[feature_b],
        cofirings=np.asarray(found.cofirings, np.int64),
        margin=found.r - _best_other(best.values[seeker], best.indices[seeker], partner),
        mutual=(correlation.a_to_b.indices[feature_a, 0] == feature_b)
        & (correlation.b_to_a.indices[feature_b, 0] == feature_a),
        objective=objective,
        total=float(np.sum(found.r)),
        measure=correlation.measure,
        unmatched={
            "a": int(np.count_nonzero(correlation.a_to_b.indices[:, 0] < 0)),
            "b": int(np.count_nonzero(correlation.b_to_a.indices[:, 0] < 0)),
        },
    )


def _best_other(values: np.ndarray, indices: np.ndarray, partner: np.ndarray) -> np.ndarray:
    if values.shape[1] < 2:
        return np.full(len(values), np.nan)
    return np.where(indices[:, 0] == partner, values[:, 1], values[:, 0])


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
