"""Is a feature in hidden states, whatever their dictionary holds? From sums, judged on other documents.

Of a feature's activations f and states h, with covariances c = cov(f, h), C = cov(h, h) and v = var(f):

- **readout**: r of f with its best linear readout wᵀh, w = (C + λ I)⁻¹ c of one half of the documents,
  judged on the other half;
- **scaling**: the β that minimises Σ |h − β f δ|², in closed form cov(f, δᵀh) / (v |δ|²), with the direction
  δ = c / v of the other half: 1 where what the states do when the feature fires comes again, 0 where they
  do nothing of their own. The β of the error that an SAE leaves, for the same δ, is the part that its
  dictionary doesn't hold.

β is the latent scaling of Minder et al. 2025 (arXiv 2504.02922), who take δ from a crosscoder's decoder and β
of the states without the feature's own part; here nobody knows a decoder row, so δ is found on other text.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

RIDGE = 1e-3
"""λ over the mean variance of the states."""


@dataclass(frozen=True)
class Readout:
    """What is found of each feature; NaN where it fires in one half only.

    Attributes:
        r: (f,) held-out correlation of the best linear readout.
        scaling: (f,) β in the states.
        scaling_error: (f,) β in what the SAE leaves of them; NaN where no error was given.
    """

    r: np.ndarray
    scaling: np.ndarray
    scaling_error: np.ndarray


class ReadoutSums:
    """Sums over the rows of a text, each half of the documents by itself.

    Memory: 16 (d² + f (d + 2)) bytes, and 16 f d for the error.

    Args:
        half: (n,) 0 or 1 for every row.
        d: width of the states; f: features.
        error: whether the error of an SAE is summed as well.
    """

    def __init__(self, half: Int[np.ndarray, " n"], d: int, f: int, *, error: bool = False) -> None:
        self.half = half
        self.rows = np.zeros(2)
        self.states, self.gram = np.zeros((2, d)), np.zeros((2, d, d))
        self.acts, self.squares = np.zeros((2, f)), np.zeros((2, f))
        self.cross = np.zeros((2, f, d))
        self.error = np.zeros((2, f, d)) if error else None
        self.errors = np.zeros((2, d))

    def add(
        self,
        start: int,
        states: Float[np.ndarray, "n d"],
        acts: sparse.csr_array,
        error: Float[np.ndarray, "n d"] | None = None,
    ) -> None:
        """Some rows in order.

        Args:
            start: number of the first one.
            states: of these rows.
            acts: (n, f) activations that go with them.
            error: what an SAE leaves of the states.
        """
        half = self.half[start : start + len(states)]
        for part in (0, 1):
            rows = np.flatnonzero(half == part)
            if not len(rows):
                continue
            x, f = states[rows].astype(np.float64), sparse.csr_array(acts[rows], dtype=np.float64)
            turned: Any = sparse.csr_array(f.T)
            self.rows[part] += len(rows)
            self.states[part] += x.sum(axis=0)
            self.gram[part] += x.T @ x
            width = self.acts.shape[1]
            self.acts[part] += np.bincount(f.indices, f.data, minlength=width)
            self.squares[part] += np.bincount(f.indices, f.data**2, minlength=width)
            self.cross[part] += turned @ x
            if self.error is not None and error is not None:
                left = error[rows].astype(np.float64)
                self.error[part] += turned @ left
                self.errors[part] += left.sum(axis=0)

    def readout(self) -> Readout:
        """Found on either half and judged on the other, averaged."""
        n = np.maximum(self.rows, 1)[:, None]
        mean, act = self.states / n, self.acts / n
        covariance = self.gram / n[..., None] - mean[:, :, None] * mean[:, None, :]
        cross = self.cross / n[..., None] - act[:, :, None] * mean[:, None, :]
        variance = self.squares / n - act**2
        error = None
        if self.error is not None:
            error = self.error / n[..., None] - act[:, :, None] * (self.errors / n)[:, None, :]
        found = [_judged(first, covariance, cross, variance, error) for first in (0, 1)]
        r, scaling, left = (np.mean(parts, axis=0) for parts in zip(*found, strict=True))
        return Readout(r, scaling, left)


def _judged(
    first: int, covariance: np.ndarray, cross: np.ndarray, variance: np.ndarray, error: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """r, β and β of the error on the other half of what half `first` fits."""
    other, d = 1 - first, covariance.shape[-1]
    ridge = RIDGE * np.trace(covariance[first]) / d
    weights = np.linalg.solve(covariance[first] + max(ridge, 1e-12) * np.eye(d), cross[first].T).T
    power = (cross[first] ** 2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = ((weights @ covariance[other]) * weights).sum(axis=1) * variance[other]
        fires = (variance[first] > 0) & (variance[other] > 0)
        r = np.where(fires, (weights * cross[other]).sum(axis=1) / np.sqrt(spread), np.nan)
        scale = np.where(fires, variance[first] / (variance[other] * power), np.nan)
        beta = (cross[first] * cross[other]).sum(axis=1) * scale
        left = np.full(len(r), np.nan) if error is None else (cross[first] * error[other]).sum(axis=1) * scale
    return r, beta, left
