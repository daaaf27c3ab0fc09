"""The untrained SAE: the control that shares an SAE's shapes and sparsity and has learned nothing."""

from dataclasses import replace

import numpy as np
import torch

from congruence.saes.activation_functions import TopK
from congruence.saes.sae import Sae

DEFAULT_K = 64


def untrained(sae: Sae, rng: np.random.Generator, *, k: int | None = None) -> Sae:
    """An SAE of the same shapes with random unit decoder rows, as training begins.

    W_dec rows are uniform on the sphere, W_enc = W_decᵀ (a transcoder's W_enc is drawn by itself), and inputs
    are centred by the trained b_dec, which holds no more than their mean. The k largest features fire.

    Args:
        sae: the trained one; hook, input scaling, device and dtype are taken over.
        rng: source of the draws.
        k: features that fire on a token; by default as many as in `sae`, or 64 where it has no fixed number.

    Source: ours (the papers' control of random SAEs doesn't say how they fire).
    """
    W_dec = _unit_rows(sae.d_sae, sae.d_out, rng, like=sae.W_dec)
    W_enc = _unit_rows(sae.d_sae, sae.d_in, rng, like=sae.W_enc).T if sae.is_transcoder else W_dec.T
    fires = min(k or sae.k or DEFAULT_K, sae.d_sae)
    b_enc = torch.zeros_like(sae.b_enc)
    if not sae.is_transcoder and not sae.subtract_b_dec:
        b_enc = -(sae.b_dec @ W_enc)
    return replace(
        sae,
        W_enc=W_enc,
        W_dec=W_dec,
        b_enc=b_enc,
        activation=TopK(fires),
        architecture=sae.architecture if sae.is_transcoder else "topk",
        rescale_by_decoder_norm=False,
        W_skip=None if sae.W_skip is None else torch.zeros_like(sae.W_skip),
        metadata={"untrained": True},
    )


def _unit_rows(rows: int, columns: int, rng: np.random.Generator, *, like: torch.Tensor) -> torch.Tensor:
    drawn = rng.standard_normal((rows, columns), dtype=np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return torch.from_numpy(drawn).to(device=like.device, dtype=like.dtype)
