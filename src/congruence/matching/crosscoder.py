"""The pairs that a crosscoder is, feature i of one model with feature i of the other; and a judge by them."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le
from jaxtyping import Float, Int

from congruence.errors import InputError
from congruence.matching.registry import MATCHERS
from congruence.records import Matching
from congruence.stats import pair_similarities, prepare_pair

SHARED = 0.1
"""Half the width of what counts as shared round 1/2, as in Minder et al.'s (2025) diffing-toolkit."""
EXCLUSIVE = 0.1
"""A relative norm below this, or above 1 less it, is one model's alone (the same source)."""


@MATCHERS.register("crosscoder")
def crosscoder(
    acts_a: Any,
    acts_b: Any,
    *,
    measure: str = "pearson",
    min_cofirings: int = 1,
    path: str = "",
    places: list[int] | None = None,
    shared: Annotated[float, Ge(0), Le(0.5)] = SHARED,
    features: Int[np.ndarray, " p"] | None = None,
) -> Matching:
    """Each feature of a crosscoder with itself: the same feature, written by two models' decoder rows.

    In a run `path` names the crosscoder; its features are encoded from both models at once, those that both
    write alike strongly are paired, and each side's rows are its own decoder's.

    Args:
        acts_a, acts_b: (n, f) activations of equal width, feature i of a being feature i of b.
        measure, min_cofirings: as for `correlate`.
        path: folder or Hub id of the crosscoder; read by a run.
        places: which of its models side a and side b are, by default [0, 1]; of layers of one model, their
            layers decide.
        shared: features whose relative decoder norm is no further than this from 1/2 are paired.
        features: those that are paired; by default all that fire on both sides.

    Raises:
        InputError: the sides have different numbers of features.
    """
    a, b = prepare_pair(acts_a, acts_b)
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"a crosscoder's features are the same on both sides: {a.shape[1]} and {b.shape[1]} were given"
        )
    firings_a, firings_b = a.moments.firings, b.moments.firings
    alive = (firings_a > 0) & (firings_b > 0)
    wanted = np.arange(a.shape[1]) if features is None else np.asarray(features)
    found = wanted[alive[wanted]]
    r, cofirings = pair_similarities(a, b, found, found, measure=measure)
    enough = cofirings >= min_cofirings
    found, r, cofirings = found[enough], r[enough], cofirings[enough]
    return Matching(
        method="crosscoder",
        feature_a=found.astype(np.int64),
        feature_b=found.astype(np.int64),
        r=r,
        firings_a=firings_a[found],
        firings_b=firings_b[found],
        cofirings=cofirings,
        margin=np.full(len(found), np.nan),
        mutual=np.ones(len(found), dtype=bool),
        objective="feature i of one model is feature i of the other",
        total=float(np.nansum(r)),
        measure=measure,
        unmatched={
            "a": int(np.sum(firings_a > 0)) - len(found),
            "b": int(np.sum(firings_b > 0)) - len(found),
        },
    )


def relative_norms(
    rows_a: Float[np.ndarray, "f d"], rows_b: Float[np.ndarray, "f e"]
) -> Float[np.ndarray, " f"]:
    """How much b writes a feature rather than a: ((|d_b| − |d_a|) / max + 1) / 2; NaN where neither does.

    0 is a alone, 1/2 both alike, 1 b alone. Minder et al. 2025 (arXiv 2504.02922), section 3.1.

    >>> relative_norms(np.array([[2.0], [1.0]]), np.array([[0.0], [1.0]]))
    array([0. , 0.5])
    """
    norm_a, norm_b = (np.linalg.norm(rows.astype(np.float64), axis=1) for rows in (rows_a, rows_b))
    larger = np.maximum(norm_a, norm_b)
    with np.errstate(invalid="ignore", divide="ignore"):
        return ((norm_b - norm_a) / larger + 1) / 2


@dataclass(frozen=True)
class Judged:
    """A matching held against known partners.

    Attributes:
        known: partners that are known; found: those that the matching holds.
        judged: pairs of the matching of which a feature has a known partner; right: those that are known.
    """

    known: int
    found: int
    judged: int
    right: int

    @property
    def recall(self) -> float:
        """Share of the known partners that the matching holds; NaN where none is known."""
        return self.found / self.known if self.known else float("nan")

    @property
    def precision(self) -> float:
        """Share of the pairs that are right, of those that can be judged; NaN where none can."""
        return self.right / self.judged if self.judged else float("nan")


def judge_matching(
    matching: Matching, known_a: Int[np.ndarray, " k"], known_b: Int[np.ndarray, " k"]
) -> Judged:
    """Precision and recall of a matching against partners that are known, such as a crosscoder's.

    A pair can be judged if a feature of either side has a known partner: it is right if the other is it.

    Args:
        matching: or any record with `feature_a` and `feature_b`, such as rows of a run's `matches`.
        known_a, known_b: the known partners; a feature may have several.

    >>> made = type("Pairs", (), {"feature_a": np.array([0, 1, 2]), "feature_b": np.array([0, 2, 5])})
    >>> judged = judge_matching(made, np.array([0, 1]), np.array([0, 1]))
    >>> judged.recall, judged.precision
    (0.5, 0.5)
    """
    made = list(
        zip(np.asarray(matching.feature_a).tolist(), np.asarray(matching.feature_b).tolist(), strict=True)
    )
    known = set(zip(np.asarray(known_a).tolist(), np.asarray(known_b).tolist(), strict=True))
    of_a, of_b = {a for a, _ in known}, {b for _, b in known}
    judged = [pair for pair in made if pair[0] in of_a or pair[1] in of_b]
    right = sum(pair in known for pair in judged)
    return Judged(len(known), len(known.intersection(made)), len(judged), right)


def partners_through(
    W_dec_a: Float[np.ndarray, "f d"],
    W_dec_b: Float[np.ndarray, "g e"],
    rows_a: Float[np.ndarray, "c d"],
    rows_b: Float[np.ndarray, "c e"],
    *,
    least: float = 0.7,
) -> tuple[Int[np.ndarray, " k"], Int[np.ndarray, " k"]]:
    """Features of two models' SAEs that are one feature of a crosscoder: partners known without activations.

    Within model A a feature of its SAE *is* a feature of the crosscoder if the cosine of their decoder rows
    is at least `least` and each is the other's most similar; likewise within B. Features that are the same
    feature of the crosscoder are partners. 0.7 is Paulo & Belrose's (2025) bound for one feature in two SAEs.

    Args:
        W_dec_a, W_dec_b: decoder rows of the SAEs of both models.
        rows_a, rows_b: decoder rows of the crosscoder's features in both models.
        least: cosine from which rows are the same feature's.

    Returns:
        (k,) features of A and (k,) of B.
    """
    in_a, in_b = _same_feature(W_dec_a, rows_a, least), _same_feature(W_dec_b, rows_b, least)
    both = np.flatnonzero((in_a >= 0) & (in_b >= 0))
    return in_a[both], in_b[both]


def _same_feature(W_dec: np.ndarray, rows: np.ndarray, least: float) -> Int[np.ndarray, " c"]:
    """(c,) the SAE's feature of each row, -1 for none; features are gone through in blocks."""
    unit, other = _unit(W_dec), _unit(rows)
    best_row, best = np.full(len(unit), -1), np.full(len(unit), -np.inf)
    best_feature, most = np.full(len(other), -1), np.full(len(other), -np.inf)
    step = max(1, (1 << 24) // max(len(unit), 1))
    for start in range(0, len(other), step):
        cosine = unit @ other[start : start + step].T
        found = cosine.max(axis=1)
        better = found > best
        best[better], best_row[better] = found[better], start + cosine.argmax(axis=1)[better]
        most[start : start + step] = cosine.max(axis=0)
        best_feature[start : start + step] = cosine.argmax(axis=0)
    mutual = (most >= least) & (best_row[best_feature] == np.arange(len(other)))
    return np.where(mutual, best_feature, -1)


def _unit(rows: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norm == 0, 1, norm)
