"""Do the rotation between decoder directions and the rotation between hidden states agree?"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import linalg

from congruence.errors import InputError
from congruence.metrics.blas import one_blas_thread
from congruence.rng import derive

MOST_PAIRS = 2_000


@dataclass(frozen=True)
class RotationAgreement:
    """How two rotations agree on the decoder rows of matched features.

    Attributes:
        cosine: mean over pairs of the cosine between a row of x turned by the rotation fitted on the other
            half of the paired rows and the same row turned by that of the states.
        null: the same where the decoder rotation is fitted on re-paired rows.
        finds: share of rows of x whose own partner is nearest after the rotation of the states, which saw no
            pair; chance is 1 / pairs.
        pairs: rows that this rests on.
    """

    cosine: float = math.nan
    null: float = math.nan
    finds: float = math.nan
    pairs: int = 0


@one_blas_thread()
def rotation_agreement(
    rows_x: Float[np.ndarray, "p d_x"],
    rows_y: Float[np.ndarray, "p d_y"],
    matrix: Float[np.ndarray, "d_x d_y"],
    *,
    seed: int = 0,
) -> RotationAgreement:
    """Hold the rotation of `translation_accuracy` against that of an orthogonal map.

    Args:
        rows_x, rows_y: decoder rows of paired features; of more than 2,000 pairs a random part.
        matrix: of a fitted map of states from x to y.
        seed: of halves and re-pairing.

    Returns:
        The agreement; NaN with fewer than six pairs.

    Raises:
        InputError: rows and map don't fit each other.

    Source: ours. That an SAE moves between models by one rotation of activations: arXiv 2605.24577.
    """
    if (rows_x.shape[1], rows_y.shape[1]) != matrix.shape or len(rows_x) != len(rows_y):
        raise InputError(
            f"decoder rows of shapes {rows_x.shape} and {rows_y.shape} don't go with a map of shape "
            f"{matrix.shape}: give paired rows of the map's two models"
        )
    rng = derive(seed, "rotation_agreement")
    order = rng.permutation(len(rows_x))[:MOST_PAIRS]
    if len(order) < 6:
        return RotationAgreement(pairs=len(order))
    x, y = (_unit(rows[order].astype(np.float64)) for rows in (rows_x, rows_y))
    fit, held = np.array_split(np.arange(len(x)), 2)
    x, y = x - x[fit].mean(axis=0), y - y[fit].mean(axis=0)
    by_states = _unit(x[held] @ matrix)
    wrong = y[fit][rng.permutation(len(fit))]
    cosine, null = (
        float((_unit(x[held] @ _rotation(x[fit], of)) * by_states).sum(axis=1).mean())
        for of in (y[fit], wrong)
    )
    nearest = np.argmax(np.round(by_states @ _unit(y[held]).T, 12), axis=1)
    return RotationAgreement(cosine, null, float((nearest == np.arange(len(held))).mean()), len(x))


def _rotation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """argmin over (semi-)orthogonal Q of ‖x Q − y‖, on the directions that the rows determine."""
    u, s, vt = linalg.svd(x.T @ y, full_matrices=False)
    rank = int((s > s[0] * 1e-9).sum())
    return u[:, :rank] @ vt[:rank]


def _unit(rows: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms > 0, norms, 1)
