"""How well an SAE fits the vectors it is fed: the figures that the doctor judges by."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from congruence.saes import Sae

_DENSE_VALUES = 1 << 23


@dataclass(frozen=True)
class Fit:
    """An SAE on the vectors of one hook point.

    Attributes:
        fvu: fraction of variance unexplained, Σ‖t − t̂‖² / Σ‖t − mean(t)‖²; above 1 it is worse than the mean.
        cosine: mean cosine of t and t̂.
        norm_ratio: mean ‖t̂‖ / mean ‖t‖.
        l0: mean number of active features a token.
        dead_share: share of features that fire on none of the tokens.
        tokens: number of tokens measured.
        d_sae: number of features.
    """

    fvu: float
    cosine: float
    norm_ratio: float
    l0: float
    dead_share: float
    tokens: int
    d_sae: int

    @property
    def figures(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


@torch.no_grad()
def measure(sae: "Sae", x: torch.Tensor, target: torch.Tensor | None = None) -> Fit:
    """The figures of one SAE.

    Args:
        sae: any SAE or transcoder.
        x: (n, d_in) float32, what it is fed.
        target: (n, d_out), what it has to predict; by default `x` itself.

    Memory: a dense batch of at most 2²³ activations, and (n, d_out) for the outputs.
    """
    target = x if target is None else target
    fired = torch.zeros(sae.d_sae)
    outputs = []
    for part in x.split(max(1, _DENSE_VALUES // sae.d_sae)):
        feature_acts = sae.encode(part)
        fired += (feature_acts != 0).sum(0).cpu()
        out = sae.decode(feature_acts, part) if sae.W_skip is None else sae.reconstruct(part)
        outputs.append(out.float().cpu())
    output = torch.cat(outputs)
    return Fit(
        fvu=_ratio((target - output).square().sum(), (target - target.mean(0)).square().sum()),
        cosine=float(torch.nn.functional.cosine_similarity(target, output, dim=-1).mean()),
        norm_ratio=_ratio(output.norm(dim=-1).sum(), target.norm(dim=-1).sum()),
        l0=float(fired.sum()) / len(x),
        dead_share=float((fired == 0).float().mean()),
        tokens=len(x),
        d_sae=sae.d_sae,
    )


def _ratio(part: torch.Tensor, whole: torch.Tensor) -> float:
    return float(part / whole) if whole > 0 else float("nan")
