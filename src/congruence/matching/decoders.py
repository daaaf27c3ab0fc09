"""Pairing features by the directions they write, where both SAEs read the same model."""

from typing import Any

from jaxtyping import Float
from numpy import ndarray

from congruence.errors import InputError
from congruence.matching.registry import match
from congruence.records import Matching


def match_decoders(
    W_dec_a: Float[ndarray, "f d"],
    W_dec_b: Float[ndarray, "g d"],
    *,
    method: str = "mutual_best",
    **options: Any,
) -> Matching:
    """Pair features by the cosine of their decoder rows, by any matcher.

    Only meaningful within one residual stream: two SAEs of one model, or layers of it (Lan et al. 2024,
    appendix A). `firings` and `cofirings` of the record count model dimensions with a non-zero entry.

    Args:
        W_dec_a, W_dec_b: (f, d_model) and (g, d_model) decoder rows, numpy or torch.
        method, options: as for :func:`match`.

    Raises:
        InputError: the decoders write into spaces of different width.
    """
    if W_dec_a.shape[1] != W_dec_b.shape[1]:
        raise InputError(
            f"W_dec_a has {W_dec_a.shape[1]} dimensions and W_dec_b {W_dec_b.shape[1]}: decoder directions "
            "compare only within one model; match by activations instead"
        )
    return match(W_dec_a.T, W_dec_b.T, method=method, measure="cosine", **options)
