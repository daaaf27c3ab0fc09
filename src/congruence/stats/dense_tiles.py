"""Tiles of the full similarity matrix as matrix products of scaled features."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from congruence.errors import ConfigError, unknown_name
from congruence.stats.kernels_dense import standardise
from congruence.stats.kernels_scan import DISTANCE, RATIO
from congruence.stats.prepared import PreparedActs
from congruence.threads import in_runs

if TYPE_CHECKING:
    from torch import Tensor

PRECISIONS = {"float32": "highest", "tf32": "high", "bfloat16": "highest"}
_LOAD_VALUES = 1 << 24
# A float32 sum near 1 swallows products below 3e-8, so that each of a run's tokens may cost as much. Runs are
# added up in float32, and those sums in float64.
SEARCH_RUN, EXACT_RUN = 512, 256
_LONG = 1 << 14


@dataclass(frozen=True)
class Group:
    """Some features of one side, ready to multiply.

    Attributes:
        kind: how similarity follows from the products (see `scaling`).
        features: (f,) which.
        scaled: (n, f) centred and scaled activations; None where only firings count.
        fires: (n, f) 1 where the feature fires; None where co-firings don't matter.
        firings: (f,) on the same device.
        square_sum: (f,) of `scaled`, where distances need it.
    """

    kind: int
    features: np.ndarray
    scaled: "Tensor | None"
    fires: "Tensor | None"
    firings: "Tensor"
    square_sum: "Tensor | None"

    def part(self, part: slice) -> "Group":
        """A run of the features."""
        return replace(
            self,
            features=self.features[part],
            scaled=None if self.scaled is None else self.scaled[:, part],
            fires=None if self.fires is None else self.fires[:, part],
            firings=self.firings[part],
            square_sum=None if self.square_sum is None else self.square_sum[part],
        )


def load_group(
    side: PreparedActs, features: np.ndarray, *, measure: str, fires: bool, device: str, precision: str
) -> Group:
    """Scale some features of a side and move them to the device."""
    import torch

    moments, scaling = side.moments, side.scaling(measure)
    centre = moments.mean if measure == "pearson" else np.zeros(len(moments))
    # The square of a distance loses half of its digits where two features are nearly equal.
    dtype = np.float64 if scaling.kind == DISTANCE else np.float32
    scaled = firing = None
    if scaling.kind != RATIO:
        scaled = _load(side, features, centre, scaling.scale, dtype).to(device)
        scaled = scaled.bfloat16() if precision == "bfloat16" and dtype == np.float32 else scaled
    if fires or scaling.kind == RATIO:
        firing = (
            _load(side, features, np.zeros(len(moments)), np.ones(len(moments)), np.float32) != 0
        ).float()
        firing = firing.to(device)
    return Group(
        kind=scaling.kind,
        features=features,
        scaled=scaled,
        fires=firing,
        firings=torch.as_tensor(moments.firings[features], dtype=torch.float64, device=device),
        square_sum=None if scaled is None or scaling.kind != DISTANCE else scaled.square().sum(dim=0),
    )


def tile(a: Group, b: Group, *, fewest: int, run: int = SEARCH_RUN) -> "Tensor":
    """Similarities of every feature of `a` with every one of `b`; -inf where they co-fire on fewer tokens.

    Tokens are multiplied `run` at a time.
    """
    import torch

    if a.scaled is None or b.scaled is None:
        both = cofirings(a, b)
        values = both / (a.firings[:, None] + b.firings - both)
    else:
        values = _product(a.scaled, b.scaled, run)
    if a.square_sum is not None and b.square_sum is not None:
        values = 2 * values - a.square_sum[:, None] - b.square_sum
    if fewest:
        values.masked_fill_(cofirings(a, b) < fewest, -torch.inf)
    return values


def _product(a: "Tensor", b: "Tensor", run: int) -> "Tensor":
    """a^T b of any number of tokens."""
    if len(a) <= _LONG:
        return _product_of_runs(a, b, run)
    values = _product_of_runs(a[:_LONG], b[:_LONG], run).double()
    for start in range(_LONG, len(a), _LONG):
        values += _product_of_runs(a[start : start + _LONG], b[start : start + _LONG], run)
    return values


def _product_of_runs(a: "Tensor", b: "Tensor", run: int) -> "Tensor":
    import torch

    values = a[:run].T @ b[:run]
    values = values.float() if values.dtype == torch.bfloat16 else values
    room = torch.empty((a.shape[1], b.shape[1]), dtype=a.dtype, device=a.device)
    for start in range(run, len(a), run):
        values += torch.mm(a[start : start + run].T, b[start : start + run], out=room)
    return values


def cofirings(a: Group, b: Group) -> "Tensor":
    """Tokens on which every feature of `a` fires together with every one of `b`."""
    assert a.fires is not None
    assert b.fires is not None
    return a.fires.T @ b.fires


@contextmanager
def matmul_precision(precision: str) -> Iterator[None]:
    """Products in the precision asked for, whatever the process had set; ``float32`` admits no TF32.

    Raises:
        ConfigError: no such precision.
    """
    import torch

    if precision not in PRECISIONS:
        raise ConfigError(unknown_name("precision", precision, PRECISIONS))
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(PRECISIONS[precision])
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _load(
    side: PreparedActs, features: np.ndarray, centre: np.ndarray, scale: np.ndarray, dtype: type
) -> "Tensor":
    import torch

    out = np.empty((side.shape[0], len(features)), dtype)
    start = 0
    for block in side.source.dense_blocks(max(1, _LOAD_VALUES // max(1, side.shape[1]))):
        part = out[start : start + len(block)]
        _standardise(block, features, centre, scale, part)
        start += len(block)
    return torch.from_numpy(out)


def _standardise(
    block: np.ndarray, features: np.ndarray, centre: np.ndarray, scale: np.ndarray, out: np.ndarray
) -> None:
    in_runs(lambda lo, hi: standardise(lo, hi, block, features, centre, scale, out), len(block))
