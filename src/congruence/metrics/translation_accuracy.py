"""`translation_accuracy`: does a rotation fitted on half of the pairs find the partners of the others?"""

from typing import Annotated, Any, ClassVar

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.base import Laws, Measure, format_score, metric
from congruence.metrics.blas import blocks, in_parallel, one_blas_thread
from congruence.metrics.inputs import paired
from congruence.metrics.rotation import translated_similarity
from congruence.metrics.shared import SharedRows
from congruence.metrics.splits import HeldOutTable, PreparedHeldOut, halves, table_bytes
from congruence.options import REPEATS, SEED, at_least

AMONG = 20


def credit(
    similarity: Float[np.ndarray, "h h"], k: int, candidates: int | None = None
) -> Shaped[np.ndarray, "h h"]:
    """How likely column j is among row i's k nearest; ties share what is left.

    Among all columns that is 1 or 0 but for ties, and held in one byte where it is. Among `candidates`,
    column j and others drawn without replacement, it follows from the number of columns above j
    (`found_by_rank`).
    """
    found = None if candidates is None else found_by_rank(len(similarity), k, candidates)

    def of(rows: slice) -> Shaped[np.ndarray, "b h"]:
        part = similarity[rows]
        shares = _credit_among_all(part, k) if found is None else _credit_by_rank(part, found)
        whole = shares.astype(np.uint8)
        return whole if (whole == shares).all() else shares

    return np.concatenate(in_parallel(of, blocks(len(similarity))))


def _credit_by_rank(
    similarity: Float[np.ndarray, "b h"], found: Float[np.ndarray, " h"]
) -> Float[np.ndarray, "b h"]:
    ordered = np.sort(similarity, axis=1)
    above = np.empty(similarity.shape, dtype=np.int64)
    level = np.empty_like(above)
    for i, row in enumerate(similarity):
        last = np.searchsorted(ordered[i], row, side="right")
        above[i], level[i] = len(row) - last, last - np.searchsorted(ordered[i], row, side="left")
    return _shared(above, level, found)


def own_credit(similarity: Float[np.ndarray, "h h"], k: int, candidates: int | None = None) -> float:
    """Mean credit of each row's own partner."""
    own = np.diagonal(similarity)[:, None]
    above, level = (similarity > own).sum(axis=1), (similarity == own).sum(axis=1)
    return float(
        _shared(above, level, found_by_rank(len(similarity), k, candidates or len(similarity))).mean()
    )


def found_by_rank(held: int, k: int, candidates: int) -> Float[np.ndarray, " held"]:
    """Chance to be among the k nearest of `candidates`, by the number r of all other rows that are nearer.

    The others are candidates − 1 of held − 1 rows, drawn without replacement: the chance that fewer than k
    of the r are among them, a hypergeometric distribution's. With all rows as candidates it is 1 for r < k
    and 0 beyond.

    >>> found_by_rank(4, 1, 2).round(3).tolist()
    [1.0, 0.667, 0.333, 0.0]
    """
    nearer = np.arange(held)
    if candidates == held:
        return (nearer < k).astype(np.float64)
    if k == 1:  # none of the nearer ones is among the others that are drawn
        chance = np.ones(held)
        for drawn in range(candidates - 1):
            chance *= np.maximum(held - 1 - drawn - nearer, 0) / (held - 1 - drawn)
        return chance

    from scipy.stats import hypergeom  # slow to import

    return np.clip(hypergeom.cdf(k - 1, held - 1, nearer, candidates - 1), 0.0, 1.0)


def _shared(
    above: Int[np.ndarray, "*shape"], level: Int[np.ndarray, "*shape"], found: Float[np.ndarray, " held"]
) -> Float[np.ndarray, "*shape"]:
    """The mean of what the places that a tie covers would give."""
    total = np.concatenate([[0.0], np.cumsum(found)])
    return np.where(level == 1, found[above], (total[above + level] - total[above]) / level)


def _credit_among_all(similarity: Float[np.ndarray, "b h"], k: int) -> Float[np.ndarray, "b h"]:
    if k >= similarity.shape[1]:
        return np.ones_like(similarity)
    edge = -np.partition(-similarity, k - 1, axis=1)[:, k - 1 : k]
    above, level = similarity > edge, similarity == edge
    share = (k - above.sum(axis=1, keepdims=True)) / level.sum(axis=1, keepdims=True)
    return above + level * share


@metric
class TranslationAccuracy(Measure):
    """Share of held-out rows whose own partner is nearest after a rotation fitted on the other half.

    Q = argmin ‖X_f Q − Y_f‖_F over (semi-)orthogonal Q on half of the pairs, 0 on directions which that
    half doesn't determine; then, for each other pair i, is y_i the row of held-out Y with the highest
    cosine to x_i Q? The value is precision at ``at[0]``; chance is at[0] / held-out rows, or at[0] /
    `candidates`.

    Invariant to shifts, isotropic scale and rotations of each side; not symmetric. Meaningless where the
    fit half is small against the dimensions that matter: the map then fits anything and finds little. A
    re-pairing null re-pairs the held-out half alone, so a draw is a lookup; exact for one split
    (`docs/nulls.md`).

    Returns:
        Score in [0, 1]; details: precision and chance at each rank, held-out rows, candidates, and
        precision@1 among 20 candidates (among_20; NaN where fewer are held out).

    Raises:
        InputError: bad input, fewer than 6 pairs, or a rank below 1.

    Source: ours, after bilingual dictionary induction (Smith et al. 2017, arXiv 1702.03859).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(200, 8))
    >>> float(translation_accuracy(x, x[:, ::-1]))
    1.0
    """

    name = "translation_accuracy"
    title = "Translation accuracy"
    range = (0.0, 1.0)
    laws = Laws(symmetric=False, row_order=False, self_is_one=False)
    reading = (
        "A rotation is fitted on half of the matched pairs. For each feature held out: is its own partner "
        "the nearest decoder direction on the other side? The score is the share for which it is."
    )
    beware = (
        "Chance is one over the number of held-out pairs, so compare scores only between layer pairs with "
        "similar numbers of pairs; among_20, the same among 20 candidates, can be compared everywhere."
    )
    says = (
        "a rotation fitted on half of the matched features finds the right partner for {percent} of the "
        "others"
    )
    sides = (
        "(n, d_a) rows of side A, which is mapped.",
        "(n, d_b) rows of side B, among which is searched.",
    )

    shares_rows: ClassVar[bool] = True

    at: tuple[Annotated[int, at_least(1)], ...] = (1, 10)
    """Ranks to report; the first is the score."""
    splits: Annotated[int, REPEATS] = 1
    """Random halvings to average over."""
    seed: Annotated[int, SEED] = 0
    """What the halvings derive from."""

    candidates: Annotated[int, at_least(2)] | None = None
    """Search among this many rows of held-out Y, the partner and others drawn at random, instead of all; the
    score is what is expected over the draws, so cells with other numbers of pairs can be compared."""

    def check_reach(self, most_pairs: int, width_a: int, width_b: int) -> None:
        """Refuse more candidates than half of the pairs are."""
        super().check_reach(most_pairs, width_a, width_b)
        self._check_candidates(most_pairs - most_pairs // 2)

    def _check_candidates(self, held: int) -> None:
        if self.candidates is not None and self.candidates > held:
            raise InputError(
                f"candidates={self.candidates} of {held} held-out pairs: use up to {held}, or more pairs"
            )

    @one_blas_thread()
    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedHeldOut:
        """The rotation of every split, and a table of who finds whom among its held-out rows."""
        pair = paired(x, y)
        parts = halves(pair.n, self.splits, self.seed)
        held = len(parts[0].held)
        self._check_candidates(held)
        sides = SharedRows.of(x, pair.x), SharedRows.of(y, pair.y)
        similarities = [translated_similarity(*sides, split) for split in parts]
        tables = [
            HeldOutTable(split, credit(similarity, self.at[0], self.candidates), divisor=float(held))
            for split, similarity in zip(parts, similarities, strict=True)
        ]
        return PreparedHeldOut(self.name, pair.n, tables, self._details(held, similarities))

    def memory(self, n: int, d_a: int, d_b: int) -> int:
        """Held-out similarities of every split, and a table of credit."""
        return super().memory(n, d_a, d_b) + table_bytes(n, self.splits)

    def _details(self, held: int, similarities: list[Float[np.ndarray, "h h"]]) -> dict[str, Any]:
        """Precision at each rank, what chance would give, and precision@1 among 20 candidates."""
        details: dict[str, Any] = {"held_out": held, "candidates": self.candidates or held}
        for k in self.at:
            found = [own_credit(similarity, k, self.candidates) for similarity in similarities]
            details[f"at_{k}"] = float(np.mean(found))
            details[f"chance_at_{k}"] = min(k / (self.candidates or held), 1.0)
        few = [own_credit(similarity, 1, AMONG) if held >= AMONG else np.nan for similarity in similarities]
        details[f"among_{AMONG}"] = float(np.mean(few))
        return details

    def sentence(self, value: float) -> str:
        """In words where the score is of the nearest row."""
        if self.at[0] != 1:
            return Measure.says.format(score=format_score(value))
        words = super().sentence(value)
        among = f"partner among {self.candidates} for"
        return words if self.candidates is None else words.replace("partner for", among)


translation_accuracy = TranslationAccuracy.function
