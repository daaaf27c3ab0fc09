"""`translation_accuracy`: does a rotation fitted on half of the pairs find the partners of the others?"""

from typing import Annotated, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import linalg

from congruence.metrics.base import Laws, Measure, format_score, metric
from congruence.metrics.blas import one_blas_thread, product
from congruence.metrics.inputs import Pair, paired
from congruence.metrics.options import at_least
from congruence.metrics.splits import HeldOutTable, PreparedHeldOut, Split, halves

UNDETERMINED = 1e-9
DIGITS = 12


def translated_similarity(pair: Pair, split: Split) -> Float[np.ndarray, "h h"]:
    """Cosines of the held-out x rows, mapped by the rotation fitted on the other half, with the y rows."""
    mean_x, mean_y = pair.x[split.fit].mean(axis=0), pair.y[split.fit].mean(axis=0)
    x, y = pair.x - mean_x, pair.y - mean_y
    u, vt = _rotation(product(x[split.fit].T, y[split.fit]))
    return _cosines(product(product(x[split.held], u), vt), y[split.held])


def _rotation(
    cross: Float[np.ndarray, "d_a d_b"],
) -> tuple[Float[np.ndarray, "d_a r"], Float[np.ndarray, "r d_b"]]:
    """The orthogonal polar factor of the cross product, in two parts.

    Directions that the fitted half doesn't determine (more columns than rows) are left out: any completion
    would map held-out rows by chance.
    """
    u, s, vt = linalg.svd(cross, full_matrices=False, check_finite=False)
    rank = int((s > s[0] * UNDETERMINED).sum())
    return u[:, :rank], vt[:rank]


def credit(similarity: Float[np.ndarray, "h h"], k: int) -> Float[np.ndarray, "h h"]:
    """1 where column j is among row i's k nearest, 0 elsewhere; ties at the edge share what is left."""
    if k >= similarity.shape[1]:
        return np.ones_like(similarity)
    edge = -np.partition(-similarity, k - 1, axis=1)[:, k - 1 : k]
    above, level = similarity > edge, similarity == edge
    share = (k - above.sum(axis=1, keepdims=True)) / level.sum(axis=1, keepdims=True)
    return above + level * share


def _cosines(a: Float[np.ndarray, "h d"], b: Float[np.ndarray, "h d"]) -> Float[np.ndarray, "h h"]:
    norms = np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    return np.round(product(a, b.T) / np.where(norms > 0, norms, np.inf), DIGITS)


@metric
class TranslationAccuracy(Measure):
    """Share of held-out rows whose own partner is nearest after a rotation fitted on the other half.

    Q = argmin ‖X_f Q − Y_f‖_F over (semi-)orthogonal Q on half of the pairs, 0 on directions which that
    half doesn't determine; then, for each other pair i, is y_i the row of held-out Y with the highest
    cosine to x_i Q? The value is precision at ``at[0]``; chance is at[0] / held-out rows.

    Invariant to shifts, isotropic scale and rotations of each side; not symmetric. Meaningless where the
    fit half is small against the dimensions that matter: the map then fits anything and finds little. A
    re-pairing null re-pairs the held-out half alone, so a draw is a lookup; exact for one split
    (`docs/nulls.md`).

    Returns:
        Score in [0, 1]; details: precision and chance at each rank, held-out rows.

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
        "similar numbers of pairs."
    )
    says = (
        "a rotation fitted on half of the matched features finds the right partner for {percent} of the "
        "others"
    )
    sides = (
        "(n, d_a) rows of side A, which is mapped.",
        "(n, d_b) rows of side B, among which is searched.",
    )

    at: tuple[Annotated[int, at_least(1)], ...] = (1, 10)
    """Ranks to report; the first is the score."""
    splits: Annotated[int, at_least(1)] = 1
    """Random halvings to average over."""
    seed: int = 0
    """What the halvings derive from."""

    @one_blas_thread()
    def prepare(self, x: ArrayLike, y: ArrayLike) -> PreparedHeldOut:
        """The rotation of every split, and a table of who finds whom among its held-out rows."""
        pair = paired(x, y)
        parts = halves(pair.n, self.splits, self.seed)
        similarities = [translated_similarity(pair, split) for split in parts]
        held = len(parts[0].held)
        tables = [
            HeldOutTable(split, credit(similarity, self.at[0]), divisor=float(held))
            for split, similarity in zip(parts, similarities, strict=True)
        ]
        details: dict[str, Any] = {"held_out": held}
        for k in self.at:
            details[f"at_{k}"] = float(np.mean([np.diagonal(credit(s, k)).mean() for s in similarities]))
            details[f"chance_at_{k}"] = min(k / held, 1.0)
        return PreparedHeldOut(self.name, pair.n, tables, details)

    def sentence(self, value: float) -> str:
        """In words where the score is of the nearest row."""
        return super().sentence(value) if self.at[0] == 1 else Measure.says.format(score=format_score(value))


translation_accuracy = TranslationAccuracy.function
