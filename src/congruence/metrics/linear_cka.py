"""`linear_cka`: alignment of the two Gram matrices, without the bias that grows with d over n."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from congruence.metrics.gram import DEBIASED_ROWS, PreparedCka, prepare_cka
from congruence.metrics.inputs import paired
from congruence.metrics.registry import Laws, metric
from congruence.metrics.subspace import centred
from congruence.records import Score


def _prepare(x: ArrayLike, y: ArrayLike, *, debiased: bool = True, unit_rows: bool = False) -> PreparedCka:
    pair = paired(x, y, min_rows=DEBIASED_ROWS if debiased else 3, unit_rows=unit_rows)
    grams = (_gram(side) for side in pair)
    return prepare_cka("linear_cka", grams, debiased=debiased, unit_rows=unit_rows)


def _gram(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n n"]:
    xc = centred(x)
    return xc @ xc.T


@metric(prepare=_prepare, laws=Laws(), range=(-1.0, 1.0))
def linear_cka(x: ArrayLike, y: ArrayLike, *, debiased: bool = True, unit_rows: bool = False) -> Score:
    """Centred kernel alignment of the Gram matrices x xᵀ and y yᵀ.

    HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)). Debiased: HSIC is the unbiased estimator, equal to the inner
    product of the U-centred Grams over n(n−3), so that unrelated sides score 0 on average at any n and
    d; it may be negative. Without it unrelated sides approach 1 as d grows past n.

    Invariant to shifts, isotropic scale and rotations of each side; dominated by their leading
    components. Needs 4 pairs (debiased) and 20 n² bytes.

    Args:
        x: (n, d_a) rows of side A.
        y: (n, d_b) rows of side B, row i paired with row i of x.
        debiased: use the unbiased HSIC.
        unit_rows: divide every row by its norm first.

    Returns:
        Score in [-1, 1] (in [0, 1] if not debiased).

    Raises:
        InputError: bad input, fewer than 4 pairs, or a Gram that vanishes once centred.

    Source: Kornblith et al. 2019 (arXiv 1905.00414), section 3; unbiased HSIC: Song et al. 2012, eq. 5.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> round(float(linear_cka(x, 2 * x + 1)), 6)
    1.0
    """
    return _prepare(x, y, debiased=debiased, unit_rows=unit_rows).observed()
