"""An SAE changed in the ways that files and configurations go wrong, to see whether it then fits."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from congruence.saes import Sae
from congruence.saes.fit import Fit, measure
from congruence.saes.input_scaling import ConstantFactor, ConstantNorm, InputScaling, LayerNorm, Unscaled

FACTORS = tuple(2.0**power for power in (-4, -3, -2, -1.5, -1, -0.5, 0.5, 1, 1.5, 2, 3, 4))
FEW_FACTORS = (0.125, 0.5, 2.0, 8.0)
"""Enough to see that some scale fits better; the usual conventions are tried beside them."""


@dataclass(frozen=True)
class Probe:
    """One change and what came of it.

    Attributes:
        change: in words.
        fit: the changed SAE on the same vectors.
    """

    change: str
    fit: Fit


def scale_probes(sae: Sae, x: torch.Tensor, factors: tuple[float, ...] = FACTORS) -> list[Probe]:
    """Other scales of the input: the usual conventions, and factors from 1/16 to 16."""
    scalings = _scalings(sae, x, factors)
    return [Probe(change, measure(replace(sae, scaling=scaling), x)) for change, scaling in scalings]


def decoder_probes(sae: Sae, x: torch.Tensor) -> list[Probe]:
    """Weights whose numbers lie in another order: rows for columns, or read as if they were."""
    return [Probe(change, measure(changed, x)) for change, changed in _reordered(sae)]


def rotated_fit(sae: Sae, x: torch.Tensor, *, seed: int = 0) -> Fit:
    """The SAE on the same vectors turned at random: as well as one of another model would do."""
    return measure(sae, turned_at_random(x, seed=seed))


def turned_at_random(x: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
    """The same vectors, all turned alike: every norm and angle between them is kept, and no direction.

    Source: ours.
    """
    generator = torch.Generator().manual_seed(seed)
    rotation, _ = torch.linalg.qr(torch.randn(x.shape[-1], x.shape[-1], generator=generator))
    return x @ rotation


def encoder_decoder_cosine(sae: Sae) -> float:
    """Mean cosine of each feature's encoder column and decoder row; about 0 where they don't belong."""
    return float(torch.nn.functional.cosine_similarity(sae.W_enc.T.float(), sae.W_dec.float(), dim=1).mean())


def _scalings(sae: Sae, x: torch.Tensor, factors: tuple[float, ...]) -> Iterator[tuple[str, InputScaling]]:
    root, mean = sae.d_in**0.5, float(x.norm(dim=-1).mean())
    now = sae.scaling.factor if isinstance(sae.scaling, ConstantFactor) else 1.0
    if sae.scaling.name != "none":
        yield "inputs as they are", Unscaled()
    yield f"inputs brought to a mean norm of √d (times {root / mean:.3g})", ConstantFactor(root / mean)
    yield f"inputs brought to a mean norm of 1 (times {1 / mean:.3g})", ConstantFactor(1 / mean)
    if not isinstance(sae.scaling, ConstantNorm):
        yield "every token brought to norm √d (constant_norm_rescale)", ConstantNorm()
    if not isinstance(sae.scaling, LayerNorm):
        yield "every token layer-normed (layer_norm)", LayerNorm()
    yield "every token brought to norm 1", _UnitNorm()
    for factor in factors:
        yield f"inputs times about {now * factor:.2g}", ConstantFactor(now * factor)


@dataclass(frozen=True)
class _UnitNorm(ConstantNorm):
    """x / ‖x‖."""

    @staticmethod
    def _factor(x: torch.Tensor) -> torch.Tensor:
        return 1 / x.norm(dim=-1, keepdim=True)


def _reordered(sae: Sae) -> Iterator[tuple[str, Sae]]:
    W_enc, W_dec = sae.W_enc, sae.W_dec
    if sae.d_in == sae.d_sae:
        yield "W_dec transposed", replace(sae, W_dec=W_dec.T.contiguous())
        yield "W_enc transposed", replace(sae, W_enc=W_enc.T.contiguous())
    else:
        yield "W_dec read as (d_in, d_sae) and transposed", replace(sae, W_dec=_reread(W_dec))
        yield "W_enc read as (d_sae, d_in) and transposed", replace(sae, W_enc=_reread(W_enc))
    yield "the encoder's transpose in place of W_dec", replace(sae, W_dec=W_enc.T.contiguous())


def _reread(weight: torch.Tensor) -> torch.Tensor:
    rows, columns = weight.shape
    return weight.contiguous().reshape(columns, rows).T.contiguous()
