"""Folding: decoder norms into activations, a constant input factor into the weights."""

from dataclasses import replace

import torch

from congruence.errors import SaeError
from congruence.saes.activation_functions import Activation
from congruence.saes.input_scaling import ConstantFactor, Unscaled
from congruence.saes.sae import Sae

UNIT_TOLERANCE = 1e-3


@torch.no_grad()
def fold_decoder_norm(sae: Sae) -> Sae:
    """The same function of the input with decoder rows of norm 1.

    With n = ‖W_dec rows‖: W_dec / n, W_enc · n, b_enc · n, and thresholds · n, so that every activation grows
    by n and fires where it did. Where features compete for k places this would change who wins, unless the
    SAE already compares activations times n; there it is refused, but for rows that have norm 1 to 1e-3.
    Rows of zeros are left as they are.

    Raises:
        SaeError: TopK or GroupMax whose features compete before rescaling.
    """
    unit, norm = unit_rows(sae.W_dec)
    weighted = getattr(sae.activation, "weight", None) is not None
    if sae.activation.compares_features and not sae.rescale_by_decoder_norm and not weighted:
        if float((norm - 1).abs().max()) > UNIT_TOLERANCE:
            raise SaeError(
                f"decoder norms of a {sae.activation.name} SAE can't be folded: its features compete before "
                "they are rescaled, so others would fire; load it without fold_decoder_norm"
            )
        return replace(sae, W_dec=unit)
    return replace(
        sae,
        W_dec=unit,
        W_enc=(sae.W_enc * norm).to(sae.dtype),
        b_enc=(sae.b_enc * norm).to(sae.dtype),
        activation=_folded_rule(sae, norm.to(sae.dtype)),
        rescale_by_decoder_norm=False,
    )


def unit_rows(W_dec: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Decoder rows of norm 1 in their own dtype, and the norms they had; rows of zeros stay, with norm 1."""
    norm = W_dec.float().norm(dim=-1)
    norm = torch.where(norm == 0, torch.ones_like(norm), norm)
    return (W_dec / norm[:, None]).to(W_dec.dtype), norm


def fold_input_factor(sae: Sae) -> Sae:
    """The same function of the input without its constant input factor s: W_enc · s, W_dec / s, b_dec / s.

    A transcoder's output isn't on the scale of its input, so its decoder stays as it is. Where there is no
    constant factor the SAE is returned as it is.
    """
    if not isinstance(sae.scaling, ConstantFactor):
        return sae
    factor = sae.scaling.factor
    if sae.activation.reads_input:
        raise SaeError(f"the input factor of a {sae.activation.name} SAE can't be folded into its weights")
    if sae.rescale_by_decoder_norm:
        sae = fold_decoder_norm(sae)
    folded = replace(sae, W_enc=sae.W_enc * factor, scaling=Unscaled())
    return (
        folded if sae.is_transcoder else replace(folded, W_dec=sae.W_dec / factor, b_dec=sae.b_dec / factor)
    )


def _folded_rule(sae: Sae, norm: torch.Tensor) -> Activation:
    """Thresholds of an SAE that rescales are on the rescaled scale already."""
    return sae.activation if sae.rescale_by_decoder_norm else sae.activation.scaled(norm)
