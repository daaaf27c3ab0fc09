"""Logit weights: what features of two models add to the logits of the tokens that both know."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from congruence.errors import InputError
from congruence.metrics.blas import one_blas_thread
from congruence.rng import derive

_CHUNK = 8192
"""Tokens at a time."""


@dataclass(frozen=True, eq=False)
class LogitSpace:
    """Inner products of directions of two models as vectors over the shared vocabulary.

    Correlations of logit vectors follow from these, so that none of the vectors is made: memory
    8 (d_a² + d_a d_b + d_b²) bytes whatever the vocabulary.

    Attributes:
        aa, ab, bb: (d_a, d_a), (d_a, d_b), (d_b, d_b) products of unembeddings, centred over tokens.
        tokens: how many tokens they are over.
    """

    aa: Float[np.ndarray, "d_a d_a"]
    ab: Float[np.ndarray, "d_a d_b"]
    bb: Float[np.ndarray, "d_b d_b"]
    tokens: int

    @classmethod
    @one_blas_thread()
    def of(cls, a: Float[np.ndarray, "d_a v"], b: Float[np.ndarray, "d_b v"]) -> "LogitSpace":
        """Of both unembeddings over the same tokens.

        Raises:
            InputError: they are over different tokens.
        """
        if a.shape[1] != b.shape[1]:
            raise InputError(
                f"unembeddings of {a.shape[1]} and {b.shape[1]} tokens: give those of the same tokens"
            )
        aa = _products(a, a)
        ab, bb = (aa, aa) if a is b else (_products(a, b), _products(b, b))
        return cls(aa, ab, bb, a.shape[1])


@dataclass(frozen=True, eq=False)
class LogitAgreement:
    """How paired features agree in logit weights.

    Attributes:
        r: (pairs,) correlation of the two logit vectors over the shared tokens; NaN where one is constant.
        value: mean r.
        draws: (draws,) the same of re-paired features.
        null_q95: 95 % point of single r of re-paired features.
        share: share of pairs with an r above that.
    """

    r: Float[np.ndarray, " pairs"]
    value: float
    draws: Float[np.ndarray, " draws"]
    null_q95: float
    share: float

    @property
    def p(self) -> float:
        """(1 + draws at least as high) / (1 + draws)."""
        if not np.isfinite(self.value):
            return float("nan")
        return float((1 + (self.draws >= self.value).sum()) / (1 + len(self.draws)))


@one_blas_thread()
def logit_agreement(
    rows_a: Float[np.ndarray, "p d_a"],
    rows_b: Float[np.ndarray, "p d_b"],
    space: LogitSpace,
    *,
    counted: np.ndarray | None = None,
    draws: int = 200,
    seed: int = 0,
) -> LogitAgreement:
    """Correlate the logit weights of paired features, and of the same features re-paired.

    Args:
        rows_a, rows_b: decoder rows of paired features.
        space: of the two models.
        counted: (p,) mask of the pairs that mean and null rest on; None for all.
        draws: re-pairings.
        seed: of them.

    Raises:
        InputError: rows and space don't fit each other.

    Source: logit weight similarity of features of two models: Bricken et al. 2023 (Towards Monosemanticity,
    universality). The null and the short way by inner products are ours.
    """
    if (rows_a.shape[1], rows_b.shape[1]) != space.ab.shape or len(rows_a) != len(rows_b):
        raise InputError(
            f"decoder rows of shapes {rows_a.shape} and {rows_b.shape} don't go with logits of directions "
            f"of widths {space.ab.shape}: give paired rows that write into the residual streams"
        )
    a, b = rows_a.astype(np.float64), rows_b.astype(np.float64)
    told = [_inverse_lengths(x, gram) for x, gram in ((a, space.aa), (b, space.bb))]
    left, right = (a * told[0][:, None]) @ space.ab, b * told[1][:, None]
    r = np.clip((left * right).sum(axis=1), -1, 1)
    kept = np.isfinite(r) & (np.ones(len(r), dtype=bool) if counted is None else counted)
    left, right = left[kept], right[kept]
    if len(left) < 2:
        nothing = float("nan")
        return LogitAgreement(r, nothing, np.empty(0), nothing, nothing)
    rng = derive(seed, "logit_weights")
    single = []
    means = np.empty(draws)
    for draw in range(draws):
        drawn = np.einsum("ij,ij->i", left, right[rng.permutation(len(right))])
        means[draw] = drawn.mean()
        if draw < 20:
            single.append(drawn)
    q95 = float(np.quantile(np.concatenate(single), 0.95)) if single else float("nan")
    share = float((r[kept] > q95).mean()) if single else float("nan")
    return LogitAgreement(r, float(r[kept].mean()), means, q95, share)


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(d_a, d_b) inner products over tokens, each dimension centred over them."""
    means = [u.mean(axis=1, keepdims=True) for u in (a, b)]
    found = np.zeros((len(a), len(b)))
    for start in range(0, a.shape[1], _CHUNK):
        x, y = (u[:, start : start + _CHUNK] - m for u, m in zip((a, b), means, strict=True))
        found += x @ y.T
    return found


def _inverse_lengths(rows: np.ndarray, gram: np.ndarray) -> np.ndarray:
    squares = ((rows @ gram) * rows).sum(axis=1)
    least = 1e-12 * max(float((rows**2).sum(axis=1).max(initial=0)) * float(np.trace(gram)), 1e-300)
    return np.where(squares > least, 1 / np.sqrt(np.maximum(squares, 1e-300)), np.nan)
