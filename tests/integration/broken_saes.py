"""Right SAEs spoiled in the ways that files and configurations go wrong."""

from dataclasses import replace
from pathlib import Path

import torch

from congruence.saes import Sae, load_sae, save_saelens


def spoiled(source: Path, folder: Path, change) -> str:
    """Write a changed copy of an SAE as a SAELens folder; returns its path."""
    return str(save_saelens(change(load_sae(source)), folder))


def scrambled_decoder(sae: Sae) -> Sae:
    """W_dec's numbers as they lie in memory when it is stored as (d_in, d_sae)."""
    return replace(sae, W_dec=sae.W_dec.T.contiguous().reshape(sae.W_dec.shape))


def unscaled(factor: float):
    """What training on inputs times `factor` gives, with a config that doesn't say so."""

    def change(sae: Sae) -> Sae:
        return replace(sae, W_enc=sae.W_enc / factor, W_dec=sae.W_dec * factor, b_dec=sae.b_dec * factor)

    return change


def of_another_model(sae: Sae) -> Sae:
    """The SAE of a model whose residual stream has other axes."""
    generator = torch.Generator().manual_seed(3)
    rotation, _ = torch.linalg.qr(torch.randn(sae.d_in, sae.d_in, generator=generator))
    return replace(sae, W_enc=rotation.T @ sae.W_enc, W_dec=sae.W_dec @ rotation, b_dec=sae.b_dec @ rotation)


def nameless(sae: Sae) -> Sae:
    """The SAE itself, with a file that doesn't say where it reads."""
    return replace(sae, hook_name=None)
