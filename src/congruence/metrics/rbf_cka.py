"""`rbf_cka`: alignment of Gaussian kernels, which sees near rows rather than leading components."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.gram import DEBIASED_ROWS, PreparedCka, prepare_cka
from congruence.metrics.inputs import paired
from congruence.metrics.rdm import condensed, square
from congruence.metrics.registry import Laws, metric
from congruence.records import Score


def _prepare(x: ArrayLike, y: ArrayLike, *, bandwidth: float = 1.0, debiased: bool = True) -> PreparedCka:
    if not 0 < bandwidth < np.inf:
        raise InputError(f"bandwidth={bandwidth!r}: use a number above 0, in units of the median distance")
    pair = paired(x, y, min_rows=DEBIASED_ROWS if debiased else 3)
    grams = (_gram(side, bandwidth, name) for side, name in zip(pair, "xy", strict=True))
    return prepare_cka("rbf_cka", grams, debiased=debiased, bandwidth=bandwidth)


def _gram(x: Float[np.ndarray, "n d"], bandwidth: float, name: str) -> Float[np.ndarray, "n n"]:
    """exp(−‖x_i − x_j‖² / 2σ²), σ = bandwidth × median distance between different rows."""
    distances = condensed(x, "euclidean", name)
    sigma = bandwidth * float(np.median(distances))
    if sigma == 0:
        raise InputError(f"the median distance between rows of {name} is 0: drop repeated rows")
    gram = square(np.exp(-0.5 * (distances / sigma) ** 2), len(x))
    np.fill_diagonal(gram, 1.0)
    return gram


@metric(prepare=_prepare, laws=Laws(), range=(-1.0, 1.0))
def rbf_cka(x: ArrayLike, y: ArrayLike, *, bandwidth: float = 1.0, debiased: bool = True) -> Score:
    """Centred kernel alignment with Gaussian kernels of a width set by the median distance.

    HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)), K_ij = exp(−‖x_i − x_j‖² / 2σ²), σ = bandwidth × the median
    distance between different rows of a side. Debiased as in `linear_cka`.

    Invariant to shifts, isotropic scale and rotations of each side. In high dimension all distances are
    alike and it approaches `linear_cka`. Needs 4 pairs (debiased) and 20 n² bytes.

    Args:
        x: (n, d_a) rows of side A.
        y: (n, d_b) rows of side B, row i paired with row i of x.
        bandwidth: kernel width in units of the median distance; smaller looks more locally.
        debiased: use the unbiased HSIC.

    Returns:
        Score in [-1, 1] (in [0, 1] if not debiased).

    Raises:
        InputError: bad input, a bandwidth not above 0, or a median distance of 0.

    Source: Kornblith et al. 2019 (arXiv 1905.00414), section 3; unbiased HSIC: Song et al. 2012, eq. 5.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> round(float(rbf_cka(x, 2 * x + 1)), 6)
    1.0
    """
    return _prepare(x, y, bandwidth=bandwidth, debiased=debiased).observed()
