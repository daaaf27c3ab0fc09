"""A graph of candidate pairs, and its matching of greatest sum."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy import sparse
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from congruence.matching.pairs import Found


@dataclass(frozen=True)
class Edges:
    """Candidate pairs, each once, by A and then B feature.

    Attributes:
        found: the pairs.
        shape: (f, g) features of both sides.
    """

    found: Found
    shape: tuple[int, int]

    @staticmethod
    def of(parts: list[Found], shape: tuple[int, int]) -> "Edges":
        """The pairs of several lists; of a pair listed twice the first counts."""
        every = Found.concatenated(parts)
        key = every.feature_a.astype(np.int64) * shape[1] + every.feature_b
        return Edges(every.select(np.unique(key, return_index=True)[1]), shape)

    def complete(self) -> tuple[Found, np.ndarray, np.ndarray]:
        """The matching of greatest sum that leaves no feature of the smaller side single, and its prices.

        Prices p_a (f,), p_b (g,) satisfy p_a + p_b >= r on every edge, with equality on the pairs matched,
        and p = 0 for single features. Some matching must use every feature of the smaller side.
        """
        rows, columns = self.found.feature_a, self.found.feature_b
        flipped = len(np.unique(rows)) > len(np.unique(columns))
        if flipped:
            rows, columns = columns, rows
        graph = _Graph.of(rows, columns, self.found.r)
        matched = graph.full_matching(graph.weight)
        price_columns = column_prices(graph.pointer, graph.column, graph.weight, matched, len(graph.columns))
        price_rows = graph.weight[matched] - price_columns[graph.column[matched]]
        prices = np.zeros(self.shape[flipped]), np.zeros(self.shape[not flipped])
        prices[0][graph.rows], prices[1][graph.columns] = price_rows, price_columns
        found = self.found.select(graph.place[matched])
        return (found, prices[1], prices[0]) if flipped else (found, *prices)

    def with_singles(self) -> Found:
        """The matching of greatest sum; a single feature counts 0, or as the worst pair where all are < 0."""
        if not len(self.found):
            return self.found
        rows, columns = self.found.feature_a, self.found.feature_b
        graph = _Graph.of(rows, columns, self.found.r)
        alone = np.arange(len(graph.rows))
        spare = len(graph.columns) + alone
        single = np.full(len(alone), min(0.0, self.found.r.min()))
        wider = _Graph.of(
            np.concatenate([_row_numbers(graph), alone]),
            np.concatenate([graph.column, spare]),
            np.concatenate([graph.weight, single]),
        )
        matched = wider.place[wider.full_matching(wider.weight)]
        return self.found.select(graph.place[matched[matched < len(graph.weight)]])


@dataclass(frozen=True)
class _Graph:
    """Edges in CSR form, features renumbered without gaps.

    Attributes:
        rows, columns: the features behind the numbers.
        pointer, column, weight: the CSR form.
        place: (edges,) where each entry stood in the list it was made of.
    """

    rows: np.ndarray
    columns: np.ndarray
    pointer: np.ndarray
    column: np.ndarray
    weight: np.ndarray
    place: np.ndarray

    @staticmethod
    def of(rows: np.ndarray, columns: np.ndarray, weight: np.ndarray) -> "_Graph":
        row_names, row = np.unique(rows, return_inverse=True)
        column_names, column = np.unique(columns, return_inverse=True)
        place = np.lexsort((column, row))
        pointer = np.searchsorted(row[place], np.arange(len(row_names) + 1))
        return _Graph(row_names, column_names, pointer, column[place].astype(np.int64), weight[place], place)

    def full_matching(self, weight: np.ndarray) -> np.ndarray:
        """For each row the place of its edge in the full matching of greatest weight."""
        cost = 1.0 + weight.max() - weight
        shape = (len(self.rows), len(self.columns))
        matrix = sparse.csr_array(
            (cost, self.column.astype(np.int32), self.pointer.astype(np.int32)), shape=shape
        )
        row, column = min_weight_full_bipartite_matching(matrix)
        key = _row_numbers(self) * len(self.columns) + self.column
        return np.searchsorted(key, row.astype(np.int64) * len(self.columns) + column)


def _row_numbers(graph: _Graph) -> np.ndarray:
    return np.repeat(np.arange(len(graph.rows)), np.diff(graph.pointer))


@njit(cache=True, nogil=True)
def column_prices(pointer, column, weight, matched, n_columns):
    """The least prices v >= 0 of the columns that support a best matching of all rows.

    With u_i = w_ij - v_j for row i matched to column j, u_i + v_j' >= w_ij' for every edge: v is the longest
    path along w_ij' - w_ij, found by correcting prices until none changes.

    Args:
        pointer, column, weight: the graph's rows in CSR form.
        matched: (rows,) place of each row's matched edge in `column`.
        n_columns: number of columns.
    """
    price = np.zeros(n_columns)
    row_of = np.full(n_columns, -1, np.int64)
    for i in range(len(matched)):
        row_of[column[matched[i]]] = i
    # A ring: each row waits at most once.
    queue = np.arange(len(matched))
    waiting = np.ones(len(matched), np.bool_)
    head, held = 0, len(matched)
    while held:
        i = queue[head]
        head = (head + 1) % len(queue)
        held -= 1
        waiting[i] = False
        base = price[column[matched[i]]] - weight[matched[i]]
        for p in range(pointer[i], pointer[i + 1]):
            j = column[p]
            # Rounding must not send a cycle of zero length round for ever.
            if weight[p] + base > price[j] + 1e-13:
                price[j] = weight[p] + base
                if row_of[j] >= 0 and not waiting[row_of[j]]:
                    waiting[row_of[j]] = True
                    queue[(head + held) % len(queue)] = row_of[j]
                    held += 1
    return price
