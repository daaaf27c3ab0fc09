"""An SAE on its own model's states: the ceiling that mapped states are held against."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from scipy import sparse

from congruence.saes import Sae
from congruence.stats.pair_correlations import pair_similarities
from congruence.stats.prepared import PreparedActs, prepare


@dataclass(frozen=True)
class Reading:
    """What an SAE makes of mapped states; see `Transfer` for the figures.

    A transcoder gives something else than it reads, so that its explained variances are NaN.
    """

    explained: float
    explained_of_target: float
    f1: float
    r: float


@dataclass(frozen=True, eq=False)
class Reader:
    """An SAE with its own model's states.

    Attributes:
        sae: the SAE.
        y: (n, d) states of its own model.
        acts: (n, d_sae) its activations on them; given: (n, d) its output.
    """

    sae: Sae
    y: Float[np.ndarray, "n d"]
    acts: sparse.csr_array
    given: Float[np.ndarray, "n e"] | None

    @classmethod
    def of(cls, sae: Sae, y: Float[np.ndarray, "n d"]) -> "Reader":
        """Of (n, d_in) states.

        Memory: 8 n d and the activations.
        """
        y = y.astype(np.float64)
        return cls(sae, y, *_through(sae, y))

    @property
    def k(self) -> int:
        """Features that fire on a token, on average."""
        return max(1, round(self.acts.nnz / max(1, len(self.y))))

    @cached_property
    def ceiling(self) -> float:
        """Explained variance on the native states."""
        return _explained(self.y, self.given)

    def read(self, mapped: Float[np.ndarray, "n d"]) -> Reading:
        """What the SAE makes of mapped states, against the native ones."""
        acts, given = _through(self.sae, mapped)
        both = int((_fired(acts) * _fired(self.acts)).sum())
        return Reading(
            explained=_explained(mapped, given),
            explained_of_target=_explained(self.y, given),
            f1=2 * both / max(1, acts.nnz + self.acts.nnz),
            r=self._mean_r(acts),
        )

    def _mean_r(self, acts: sparse.csr_array) -> float:
        mapped = prepare(acts)
        live = np.intersect1d(mapped.varying, self._native.varying)
        if not len(live):
            return float("nan")
        return float(np.nanmean(pair_similarities(mapped, self._native, live, live)[0]))

    @cached_property
    def _native(self) -> PreparedActs:
        return prepare(self.acts)


def _through(sae: Sae, states: np.ndarray) -> tuple[sparse.csr_array, np.ndarray | None]:
    """Activations and output; no output of a transcoder."""
    x = torch.from_numpy(states.astype(np.float32))
    acts = sae.encode_csr(x)
    return acts, None if sae.is_transcoder else sae.decode_csr(acts, x).double().cpu().numpy()


def _explained(y: np.ndarray, given: np.ndarray | None) -> float:
    spread = float(((y - y.mean(axis=0)) ** 2).sum())
    return 1 - float(((y - given) ** 2).sum()) / spread if given is not None and spread > 0 else float("nan")


def _fired(acts: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array((np.ones(acts.nnz), acts.indices, acts.indptr), shape=acts.shape)
