"""Latent scaling: how much of a crosscoder's feature is in each model, whatever its decoder norms say.

Of a feature that seems to be one model's alone, d its decoder row there and f its activations, the β of

    min over β of Σ_n ‖β f_n d − y_n‖²   =   Σ_n f_n (y_n · d) / (Σ_n f_n² ‖d‖²)

is taken for y = the crosscoder's reconstruction of each model, and for y = its error there plus what the
feature itself gives there. ν = β of the other model / β of its own: near 0 the feature is one model's alone,
near 1 it is in the other as well. ν of the error shows a decoder row that was shrunk away, ν of the
reconstruction a feature that other features stand for there. Minder et al. 2025 (arXiv 2504.02922), latent
scaling; sums as in the authors' diffing-toolkit, in closed form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from congruence.saes.crosscoder import Crosscoder


@dataclass(frozen=True, eq=False)
class LatentSums:
    """What β follows from, summed over tokens; sums of parts add up. Of p places, directions being of q.

    Attributes:
        reconstruction, error: (p, q, f) Σ f_q (y_p · d_q), the error without the feature's own part.
        squares: (p, q, f) Σ f_p f_q. firings: (p, f) tokens on which a feature fires.
        misfit: (p,) Σ ‖z − ẑ‖². total: (p, d) Σ z. power: (p,) Σ ‖z‖². tokens: how many.
    """

    reconstruction: np.ndarray
    error: np.ndarray
    squares: np.ndarray
    firings: np.ndarray
    misfit: np.ndarray
    total: np.ndarray
    power: np.ndarray
    tokens: np.ndarray

    @classmethod
    def zero(cls, places: int, d_sae: int, d_in: int) -> "LatentSums":
        """Of no tokens."""
        pairs, single = np.zeros((places, places, d_sae)), np.zeros(places)
        return cls(
            pairs, pairs.copy(), pairs.copy(), np.zeros((places, d_sae)), single, np.zeros((places, d_in)),
            single.copy(), np.zeros(()),
        )  # fmt: skip

    def __add__(self, other: "LatentSums") -> "LatentSums":
        return LatentSums(*(np.asarray(getattr(self, f.name) + getattr(other, f.name)) for f in fields(self)))

    def arrays(self) -> dict[str, np.ndarray]:
        """By name, to be kept."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @property
    def fvu(self) -> Float[np.ndarray, " p"]:
        """(p,) fraction of each place's variance that the crosscoder leaves unexplained."""
        n = np.maximum(self.tokens, 1)
        variance = self.power - (self.total**2).sum(axis=1) / n
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.misfit / variance


@torch.no_grad()
def latent_sums(
    crosscoder: Crosscoder,
    x: Float[Tensor, "n m d"],
    acts: Mapping[int, sparse.csr_array],
    places: Sequence[int],
) -> LatentSums:
    """The sums of some tokens.

    Args:
        crosscoder: the crosscoder.
        x: its inputs.
        acts: place -> (n, f) activations there, as `encode_csr` gives them; one object where they are one.
        places: those that are looked at.
    """
    z = crosscoder.prepared(x)[:, list(places)].double().cpu().numpy()
    doubled: dict[int, Any] = {id(acts[place]): acts[place].astype(np.float64) for place in places}
    at: list[Any] = [doubled[id(acts[place])] for place in places]
    rows = crosscoder.W_dec[list(places)].double().cpu().numpy()
    bias = crosscoder.b_dec[list(places)].double().cpu().numpy()
    sums = LatentSums.zero(len(places), crosscoder.d_sae, crosscoder.d_in)
    once = all(f is at[0] for f in at)  # which features fire is the same at every place
    for p, f_p in enumerate(at):
        found = f_p @ rows[p] + bias[p]
        misfit = z[:, p] - found
        sums.misfit[p] = (misfit**2).sum()
        sums.total[p], sums.power[p] = z[:, p].sum(axis=0), (z[:, p] ** 2).sum()
        sums.firings[p] = np.bincount(f_p.indices, minlength=crosscoder.d_sae)
        weighed = None
        for q, f_q in enumerate(at):
            weighed = weighed if weighed and once else (f_q.T @ found, f_q.T @ misfit)
            sums.reconstruction[p, q] = (weighed[0] * rows[q]).sum(axis=1)
            sums.error[p, q] = (weighed[1] * rows[q]).sum(axis=1)
            sums.squares[p, q] = np.asarray(f_p.multiply(f_q).sum(axis=0)).ravel()
    sums.tokens[()] = len(x)
    return sums


def latent_scaling(
    sums: LatentSums,
    rows_a: Float[np.ndarray, "f d"],
    rows_b: Float[np.ndarray, "f d"],
    at: tuple[int, int] = (0, 1),
) -> dict[str, np.ndarray]:
    """β and ν of every feature, by the direction of the model that writes it more strongly.

    Args:
        sums: of the tokens.
        rows_a, rows_b: decoder rows at both places, as trained.
        at: where these places stand in `sums`.

    Returns:
        (f,) each: `beta_error_a`, `beta_error_b`, `beta_reconstruction_a`, `beta_reconstruction_b`, and
        `nu_error`, `nu_reconstruction`, the other model's over the own; NaN where a feature doesn't fire.
    """
    rows = [rows_a.astype(np.float64), rows_b.astype(np.float64)]
    norms = [(r**2).sum(axis=1) for r in rows]
    cross = (rows[0] * rows[1]).sum(axis=1)
    stronger = (norms[1] >= norms[0]).astype(int)
    found: dict[str, np.ndarray] = {}
    with np.errstate(invalid="ignore", divide="ignore"):
        for p, name in enumerate("ab"):
            both = [_betas(sums, at[p], at[q], norms[q], norms[q] if p == q else cross) for q in (0, 1)]
            for kind in (0, 1):
                chosen = np.where(stronger == 1, both[1][kind], both[0][kind])
                found[f"beta_{('error', 'reconstruction')[kind]}_{name}"] = chosen
        for kind in ("error", "reconstruction"):
            a, b = found[f"beta_{kind}_a"], found[f"beta_{kind}_b"]
            found[f"nu_{kind}"] = np.where(stronger == 1, a / b, b / a)
    return found


def _betas(
    sums: LatentSums, p: int, q: int, norm: np.ndarray, own: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(β of the error, β of the reconstruction) of place p by place q's directions; `own` is d_p · d_q."""
    scale = sums.squares[q, q] * norm
    return (sums.error[p, q] + sums.squares[p, q] * own) / scale, sums.reconstruction[p, q] / scale
