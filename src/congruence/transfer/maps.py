"""Linear maps between the hidden states of two models, fitted from sums over paired tokens."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import linalg

from congruence.errors import InputError, quoted

Kind = Literal["identity", "orthogonal", "affine", "ridge"]
KINDS: tuple[Kind, ...] = ("identity", "orthogonal", "affine", "ridge")


@dataclass(frozen=True, eq=False)
class StateMoments:
    """Sums over tokens of paired states x (mapped from) and y (mapped to), in float64.

    Sums of disjoint sets of tokens add up. Memory 8 (d_x² + d_x d_y + d_x + d_y) bytes.

    Attributes:
        n: tokens.
        x, y: (d_x,), (d_y,) sums.
        xx, xy: (d_x, d_x), (d_x, d_y) sums of products.
        yy: sum of squares of y.
    """

    n: int
    x: np.ndarray
    y: np.ndarray
    xx: np.ndarray
    xy: np.ndarray
    yy: float

    @classmethod
    def of(cls, x: ArrayLike, y: ArrayLike) -> "StateMoments":
        """Of some tokens.

        Raises:
            InputError: x and y aren't matrices of finite numbers with one row for each of the same tokens.
        """
        x, y = _states(x, "x"), _states(y, "y")
        if len(x) != len(y):
            raise InputError(
                f"x has {len(x)} tokens and y {len(y)}: give both models' states of the same tokens"
            )
        return cls(len(x), x.sum(axis=0), y.sum(axis=0), x.T @ x, x.T @ y, float((y * y).sum()))

    def __add__(self, other: "StateMoments") -> "StateMoments":
        if self.xy.shape != other.xy.shape:
            raise InputError(
                f"widths {self.xy.shape} and {other.xy.shape} differ: add sums of the same models"
            )
        return StateMoments(
            self.n + other.n, self.x + other.x, self.y + other.y, self.xx + other.xx, self.xy + other.xy,
            self.yy + other.yy,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class FittedMap:
    """y ≈ (x − mean_x) @ matrix + mean_y.

    Attributes:
        kind: how it was fitted.
        matrix: (d_x, d_y). mean_x: (d_x,). mean_y: (d_y,).
        n: tokens that it was fitted on.
        r2: share of the variance of held-out states that it gives; NaN where nobody judged it.
    """

    kind: str
    matrix: np.ndarray
    mean_x: np.ndarray
    mean_y: np.ndarray
    n: int
    r2: float = math.nan

    def apply(self, x: ArrayLike) -> Float[np.ndarray, "n d_y"]:
        """(n, d_y) states of the other model that go with states x (n, d_x)."""
        x = self._fitting(x)
        return (x - self.mean_x) @ self.matrix + self.mean_y

    def apply_directions(self, rows: ArrayLike) -> Float[np.ndarray, "n d_y"]:
        """(n, d_y) directions, such as decoder rows, probes or steering vectors: without the means."""
        return self._fitting(rows) @ self.matrix

    def explained(self, moments: StateMoments) -> float:
        """R² over the tokens of some sums, 1 − Σ‖y − ŷ‖² / Σ‖y − mean(y)‖²; NaN where y doesn't vary."""
        n, x, y = moments.n, moments.x, moments.y
        spread = moments.yy - float(y @ y) / n
        if not spread > 0:
            return math.nan
        yy = moments.yy - 2 * float(y @ self.mean_y) + n * float(self.mean_y @ self.mean_y)
        xy = moments.xy - np.outer(self.mean_x, y) - np.outer(x - n * self.mean_x, self.mean_y)
        off = np.outer(x, self.mean_x)
        xx = moments.xx - off - off.T + n * np.outer(self.mean_x, self.mean_x)
        left = yy + float(np.einsum("ij,ij->", self.matrix, xx @ self.matrix - 2 * xy))
        return 1 - left / spread

    def _fitting(self, x: ArrayLike) -> np.ndarray:
        x = _states(x, "x")
        if x.shape[1] != len(self.matrix):
            raise InputError(
                f"x has width {x.shape[1]} and the map takes {len(self.matrix)}: is it the other way?"
            )
        return x


def fit_map(moments: StateMoments, kind: Kind = "orthogonal", *, penalty: float = 1e-2) -> FittedMap:
    """The map of that kind with the least squared error over the tokens of the sums.

    identity: the states as they are, where widths agree. orthogonal: a rotation (semi-orthogonal where widths
    differ) times one scale, around the means: c Q, Q = U Vᵀ of the centred Σ xᵀy = U S Vᵀ, and
    c = tr S / Σ‖x Q‖² (Schönemann and Carroll 1970). affine: least squares. ridge: the same with
    penalty · tr(Σ xᵀx) / d_x added to the diagonal.

    Args:
        moments: of paired states.
        kind: one of `KINDS`.
        penalty: of ridge, as a share of the mean variance of a dimension.

    Raises:
        InputError: no such kind, widths that differ for identity, a penalty that isn't positive, or affine
            from no more tokens than dimensions.
    """
    if kind not in KINDS:
        raise InputError(f"kind={quoted(kind)}: choose one of {', '.join(KINDS)}")
    if not np.isfinite(penalty) or penalty <= 0:
        raise InputError(f"penalty={penalty}: use a positive number, such as 0.01")
    d_x, d_y = moments.xy.shape
    if moments.n < 2:
        raise InputError(f"{moments.n} tokens can't fit a map: give at least two")
    mean_x, mean_y = moments.x / moments.n, moments.y / moments.n
    if kind == "identity":
        if d_x != d_y:
            raise InputError(
                f"identity needs equal widths, not {d_x} and {d_y}: use orthogonal, affine or ridge"
            )
        return FittedMap(kind, np.eye(d_x), np.zeros(d_x), np.zeros(d_x), moments.n)
    xx = moments.xx - moments.n * np.outer(mean_x, mean_x)
    xy = moments.xy - moments.n * np.outer(mean_x, mean_y)
    return FittedMap(kind, _matrix(kind, xx, xy, moments.n, penalty), mean_x, mean_y, moments.n)


def _matrix(kind: str, xx: np.ndarray, xy: np.ndarray, n: int, penalty: float) -> np.ndarray:
    if kind == "orthogonal":
        u, s, vt = linalg.svd(xy, full_matrices=False)
        rotation = u @ vt
        spread = float(np.einsum("ij,ij->", rotation, xx @ rotation))
        return rotation * (s.sum() / spread if spread > 0 else 0.0)
    if kind == "ridge":
        xx = xx + penalty * np.trace(xx) / len(xx) * np.eye(len(xx))
        return linalg.solve(xx, xy, assume_a="pos")
    if n <= len(xx) + 1:
        raise InputError(
            f"affine from {n} tokens and {len(xx)} dimensions fits anything: use ridge, or more text"
        )
    return linalg.lstsq(xx, xy)[0]  # pyright: ignore[reportOptionalSubscript]


def _states(values: Any, name: str) -> np.ndarray:
    if hasattr(values, "detach"):
        values = values.detach().to("cpu").double().numpy()
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or 0 in array.shape:
        raise InputError(
            f"{name} has shape {array.shape} and dtype {array.dtype}: give states (tokens, width)"
        )
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        raise InputError(f"{name} has NaN or infinite values: capture the states again, in float32")
    return array
