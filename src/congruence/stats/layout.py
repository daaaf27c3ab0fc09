"""Scaled activations laid out by token (rows) and by feature (columns), for the co-activation kernel."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numba import njit

from congruence.aligned import aligned
from congruence.stats.moments import Moments
from congruence.stats.prefetch import prefetch
from congruence.stats.scaling import Scaling
from congruence.stats.sources import Source

Part = tuple[np.ndarray, tuple[np.ndarray, ...]]
"""Features, and the arrays a kernel reads of them by token."""

FEATURE = np.dtype(
    [("part", np.int32), ("place", np.uint32), ("centre", np.float64), ("scale", np.float64), ("", np.int64)]
)
"""Where a feature's entries go, part -1 being nowhere, and how they are scaled: half a line of the cache."""

# Entries of a block, ahead of the one that is written, at which what it needs is asked for.
_FAR, _NEAR, _NEXT = 24, 12, 6


@dataclass(frozen=True)
class Rows:
    """Entries of some features by token, in parts of at most `part_size` features.

    Attributes:
        features: (f,) the features, in order of rank; part i holds those from i * part_size on.
        part_size: features in a part.
        pointer: (parts, n + 1) where each token's entries begin in `rank` and `value`.
        centred_parts: the parts that hold a centred feature, ascending.
        fire_end: (centred parts, n) where those that fire end; behind them stand entries due to centring
            alone. In any other part all entries fire.
        rank: (entries,) uint16 place of the feature within its part.
        value: (entries,) float32 scaled activation.
    """

    features: np.ndarray
    part_size: int
    pointer: np.ndarray
    centred_parts: np.ndarray
    fire_end: np.ndarray
    rank: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.pointer)

    def part(self, i: int) -> Part:
        """Part i: its features, and the arrays its kernel reads."""
        features = self.features[i * self.part_size : (i + 1) * self.part_size]
        at = np.flatnonzero(self.centred_parts == i)
        fire_end = self.fire_end[at[0]] if len(at) else self.pointer[i][1:]
        return features, (self.pointer[i], fire_end, self.rank, self.value)

    def rolled(self, shift: int) -> "Rows":
        """The layout with token t in the place of t + shift, round the corpus: 0 <= shift < n."""
        pointer, fire_end = np.empty_like(self.pointer), np.empty_like(self.fire_end)
        rank, value = _empty_rows(len(self.rank))
        cut = self.pointer.shape[1] - 1 - shift
        for i, old in enumerate(self.pointer):
            begin, middle, end = old[0], old[cut], old[-1]
            # In each part the entries of the last tokens change places with those of the others.
            late, early = slice(begin, begin + end - middle), slice(begin + end - middle, end)
            for moved, whole in ((rank, self.rank), (value, self.value)):
                moved[late], moved[early] = whole[middle:end], whole[begin:middle]
            to_front, to_back = begin - middle, end - middle
            pointer[i] = np.concatenate([old[cut:-1] + to_front, old[: cut + 1] + to_back])
            for j in np.flatnonzero(self.centred_parts == i):
                fires = self.fire_end[j]
                fire_end[j] = np.concatenate([fires[cut:] + to_front, fires[:cut] + to_back])
        return replace(self, pointer=pointer, fire_end=fire_end, rank=rank, value=value)


@dataclass(frozen=True)
class Columns:
    """Entries of some features by feature, firing tokens first, then those due to centring alone.

    Attributes:
        features: (f,) the features, in the order of the columns.
        pointer: (f + 1,) where each column begins, and the last ends; fire_end: (f,) where its firing tokens
            end.
        token: (entries,) uint32; value: (entries,) float32 scaled activation.
    """

    features: np.ndarray
    pointer: np.ndarray
    fire_end: np.ndarray
    token: np.ndarray
    value: np.ndarray

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What the kernels read."""
        return self.pointer, self.fire_end, self.token, self.value

    def run(self, start: int, stop: int) -> "Columns":
        """The columns start..stop; nothing is copied."""
        return Columns(
            self.features[start:stop],
            self.pointer[start : stop + 1],
            self.fire_end[start:stop],
            self.token,
            self.value,
        )

    def chosen(self, features: np.ndarray, names: np.ndarray) -> "Columns":
        """The columns of some of the features, in the order given, called by other names."""
        place = np.full(int(self.features.max(initial=-1)) + 1, -1, np.int64)
        place[self.features] = np.arange(len(self.features))
        at = place[features]
        lengths = np.diff(self.pointer)[at]
        pointer = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        entries = np.repeat(self.pointer[at] - pointer[:-1], lengths) + np.arange(pointer[-1])
        fire_end = pointer[:-1] + (self.fire_end - self.pointer[:-1])[at]
        return Columns(names, pointer, fire_end, self.token[entries], self.value[entries])

    def rolled(self, shift: int, n: int) -> "Columns":
        """The layout with token t in the place of t + shift, round the corpus of n: 0 <= shift < n."""
        token, value = np.empty_like(self.token), np.empty_like(self.value)
        roll_columns(self.pointer, self.fire_end, self.token, self.value, shift, n, token, value)
        return replace(self, token=token, value=value)


def rows_of(columns: Columns, n: int, part_size: int) -> Rows:
    """The entries of a layout by feature laid out by token, of n tokens."""
    features = columns.features
    parts = max(1, -(-len(features) // part_size))
    ends = columns.pointer[1:]
    centred_parts = np.unique(np.flatnonzero(columns.fire_end < ends) // part_size)
    pointer = np.zeros((parts, n + 1), np.int64)
    count_tokens(columns.pointer, columns.token, part_size, pointer)
    np.cumsum(pointer[:, 1:], axis=1, out=pointer[:, 1:])
    pointer += np.concatenate([[0], np.cumsum(pointer[:-1, -1])])[:, None]
    write_at = pointer[:, :-1].copy()
    rank, value = _empty_rows(len(columns.token))
    fill_tokens(
        columns.pointer[:-1], columns.fire_end, columns.token, columns.value, part_size, write_at, rank, value
    )
    fire_end = write_at[centred_parts].copy()
    fill_tokens(columns.fire_end, ends, columns.token, columns.value, part_size, write_at, rank, value)
    return Rows(features, part_size, pointer, centred_parts, fire_end, rank, value)


def build_rows(
    source: Source, moments: Moments, scaling: Scaling, features: np.ndarray, part_size: int
) -> Rows:
    """Lay out the given features by token, in two passes over the source."""
    parts = max(1, -(-len(features) // part_size))
    order = np.arange(len(features))
    table = lookup(features, order // part_size, order % part_size, scaling)
    centred = features[scaling.centre[features] != 0]
    pointer = np.zeros((parts, moments.n + 1), np.int64)
    for start, indptr, indices, _ in blocks_of(source):
        count_rows(start, indptr, indices, table, pointer)
        if len(centred):
            count_silent(start, indptr, indices, table, centred, pointer)
    # Parts lie one behind the other.
    np.cumsum(pointer[:, 1:], axis=1, out=pointer[:, 1:])
    pointer += np.concatenate([[0], np.cumsum(pointer[:-1, -1])])[:, None]
    centred_parts = np.unique(table["part"][centred])
    fire_end = np.zeros((len(centred_parts), moments.n), np.int64)
    rank, value = _empty_rows(int(pointer[-1, -1]))
    for start, indptr, indices, data in blocks_of(source):
        fill_rows(start, indptr, indices, data, table, centred, pointer, centred_parts, fire_end, rank, value)
    return Rows(features, part_size, pointer, centred_parts, fire_end, rank, value)


def build_columns(source: Source, moments: Moments, scaling: Scaling, features: np.ndarray) -> Columns:
    """Lay out the given features by feature, in the order of `features`, in one pass over the source."""
    table = lookup(features, np.arange(len(features)), np.zeros(len(features)), scaling)
    centred = scaling.centre[features] != 0
    pointer = np.zeros(len(features) + 1, np.int64)
    np.cumsum(np.where(centred, moments.n, moments.firings[features]), out=pointer[1:])
    token, value = np.empty(pointer[-1], np.uint32), np.empty(pointer[-1], np.float32)
    write_at = pointer[:-1].copy()
    for start, indptr, indices, data in blocks_of(source):
        fill_columns(start, indptr, indices, data, table, write_at, token, value)
    for c in np.flatnonzero(centred):
        silent = -scaling.centre[features[c]] * scaling.scale[features[c]]
        fill_silent(moments.n, pointer[c], write_at[c], pointer[c + 1], silent, token, value)
    return Columns(features, pointer, write_at, token, value)


def _empty_rows(entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Room for ranks and values, each from the start of a cache line: rows then lie on fewer."""
    return aligned((entries,), np.uint16), aligned((entries,), np.float32)


def blocks_of(source: Source) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """(first row, indptr, indices, data) of each block."""
    start = 0
    for tokens, block in source.blocks():
        yield start, block.indptr.astype(np.int64, copy=False), block.indices, block.data
        start += len(tokens)


def lookup(features: np.ndarray, parts: np.ndarray, places: np.ndarray, scaling: Scaling) -> np.ndarray:
    """(all features,) FEATURE: part and place of each feature given; the others have none."""
    table = aligned((len(scaling.scale),), FEATURE)
    table["part"], table["place"] = -1, 0
    table["part"][features], table["place"][features] = parts, places
    table["centre"], table["scale"] = scaling.centre, scaling.scale
    return table


@njit(cache=True, nogil=True)
def count_rows(start, indptr, indices, table, pointer):
    """Count each row's entries of each part of the features into pointer[part, row + 1]."""
    last = len(indices) - 1
    for row in range(len(indptr) - 1):
        for p in range(indptr[row], indptr[row + 1]):
            prefetch(table, indices[min(p + _FAR, last)])
            own = table[indices[p]].part
            if own >= 0:
                pointer[own, start + row + 1] += 1


@njit(cache=True, nogil=True)
def count_silent(start, indptr, indices, table, centred, pointer):
    """Add to those counts the centred features that are silent on each row."""
    fires = np.zeros(len(table), np.bool_)
    for row in range(len(indptr) - 1):
        fires[indices[indptr[row] : indptr[row + 1]]] = True
        for j in centred:
            if not fires[j]:
                pointer[table[j].part, start + row + 1] += 1
        fires[indices[indptr[row] : indptr[row + 1]]] = False


@njit(cache=True, nogil=True)
def fill_rows(
    start, indptr, indices, data, table, centred, pointer, centred_parts, fire_end, rank, value
):  # fmt: skip
    """Write the scaled entries of a block's rows: those that fire, then those only centring makes non-zero.

    `centred` lists the features whose centre isn't zero, `centred_parts` their parts; `fire_end[i, row]`
    receives the end of the firing entries in the i-th of them.
    """
    fires = np.zeros(len(table) if len(centred) else 0, np.bool_)
    at = np.zeros(len(pointer), np.int64)
    last = len(indices) - 1
    for row in range(len(indptr) - 1):
        at[:] = pointer[:, start + row]
        for p in range(indptr[row], indptr[row + 1]):
            prefetch(table, indices[min(p + _FAR, last)])
            feature = table[indices[p]]
            if feature.part >= 0:
                entry = at[feature.part]
                rank[entry] = feature.place
                value[entry] = (np.float64(data[p]) - feature.centre) * feature.scale
                at[feature.part] = entry + 1
        for i in range(len(centred_parts)):
            fire_end[i, start + row] = at[centred_parts[i]]
        if not len(centred):
            continue
        fires[indices[indptr[row] : indptr[row + 1]]] = True
        for j in centred:
            if not fires[j]:
                feature = table[j]
                rank[at[feature.part]] = feature.place
                value[at[feature.part]] = -feature.centre * feature.scale
                at[feature.part] += 1
        fires[indices[indptr[row] : indptr[row + 1]]] = False


@njit(cache=True, nogil=True)
def fill_columns(start, indptr, indices, data, table, write_at, token, value):
    """Append a block's scaled entries to their columns, the parts; `write_at` has each one's next place."""
    last = len(indices) - 1
    for row in range(len(indptr) - 1):
        for p in range(indptr[row], indptr[row + 1]):
            prefetch(table, indices[min(p + _FAR, last)])
            prefetch(write_at, table[indices[min(p + _NEAR, last)]].part)
            following = table[indices[min(p + _NEXT, last)]].part
            if following >= 0:
                prefetch(token, write_at[following])
                prefetch(value, write_at[following])
            feature = table[indices[p]]
            if feature.part >= 0:
                at = write_at[feature.part]
                token[at] = start + row
                value[at] = (np.float64(data[p]) - feature.centre) * feature.scale
                write_at[feature.part] = at + 1


@njit(cache=True, nogil=True)
def fill_silent(n, begin, fire_end, end, silent, token, value):
    """After a column's firing tokens (sorted), list its silent ones with the value centring gives them."""
    p = begin
    at = fire_end
    for t in range(n):
        if p < fire_end and token[p] == t:
            p += 1
        elif at < end:
            token[at] = t
            value[at] = silent
            at += 1


@njit(cache=True, nogil=True)
def roll_columns(pointer, fire_end, token, value, shift, n, new_token, new_value):
    """Move each column's tokens round the corpus; those that fire, and the others, stay ascending."""
    for c in range(len(pointer) - 1):
        for begin, end in ((pointer[c], fire_end[c]), (fire_end[c], pointer[c + 1])):
            first = begin + np.searchsorted(token[begin:end], n - shift)
            late = end - first
            for k in range(late):
                new_token[begin + k] = token[first + k] + np.uint32(shift) - np.uint32(n)
                new_value[begin + k] = value[first + k]
            for k in range(first - begin):
                new_token[begin + late + k] = token[begin + k] + np.uint32(shift)
                new_value[begin + late + k] = value[begin + k]


@njit(cache=True, nogil=True)
def count_tokens(pointer, token, part_size, counts):
    """Count the entries of each part of the columns by token into counts[part, token + 1]."""
    for c in range(len(pointer) - 1):
        for p in range(pointer[c], pointer[c + 1]):
            counts[c // part_size, np.int64(token[p]) + 1] += 1


@njit(cache=True, nogil=True)
def fill_tokens(begin, end, token, value, part_size, write_at, rank, row_value):
    """Append the entries begin..end of each column to the rows of its part; `write_at` moves on."""
    for c in range(len(begin)):
        own = write_at[c // part_size]
        for p in range(begin[c], end[c]):
            at = own[token[p]]
            rank[at], row_value[at] = c % part_size, value[p]
            own[token[p]] = at + 1
