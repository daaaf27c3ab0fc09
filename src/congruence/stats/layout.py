"""Scaled activations laid out by token (rows) and by feature (columns), for the co-activation kernel."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit

from congruence.aligned import aligned
from congruence.stats.moments import Moments
from congruence.stats.scaling import Scaling
from congruence.stats.sources import Source

Part = tuple[np.ndarray, tuple[np.ndarray, ...]]
"""Features, and the arrays a kernel reads of them by token."""

ENTRY = np.dtype([("rank", np.uint32), ("value", np.float32)])
"""A feature's place and scaled activation, side by side: a row is fetched from one place in memory."""


@dataclass(frozen=True)
class Rows:
    """Entries of some features by token, in parts of at most `part_size` features.

    Attributes:
        features: (f,) the features, in order of rank; part i holds those from i * part_size on.
        part_size: features in a part.
        pointer: (parts, n + 1) where each token's entries begin in `entries`.
        centred_parts: the parts that hold a centred feature, ascending.
        fire_end: (centred parts, n) where those that fire end; behind them stand entries due to centring
            alone. In any other part all entries fire.
        entries: (entries,) ENTRY: the feature's place within its part, and its scaled activation.
    """

    features: np.ndarray
    part_size: int
    pointer: np.ndarray
    centred_parts: np.ndarray
    fire_end: np.ndarray
    entries: np.ndarray

    def __len__(self) -> int:
        return len(self.pointer)

    def part(self, i: int) -> Part:
        """Part i: its features, and the arrays its kernel reads."""
        features = self.features[i * self.part_size : (i + 1) * self.part_size]
        at = np.flatnonzero(self.centred_parts == i)
        fire_end = self.fire_end[at[0]] if len(at) else self.pointer[i][1:]
        return features, (self.pointer[i][:-1], fire_end, self.pointer[i][1:], self.entries)

    def rolled(self, shift: int) -> "Rows":
        """The layout with token t in the place of t + shift, round the corpus: 0 <= shift < n."""
        pointer, fire_end = np.empty_like(self.pointer), np.empty_like(self.fire_end)
        entries = aligned(self.entries.shape, ENTRY)
        cut = self.pointer.shape[1] - 1 - shift
        for i, old in enumerate(self.pointer):
            begin, middle, end = old[0], old[cut], old[-1]
            # In each part the entries of the last tokens change places with those of the others.
            late, early = slice(begin, begin + end - middle), slice(begin + end - middle, end)
            entries[late], entries[early] = self.entries[middle:end], self.entries[begin:middle]
            to_front, to_back = begin - middle, end - middle
            pointer[i] = np.concatenate([old[cut:-1] + to_front, old[: cut + 1] + to_back])
            for j in np.flatnonzero(self.centred_parts == i):
                fires = self.fire_end[j]
                fire_end[j] = np.concatenate([fires[cut:] + to_front, fires[:cut] + to_back])
        return replace(self, pointer=pointer, fire_end=fire_end, entries=entries)


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
    entries = aligned(columns.token.shape, ENTRY)
    fill_tokens(
        columns.pointer[:-1], columns.fire_end, columns.token, columns.value, part_size, write_at, entries
    )
    fire_end = write_at[centred_parts].copy()
    fill_tokens(columns.fire_end, ends, columns.token, columns.value, part_size, write_at, entries)
    return Rows(features, part_size, pointer, centred_parts, fire_end, entries)


def build_rows(
    source: Source, moments: Moments, scaling: Scaling, features: np.ndarray, part_size: int
) -> Rows:
    """Lay out the given features by token, in two passes over the source."""
    parts = max(1, -(-len(features) // part_size))
    order = np.arange(len(features))
    part = lookup(features, order // part_size, len(moments), -1, np.int32)
    place = lookup(features, order % part_size, len(moments), 0, np.uint32)
    centred = features[scaling.centre[features] != 0]
    pointer = np.zeros((parts, moments.n + 1), np.int64)
    for start, indptr, indices, _ in blocks_of(source):
        count_rows(start, indptr, indices, part, pointer)
        if len(centred):
            count_silent(start, indptr, indices, part, centred, pointer)
    # Parts lie one behind the other.
    np.cumsum(pointer[:, 1:], axis=1, out=pointer[:, 1:])
    pointer += np.concatenate([[0], np.cumsum(pointer[:-1, -1])])[:, None]
    centred_parts = np.unique(part[centred])
    fire_end = np.zeros((len(centred_parts), moments.n), np.int64)
    entries = aligned((int(pointer[-1, -1]),), ENTRY)
    for start, indptr, indices, data in blocks_of(source):
        fill_rows(
            start, indptr, indices, data, part, place, scaling.centre, scaling.scale, centred, pointer,
            centred_parts, fire_end, entries,
        )  # fmt: skip
    return Rows(features, part_size, pointer, centred_parts, fire_end, entries)


def build_columns(source: Source, moments: Moments, scaling: Scaling, features: np.ndarray) -> Columns:
    """Lay out the given features by feature, in the order of `features`, in one pass over the source."""
    column = lookup(features, np.arange(len(features)), len(moments), -1, np.int32)
    centred = scaling.centre[features] != 0
    pointer = np.zeros(len(features) + 1, np.int64)
    np.cumsum(np.where(centred, moments.n, moments.firings[features]), out=pointer[1:])
    token, value = np.empty(pointer[-1], np.uint32), np.empty(pointer[-1], np.float32)
    write_at = pointer[:-1].copy()
    for start, indptr, indices, data in blocks_of(source):
        fill_columns(
            start, indptr, indices, data, column, scaling.centre, scaling.scale, write_at, token, value
        )
    for c in np.flatnonzero(centred):
        silent = -scaling.centre[features[c]] * scaling.scale[features[c]]
        fill_silent(moments.n, pointer[c], write_at[c], pointer[c + 1], silent, token, value)
    return Columns(features, pointer, write_at, token, value)


def blocks_of(source: Source) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """(first row, indptr, indices, data) of each block."""
    start = 0
    for tokens, block in source.blocks():
        yield start, block.indptr.astype(np.int64, copy=False), block.indices, block.data
        start += len(tokens)


def lookup(features: np.ndarray, places: np.ndarray, n_features: int, absent: int, dtype: Any) -> np.ndarray:
    """(n_features,) the place of each feature given, and `absent` for the others."""
    table = np.full(n_features, absent, dtype)
    table[features] = places
    return table


@njit(cache=True, nogil=True)
def count_rows(start, indptr, indices, part, pointer):
    """Count each row's entries of each part of the features into pointer[part, row + 1]; -1 is no part."""
    for row in range(len(indptr) - 1):
        for p in range(indptr[row], indptr[row + 1]):
            own = part[indices[p]]
            if own >= 0:
                pointer[own, start + row + 1] += 1


@njit(cache=True, nogil=True)
def count_silent(start, indptr, indices, part, centred, pointer):
    """Add to those counts the centred features that are silent on each row."""
    fires = np.zeros(len(part), np.bool_)
    for row in range(len(indptr) - 1):
        fires[indices[indptr[row] : indptr[row + 1]]] = True
        for j in centred:
            if not fires[j]:
                pointer[part[j], start + row + 1] += 1
        fires[indices[indptr[row] : indptr[row + 1]]] = False


@njit(cache=True, nogil=True)
def fill_rows(
    start, indptr, indices, data, part, place, centre, scale, centred, pointer, centred_parts, fire_end,
    entries,
):  # fmt: skip
    """Write the scaled entries of a block's rows: those that fire, then those only centring makes non-zero.

    `part` and `place` say where each feature goes: to which part, and which rank it has there. `centred`
    lists the features whose centre isn't zero, `centred_parts` their parts; `fire_end[i, row]` receives the
    end of the firing entries in the i-th of them.
    """
    fires = np.zeros(len(part), np.bool_)
    at = np.zeros(len(pointer), np.int64)
    for row in range(len(indptr) - 1):
        at[:] = pointer[:, start + row]
        for p in range(indptr[row], indptr[row + 1]):
            j = indices[p]
            fires[j] = True
            own = part[j]
            if own >= 0:
                entries[at[own]].rank = place[j]
                entries[at[own]].value = (np.float64(data[p]) - centre[j]) * scale[j]
                at[own] += 1
        for i in range(len(centred_parts)):
            fire_end[i, start + row] = at[centred_parts[i]]
        for j in centred:
            if not fires[j]:
                own = part[j]
                entries[at[own]].rank = place[j]
                entries[at[own]].value = -centre[j] * scale[j]
                at[own] += 1
        for p in range(indptr[row], indptr[row + 1]):
            fires[indices[p]] = False


@njit(cache=True, nogil=True)
def fill_columns(start, indptr, indices, data, column, centre, scale, write_at, token, value):
    """Append a block's scaled entries to their columns; `write_at[c]` is column c's next place."""
    for row in range(len(indptr) - 1):
        for p in range(indptr[row], indptr[row + 1]):
            j = indices[p]
            c = column[j]
            if c >= 0:
                at = write_at[c]
                token[at] = start + row
                value[at] = (np.float64(data[p]) - centre[j]) * scale[j]
                write_at[c] = at + 1


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
def fill_tokens(begin, end, token, value, part_size, write_at, entries):
    """Append the entries begin..end of each column to the rows of its part; `write_at` moves on."""
    for c in range(len(begin)):
        own = write_at[c // part_size]
        for p in range(begin[c], end[c]):
            at = own[token[p]]
            entries[at].rank, entries[at].value = c % part_size, value[p]
            own[token[p]] = at + 1
