"""Best partners by blocked matrix products: BLAS on a CPU, torch on a GPU."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from congruence.stats.dense_tiles import (
    EXACT_RUN,
    Group,
    cofirings,
    load_group,
    matmul_precision,
    tile,
)
from congruence.stats.kernels_dense import add_pairs, transpose
from congruence.stats.kernels_scan import DISTANCE, RATIO, insert_all, offer_to_columns, offer_to_rows
from congruence.stats.prepared import PreparedActs
from congruence.stats.records import BestPartners
from congruence.stats.scaling import readable
from congruence.stats.sparse_engine import (
    Lists,
    empty_lists,
    of_features,
    put_features,
    record,
)
from congruence.stats.sparse_pairs import PairBudget, Pairs
from congruence.threads import in_runs

if TYPE_CHECKING:
    from torch import Tensor

# Features of a tile's side: large enough for BLAS, 64 MB of float32 a tile.
BLOCK_SIZE = 4096
# Scaled values of one side held at a time, in bytes.
GROUP_BYTES = 4 << 30
_SETTLE_VALUES = 1 << 24
# Partners listed beyond those asked for: float32 products may put the wrong one of near-equals first.
_SPARE = 2


@dataclass(frozen=True)
class DenseJob:
    """What is asked of the dense engine.

    Attributes:
        a, b: the two sides.
        measure: similarity.
        features_a, features_b: the features that take part, all of them varying; None for all that vary.
        fewest: co-firings a pair must have; 0 admits pairs that never fire together.
        block_size: features of either side in one tile.
        device: torch device.
        precision: of the products: ``float32``, or ``tf32`` and ``bfloat16`` where speed is worth an error of
            some 1e-3.
    """

    a: PreparedActs
    b: PreparedActs
    measure: str
    features_a: np.ndarray | None = None
    features_b: np.ndarray | None = None
    fewest: int = 0
    block_size: int = BLOCK_SIZE
    device: str = "cpu"
    precision: str = "float32"


def dense_best_partners(job: DenseJob, top_k: int) -> tuple[BestPartners, BestPartners]:
    """The `top_k` best partners of every feature, both ways, without an F x G array.

    Memory beside the inputs, in bytes, for n tokens, f and g features: 4 n (f + g), at most 4 GiB a side at a
    time (eight bytes a value for ``euclidean``, twice as much where co-firings decide), and 12 block_size^2.
    """
    listed = top_k + _SPARE
    lists_a, lists_b = empty_lists(job.a.shape[1], listed), empty_lists(job.b.shape[1], listed)
    with matmul_precision(job.precision):
        for group_b in _groups(job, job.b, job.features_b):
            for group_a in _groups(job, job.a, job.features_a):
                _search(job, group_a, group_b, lists_a, lists_b)
    _settle(job, lists_a, lists_b)
    best_a, best_b = _best_first(lists_a, top_k), _best_first(lists_b, top_k)
    return record(best_a, job.measure), record(best_b, job.measure)


def _groups(
    job: DenseJob, side: PreparedActs, features: np.ndarray | None, *, fires: bool = False
) -> Iterator[Group]:
    """A side's features in ascending order, as many at a time as memory allows."""
    features = np.sort(side.varying if features is None else features)
    size = max(job.block_size, GROUP_BYTES // (4 * max(1, side.shape[0])))
    for start in range(0, len(features), size):
        chosen = features[start : start + size]
        yield load_group(
            side,
            chosen,
            measure=job.measure,
            fires=fires or job.fewest > 0,
            device=job.device,
            precision=job.precision,
        )


def _search(job: DenseJob, group_a: Group, group_b: Group, lists_a: Lists, lists_b: Lists) -> None:
    for part_a, part_b in _parts(job, group_a, group_b):
        values = tile(part_a, part_b, fewest=job.fewest)
        offer = _offer_compiled if values.device.type == "cpu" else _offer
        offer(values, part_a.features, part_b.features, lists_a)
        offer(values.T, part_b.features, part_a.features, lists_b)


def _parts(job: DenseJob, group_a: Group, group_b: Group) -> Iterator[tuple[Group, Group]]:
    """Runs of features of both sides, in ascending order, that make one tile."""
    for start_a in range(0, len(group_a.features), job.block_size):
        for start_b in range(0, len(group_b.features), job.block_size):
            part_a = slice(start_a, start_a + job.block_size)
            part_b = slice(start_b, start_b + job.block_size)
            yield group_a.part(part_a), group_b.part(part_b)


def _offer_compiled(values: "Tensor", rows: np.ndarray, columns: np.ndarray, lists: Lists) -> None:
    """Offer a tile's columns to its rows' lists in one pass over it."""
    own, found = of_features(lists, rows), values.numpy()
    if found.flags.c_contiguous:
        in_runs(lambda lo, hi: offer_to_rows(lo, hi, found, columns, *own), len(rows))
    else:
        in_runs(lambda lo, hi: offer_to_columns(lo, hi, found.T, columns, *own), len(rows))
    put_features(lists, rows, own)


def _offer(values: "Tensor", rows: np.ndarray, columns: np.ndarray, lists: Lists) -> None:
    """Offer a tile's columns to its rows' lists, best first; the tile comes back as it was."""
    import torch

    own = of_features(lists, rows)
    k = own[0].shape[1]
    taken: list[tuple[Tensor, Tensor]] = []
    for _ in range(min(k, len(columns))):
        # The first of equal values has the lowest index: features come in ascending order.
        best, at = values.max(dim=1)
        found = best.double().cpu().numpy()
        if not (found > own[0][:, -1]).any():
            break
        indices = np.where(np.isneginf(found), -1, columns[at.cpu().numpy()])
        insert_all(*own, found[:, None], indices[:, None], np.zeros((len(rows), 1), np.int64))
        if k > 1:
            taken.append((at[:, None], best[:, None]))
            values.scatter_(1, at[:, None], -torch.inf)
    # Backwards: a row without further candidates has "taken" its first place again.
    for at, best in reversed(taken):
        values.scatter_(1, at, best)
    put_features(lists, rows, own)


def _settle(job: DenseJob, lists_a: Lists, lists_b: Lists) -> None:
    """Take the partners' similarities anew in float64, and count their co-firings, in one pass."""
    sums_a, sums_b = np.zeros(lists_a[1].shape), np.zeros(lists_b[1].shape)
    step = max(1, _SETTLE_VALUES // max(job.a.shape[1], job.b.shape[1], 1))
    turn_a, turn_b = _Transposer(), _Transposer()
    for block_a, block_b in zip(
        job.a.source.dense_blocks(step), job.b.source.dense_blocks(step), strict=True
    ):
        by_a, by_b = turn_a(block_a), turn_b(block_b)
        _add_pairs(job, job.a, job.b, (by_a, by_b), lists_a, sums=sums_a)
        _add_pairs(job, job.b, job.a, (by_b, by_a), lists_b, sums=sums_b)
    _put_similarities(job, job.a, job.b, lists_a, sums_a)
    _put_similarities(job, job.b, job.a, lists_b, sums_b)


class _Transposer:
    """Turns blocks into one piece of memory, which is dear to get."""

    def __init__(self) -> None:
        self._room = np.empty((0, 0))

    def __call__(self, block: np.ndarray) -> np.ndarray:
        if self._room.shape != block.shape[::-1] or self._room.dtype != block.dtype:
            self._room = np.empty(block.shape[::-1], block.dtype)
        in_runs(lambda lo, hi: transpose(lo, hi, block, self._room), block.shape[1])
        return self._room


def _add_pairs(
    job: DenseJob,
    side: PreparedActs,
    other: PreparedActs,
    values: tuple[np.ndarray, np.ndarray],
    lists: Lists,
    *,
    sums: np.ndarray,
) -> None:
    _, indices, counts = lists
    scalings = _centre_and_scale(side, job.measure), _centre_and_scale(other, job.measure)
    distance = side.scaling(job.measure).kind == DISTANCE
    in_runs(
        lambda lo, hi: add_pairs(lo, hi, *values, indices, *scalings, distance, sums, counts), len(indices)
    )


def _put_similarities(
    job: DenseJob, side: PreparedActs, other: PreparedActs, lists: Lists, sums: np.ndarray
) -> None:
    values, indices, counts = lists
    kind = side.scaling(job.measure).kind
    if kind == RATIO:
        own, theirs = side.moments.firings[:, None], other.moments.firings[np.maximum(indices, 0)]
        sums = counts / np.maximum(own + theirs - counts, 1)
    values[:] = np.where(indices >= 0, -sums if kind == DISTANCE else sums, -np.inf)


def _centre_and_scale(side: PreparedActs, measure: str) -> tuple[np.ndarray, np.ndarray]:
    centre = side.moments.mean if measure == "pearson" else np.zeros(len(side.moments))
    return centre, side.scaling(measure).scale


def _best_first(lists: Lists, top_k: int) -> Lists:
    """The `top_k` best again, ties to the lowest index; equal but for rounding is a tie."""
    values, indices, counts = lists
    fraction, exponent = np.frexp(values)
    rounded = np.ldexp(np.round(fraction * 2.0**40), exponent - 40)
    order = np.lexsort((indices, -rounded), axis=1)[:, :top_k]
    values, indices, counts = (np.take_along_axis(part, order, axis=1) for part in (rounded, indices, counts))
    return values, indices, counts


def dense_pairs(job: DenseJob, *, least: float, max_pairs: int) -> Pairs:
    """All pairs with similarity at least `least` and `job.fewest` co-firings; 20 bytes a pair."""
    budget = PairBudget(max_pairs)
    found: list[Pairs] = []
    with matmul_precision(job.precision):
        for group_b in _groups(job, job.b, job.features_b, fires=True):
            for group_a in _groups(job, job.a, job.features_a, fires=True):
                for part_a, part_b in _parts(job, group_a, group_b):
                    found.append(_pairs_of_tile(job, part_a, part_b, least))
                    budget.spend(len(found[-1]))
    return Pairs.concatenated(found)


def _pairs_of_tile(job: DenseJob, part_a: Group, part_b: Group, least: float) -> Pairs:
    values = tile(part_a, part_b, fewest=job.fewest, run=EXACT_RUN)
    at_a, at_b = ((values >= least) & ~values.isneginf()).nonzero(as_tuple=True)
    return Pairs(
        part_a.features[at_a.cpu().numpy()].astype(np.int32),
        part_b.features[at_b.cpu().numpy()].astype(np.int32),
        readable(values[at_a, at_b].double().cpu().numpy(), job.measure),
        cofirings(part_a, part_b)[at_a, at_b].int().cpu().numpy(),
    )
