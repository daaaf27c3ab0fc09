"""Pairing features inside two subsets, once for a concept and thousands of times for its nulls."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from congruence.concepts.kernels_pairing import fill_similarities, pair_by_columns, pair_by_matrix
from congruence.concepts.kernels_similarity import (
    COSINE,
    EUCLIDEAN,
    GREEDY,
    JACCARD,
    MANY_A,
    MANY_B,
    MUTUAL,
    PEARSON,
    add_products,
)
from congruence.concepts.ragged import Ragged
from congruence.errors import ConfigError, InputError, unknown_name
from congruence.stats import PreparedActs, prepare
from congruence.threads import available_threads

MATRIX_ENTRIES = 1 << 24
"""Up to this many feature pairs the whole matrix of similarities is kept (12 bytes each)."""

METHODS: Mapping[str, int] = {
    "many_to_one": MANY_B,
    "one_to_one": MANY_B,
    "greedy": GREEDY,
    "mutual_best": MUTUAL,
}
MEASURES: Mapping[str, int] = {
    "pearson": PEARSON,
    "cosine": COSINE,
    "euclidean": EUCLIDEAN,
    "jaccard": JACCARD,
}


@dataclass(frozen=True)
class InsidePairing:
    """How features are paired inside a subspace; the result is always 1-to-1.

    Attributes:
        method: many_to_one (then 1-to-1 by `keep`), greedy or mutual_best.
        from_: the side whose features seek, for many_to_one.
        keep: of the pairs that share a feature, the best or the first by index.
        measure: pearson, cosine, euclidean or jaccard.
        min_value: keep pairs above this similarity (-inf: all).
        min_cofirings: keep pairs that fire together on at least so many tokens.
    """

    method: str = "many_to_one"
    from_: Literal["a", "b"] = "b"
    keep: Literal["best", "first"] = "best"
    measure: str = "pearson"
    min_value: float = -np.inf
    min_cofirings: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(unknown_name("pairing method inside a concept", self.method, METHODS))
        if self.measure not in MEASURES:
            raise ConfigError(unknown_name("similarity", self.measure, MEASURES))

    @property
    def codes(self) -> tuple[int, bool, float, int]:
        """As the compiled loops take it."""
        code = METHODS[self.method]
        if code == MANY_B and self.from_ == "a":
            code = MANY_A
        return code, self.keep == "first", float(self.min_value), int(self.min_cofirings)

    @property
    def counts(self) -> bool:
        """Whether the pairs depend on co-firings."""
        return self.measure == "jaccard" or self.min_cofirings > 0


@dataclass(frozen=True)
class SubsetPairs:
    """Pairs found inside two subsets.

    Attributes:
        feature_a, feature_b: (p,) feature numbers.
        value: (p,) similarity.
        cofirings: (p,) tokens on which both fire.
    """

    feature_a: Int[np.ndarray, " p"]
    feature_b: Int[np.ndarray, " p"]
    value: Float[np.ndarray, " p"]
    cofirings: Int[np.ndarray, " p"]

    def __len__(self) -> int:
        return len(self.feature_a)


@dataclass
class LayerColumns:
    """One layer's activations laid out by feature, with what similarities need of each feature.

    Attributes:
        acts: the side, as `congruence.stats` prepares it.
        stats: (f, 6) mean, Σ(x−mean)², Σx², firings, and 1/√ of the second and third (0 where they are 0).
        alive: (f,) the feature varies.
    """

    acts: PreparedActs
    stats: Float[np.ndarray, "f 6"]
    alive: np.ndarray
    _rows: Any = field(default=None, repr=False)
    _columns: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, acts: Any) -> "LayerColumns":
        """From activations of any kind that `congruence.stats` reads, or a side it has prepared."""
        prepared = prepare(acts)
        moments = prepared.moments
        parts = (moments.mean, moments.square_deviation, moments.square_sum, moments.firings)
        columns = [np.asarray(part, dtype=np.float64) for part in parts]
        columns += [np.where(part > 0, part, np.inf) ** -0.5 for part in columns[1:3]]
        return cls(prepared, np.stack(columns, axis=1), ~moments.constant)

    @property
    def n(self) -> int:
        """Tokens."""
        return self.acts.shape[0]

    @property
    def rows(self) -> Any:
        """(pointer, feature, value) by token; kept, 8 bytes an entry."""
        if self._rows is None:
            blocks = [block for _, block in self.acts.source.blocks()]
            whole: Any = blocks[0] if len(blocks) == 1 else sparse.vstack(blocks, format="csr")
            self._rows = (whole.indptr.astype(np.int64), whole.indices, whole.data.astype(np.float32))
        return self._rows

    @property
    def columns(self) -> Any:
        """(pointer, token, value) by feature; kept, 8 bytes an entry."""
        if self._columns is None:
            pointer, index, value = self.rows
            whole: Any = sparse.csr_array((value, index, pointer), shape=self.acts.shape).tocsc()
            self._columns = (whole.indptr.astype(np.int64), whole.indices.astype(np.int32), whole.data)
        return self._columns


class SubsetPairing:
    """Pairs features of two layers inside any subsets.

    Where f·g is at most 2^24 the whole matrix of similarities and co-firings is made once (12 f g bytes) and
    subsets are read from it; otherwise each subset is correlated from its own features' firings.
    """

    def __init__(self, a: LayerColumns, b: LayerColumns, how: InsidePairing) -> None:
        if a.n != b.n:
            raise InputError(f"side a has {a.n} tokens and side b {b.n}: give both sides the same tokens")
        self.a, self.b, self.how = a, b, how
        self._matrix: Any = None

    def pairs(self, features_a: Int[np.ndarray, " p"], features_b: Int[np.ndarray, " q"]) -> SubsetPairs:
        """The pairs inside two subsets, in the order in which they were found; dead features are left out."""
        subsets = (Ragged.of([features_a]), Ragged.of([features_b]))
        drawn_a, drawn_b, values, counts = self._run(*subsets, counted=True)
        return SubsetPairs(drawn_a.values, drawn_b.values, values, counts)

    def draws(self, subsets_a: Ragged, subsets_b: Ragged, *, threads: int = 1) -> tuple[Ragged, Ragged]:
        """The pairs inside each of many pairs of subsets: feature numbers of A and of B, list by list."""
        if threads <= 1 or len(subsets_a) < 2 * threads:
            return self._run(subsets_a, subsets_b)[:2]
        edges = np.linspace(0, len(subsets_a), threads + 1).astype(int)
        parts = [slice(edges[k], edges[k + 1]) for k in range(threads)]
        self._prepare(len(subsets_a))
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(lambda s: self._run(_part(subsets_a, s), _part(subsets_b, s))[:2], parts))
        return Ragged.joined([a for a, _ in found]), Ragged.joined([b for _, b in found])

    def _run(
        self, subsets_a: Ragged, subsets_b: Ragged, *, counted: bool = False
    ) -> tuple[Ragged, Ragged, np.ndarray, np.ndarray]:
        if len(subsets_a) != len(subsets_b):
            raise InputError(
                f"{len(subsets_a)} subsets of side a and {len(subsets_b)} of b: give as many of each"
            )
        subsets_a, subsets_b = _alive(subsets_a, self.a.alive), _alive(subsets_b, self.b.alive)
        self._prepare(len(subsets_a))
        lists = (subsets_a.values, subsets_a.offsets, subsets_b.values, subsets_b.offsets)
        if self._matrix is not None:
            inputs: tuple[Any, ...] = (*self._matrix, *lists, *self.how.codes)
            out_a, out_b, offsets, values, counts = pair_by_matrix(*inputs)
        else:
            about = (MEASURES[self.how.measure], float(self.a.n), self.a.stats, self.b.stats)
            rule = (*self.how.codes, counted or self.how.counts)
            inputs = (self.a.columns, self.b.columns, self.a.n, *about, *lists, *rule)
            out_a, out_b, offsets, values, counts = pair_by_columns(*inputs)
        return Ragged(out_a, offsets), Ragged(out_b, offsets), values, counts

    def _prepare(self, draws: int) -> None:
        """Make the matrix where it is small enough and worth it."""
        small = len(self.a.stats) * len(self.b.stats) <= MATRIX_ENTRIES
        if self._matrix is None and small and draws > 1:
            self._matrix = self._whole_matrix()

    def _whole_matrix(self) -> tuple[np.ndarray, np.ndarray]:
        shape = (len(self.a.stats), len(self.b.stats))
        sums, counts = np.zeros(shape), np.zeros(shape, dtype=np.int32)
        columns, rows = self.a.columns, self.b.rows
        code, n = MEASURES[self.how.measure], float(self.a.n)

        def fill(lo: int, hi: int) -> None:
            add_products(lo, hi, columns, rows, sums, counts)
            fill_similarities(code, n, self.a.stats[lo:hi], self.b.stats, sums[lo:hi], counts[lo:hi])

        threads = available_threads()
        shares = np.linspace(0, columns[0][-1], 4 * threads + 1)[1:-1]
        edges = [0, *np.searchsorted(columns[0], shares).clip(max=shape[0]).tolist(), shape[0]]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, edges[:-1], edges[1:]))
        return sums, counts


def _alive(subsets: Ragged, alive: np.ndarray) -> Ragged:
    keep = alive[subsets.values]
    if keep.all():
        return subsets
    before = np.concatenate([[0], np.cumsum(keep)])
    return Ragged(subsets.values[keep], before[subsets.offsets])


def _part(lists: Ragged, part: slice) -> Ragged:
    offsets = lists.offsets[part.start : part.stop + 1]
    return Ragged(lists.values[offsets[0] : offsets[-1]], offsets - offsets[0])
