"""An SAE of one model on the mapped states of another, beside its own ceiling and nulls."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import sparse

from congruence.errors import InputError
from congruence.rng import derive
from congruence.saes import Sae
from congruence.saes.fit import measure
from congruence.saes.untrained import untrained
from congruence.stats.documents import halves_of_documents
from congruence.stats.pair_correlations import pair_similarities
from congruence.stats.prepared import prepare
from congruence.transfer.maps import KINDS, FittedMap, Kind, StateMoments, fit_map

NATIVE = "native"
"""The ceiling: the SAE on the states of its own model."""
SHIFTED, RANDOM, UNTRAINED = "shifted text", "random rotation", "untrained SAE"


@dataclass(frozen=True, eq=False)
class Transfer:
    """One map judged on documents that it wasn't fitted on.

    Attributes:
        kind: of the map, or "native".
        null: what was broken on purpose; "" where nothing was.
        r2: variance of the target's states that mapped states give, 1 − Σ‖y − ŷ‖² / Σ‖y − mean(y)‖².
        explained: explained variance of the SAE on the mapped states,
            1 − Σ‖ŷ − SAE(ŷ)‖² / Σ‖ŷ − mean(ŷ)‖²; it says nothing of whether ŷ is y.
        explained_of_target: 1 − Σ‖y − SAE(ŷ)‖² / Σ‖y − mean(y)‖²: what map and SAE together give of the
            target's own states.
        f1: of firing, mapped against native, over all tokens and features.
        r: mean Pearson r of a feature's activations, mapped against native, over features that fire in both.
        map: the fitted map; None of the ceiling.
    """

    kind: str
    null: str
    r2: float
    explained: float
    explained_of_target: float
    f1: float
    r: float
    map: FittedMap | None = None


def transfer(
    states_from: ArrayLike,
    states_to: ArrayLike,
    sae: Sae,
    *,
    document_offsets: Sequence[int] | np.ndarray,
    kinds: Sequence[Kind] = KINDS,
    nulls: bool = True,
    seed: int = 0,
    penalty: float = 1e-2,
) -> list[Transfer]:
    """Map one model's states to another's, and give them to an SAE of the other.

    Half of the documents fit each map, the others judge it: the SAE on mapped states, on the native ones
    (the ceiling), and three nulls: the map fitted on text shifted by documents, a random rotation with the
    scale and means of the orthogonal map, and the orthogonal map into an untrained SAE.

    Args:
        states_from: (n, d_x) of the model mapped from.
        states_to: (n, d_y) of the SAE's model, on the same tokens.
        sae: reads states of width d_y.
        document_offsets: (documents + 1,) first token of each document, and n at the end.
        kinds: of maps; identity is left out where widths differ.
        nulls: whether to add the nulls.
        seed: of halves and nulls.
        penalty: of ridge.

    Returns:
        The ceiling, one record a kind, and the nulls.

    Raises:
        InputError: states that don't fit each other or the SAE, or fewer than four documents.

    Source: explained variance of a transferred SAE before and after one rotation: arXiv 2605.24577; affine
    stitching: arXiv 2506.06609. The nulls are ours.
    """
    x, y = np.asarray(states_from), np.asarray(states_to)
    StateMoments.of(x[:1], y[:1])  # both are matrices
    offsets = np.asarray(document_offsets, dtype=np.int64)
    if len(offsets) < 5 or offsets[-1] != len(x) or len(x) != len(y):
        raise InputError(
            f"{len(x)} and {len(y)} tokens in {max(len(offsets) - 1, 0)} documents: give both models' "
            "states of the same tokens, and offsets of four documents or more"
        )
    if y.shape[1] != sae.d_in:
        raise InputError(
            f"states_to have width {y.shape[1]} and the SAE reads {sae.d_in}: give its own model's"
        )
    fit, held = halves_of_documents(offsets, seed)
    moments = StateMoments.of(x[fit], y[fit])
    wanted: list[Kind] = [kind for kind in kinds if kind != "identity" or x.shape[1] == y.shape[1]]
    native = _Native.of(sae, y[held])
    found = [native.record(NATIVE, "", native.y, None)]
    for kind in wanted:
        fitted = fit_map(moments, kind, penalty=penalty)
        found.append(native.record(kind, "", fitted.apply(x[held]), fitted))
    if not nulls:
        return found
    orthogonal = fit_map(moments, "orthogonal")
    shift = _shift(offsets, fit, seed)
    shifted = StateMoments.of(np.roll(x[fit], shift, axis=0), y[fit])
    for kind in wanted:
        if kind == "identity":
            continue
        fitted = fit_map(shifted, kind, penalty=penalty)
        found.append(native.record(kind, SHIFTED, fitted.apply(x[held]), fitted))
    turned = _turned(orthogonal, seed)
    found.append(native.record("orthogonal", RANDOM, turned.apply(x[held]), turned))
    control = _Native.of(untrained(sae, derive(seed, "untrained"), k=native.k), y[held])
    found.append(control.record("orthogonal", UNTRAINED, orthogonal.apply(x[held]), orthogonal))
    return found


@dataclass(frozen=True, eq=False)
class _Native:
    """An SAE on its own model's held-out states."""

    sae: Sae
    y: np.ndarray
    acts: sparse.csr_array

    @classmethod
    def of(cls, sae: Sae, y: np.ndarray) -> "_Native":
        y = y.astype(np.float64)
        return cls(sae, y, sae.encode_csr(_tensor(y)))

    @property
    def k(self) -> int:
        """Features that fire on a token, on average."""
        return max(1, round(self.acts.nnz / max(1, len(self.y))))

    def record(self, kind: str, null: str, mapped: np.ndarray, fitted: FittedMap | None) -> Transfer:
        """What the SAE makes of mapped states, against the native ones."""
        acts = self.sae.encode_csr(_tensor(mapped))
        given = self.sae.reconstruct(_tensor(mapped)).double().numpy()
        both = _common(acts, self.acts)
        return Transfer(
            kind=kind,
            null=null,
            r2=_explained(self.y, mapped),
            explained=1 - measure(self.sae, _tensor(mapped)).fvu,
            explained_of_target=_explained(self.y, given),
            f1=2 * both / max(1, acts.nnz + self.acts.nnz),
            r=_mean_r(acts, self.acts),
            map=fitted,
        )


def _explained(y: Float[np.ndarray, "n d"], given: Float[np.ndarray, "n d"]) -> float:
    spread = float(((y - y.mean(axis=0)) ** 2).sum())
    return 1 - float(((y - given) ** 2).sum()) / spread if spread > 0 else float("nan")


def _common(one: sparse.csr_array, other: sparse.csr_array) -> int:
    """Places where both fire."""
    ones = [sparse.csr_array((np.ones(a.nnz), a.indices, a.indptr), shape=a.shape) for a in (one, other)]
    return int((ones[0] * ones[1]).sum())


def _mean_r(one: sparse.csr_array, other: sparse.csr_array) -> float:
    a, b = prepare(one), prepare(other)
    live = np.intersect1d(a.varying, b.varying)
    if not len(live):
        return float("nan")
    return float(np.nanmean(pair_similarities(a, b, live, live)[0]))


def _shift(offsets: np.ndarray, fit: np.ndarray, seed: int) -> int:
    """Tokens of the fitted half by which to shift it: a number of its documents, not none."""
    lengths = np.add.reduceat(fit.astype(np.int64), offsets[:-1])
    starts = np.cumsum(lengths[lengths > 0])[:-1]
    return int(derive(seed, "shift").choice(starts))


def _turned(fitted: FittedMap, seed: int) -> FittedMap:
    """The orthogonal map with a random rotation, uniform over all, in place of the fitted one."""
    d_x, d_y = fitted.matrix.shape
    q, r = np.linalg.qr(derive(seed, "rotation").standard_normal((max(d_x, d_y), min(d_x, d_y))))
    q = q * np.sign(np.diag(r))
    scale = np.linalg.norm(fitted.matrix) / np.sqrt(min(d_x, d_y))
    return FittedMap("orthogonal", scale * (q if d_x >= d_y else q.T), fitted.mean_x, fitted.mean_y, fitted.n)


def _tensor(states: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(states.astype(np.float32))
