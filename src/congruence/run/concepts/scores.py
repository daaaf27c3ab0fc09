"""Scores of many sets of pairs of decoder rows: what nulls that draw other features need."""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from congruence.concepts.ragged import Ragged
from congruence.errors import InputError
from congruence.metrics import METRICS
from congruence.metrics.blas import one_blas_thread
from congruence.run.concepts import kernels
from congruence.stats.kernels_dense import transpose
from congruence.threads import in_runs

logger = logging.getLogger(__name__)

FLOAT_ROWS, KEPT_ROWS = 4096, 32_768
"""Up to so many rows of a side all products are made once, in float32 or as cosines of 16 bits; beyond, in
every draw anew."""
COSINE_STEPS = 32_767
TABLE_STEPS, BINS, SAMPLE = 1 << 16, 1 << 13, 1 << 20
RDMS = {"correlation": kernels.CORRELATION, "cosine": kernels.COSINE, "euclidean": kernels.EUCLIDEAN}

Measure = tuple[str, Mapping[str, Any]]


@dataclass
class DecoderRows:
    """The decoder of one layer, with what fast scoring needs of it, made when first asked for.

    Attributes:
        W_dec: (f, d) float32 rows.
        mean: (f,) mean of each row over its columns.
    """

    W_dec: Float[np.ndarray, "f d"]
    mean: Float[np.ndarray, " f"] = field(init=False)
    _products: Any = field(default=None, init=False, repr=False)
    _tables: dict[str, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.W_dec = np.ascontiguousarray(self.W_dec, dtype=np.float32)
        self.mean = self.W_dec.mean(axis=1, dtype=np.float64)

    @property
    def small(self) -> bool:
        """Whether all products of rows are kept."""
        return len(self.W_dec) <= KEPT_ROWS

    @property
    def products(self) -> tuple[np.ndarray, Float[np.ndarray, " f"]]:
        """(f, f) products of rows and (f,) scales: that of rows i and j is its entry times both scales.

        4 f² bytes up to FLOAT_ROWS; beyond, 2 f² bytes: cosines in steps of 1 / 32,767.
        """
        if self._products is None:
            few = len(self.W_dec) <= FLOAT_ROWS
            self._products = (self.W_dec @ self.W_dec.T, np.ones(len(self.W_dec))) if few else self._cosines()
        return self._products

    @property
    def product_bytes(self) -> int:
        """What `products` holds at the moment."""
        return 0 if self._products is None else self._products[0].nbytes

    def forget_products(self) -> None:
        """Give their memory back; they are made again when asked for."""
        self._products = None

    def _cosines(self) -> tuple[np.ndarray, np.ndarray]:
        norms = np.linalg.norm(self.W_dec, axis=1).astype(np.float64)
        unit = self.W_dec / np.maximum(norms, 1e-30)[:, None].astype(np.float32)
        cosines = np.empty((len(unit), len(unit)), dtype=np.int16)
        for start in range(0, len(unit), 1024):
            part = slice(start, start + 1024)
            block = unit[part] @ unit[start:].T
            np.multiply(block, COSINE_STEPS, out=block)
            cosines[part, start:] = np.clip(np.rint(block, out=block), -COSINE_STEPS, COSINE_STEPS)
            upper, lower = cosines[part, start:], cosines[start:, part]
            in_runs(lambda lo, hi, u=upper, w=lower: transpose(lo, hi, u, w), len(lower))
        return cosines, norms / np.sqrt(COSINE_STEPS)

    def rank_table(self, rdm: str) -> Float[np.ndarray, " steps"]:
        """Bins by which distances between rows are ranked: quantiles over a sample of the layer's own."""
        if rdm not in self._tables:
            self._tables[rdm] = _rank_table(self._sampled_distances(rdm))
        return self._tables[rdm]

    def _sampled_distances(self, rdm: str) -> np.ndarray:
        rng = np.random.default_rng(0)
        rows = rng.choice(len(self.W_dec), min(len(self.W_dec), 1024), replace=False)
        x = self.W_dec[rows].astype(np.float64)
        if rdm == "euclidean":
            squares = (x**2).sum(axis=1)
            square = np.sqrt(np.maximum(squares[:, None] + squares - 2 * (x @ x.T), 0.0))
        else:
            x = x - x.mean(axis=1, keepdims=True) if rdm == "correlation" else x
            x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
            square = 1 - x @ x.T
        return square[np.triu_indices(len(rows), 1)]


def score_draws(
    a: DecoderRows,
    b: DecoderRows,
    pairs_a: Ragged,
    pairs_b: Ragged,
    measures: Sequence[Measure],
    *,
    min_pairs: int = 3,
    threads: int = 1,
) -> Float[np.ndarray, "measures draws"]:
    """Every measure of every set of pairs; NaN where a set is too small for it.

    pc1_correlation, rsa and linear_cka are computed from products of rows, in compiled loops; for Spearman
    the ranks come from 8,192 quantile bins of the layer's distances (the score is off by less than 1e-3), so
    that no draw sorts or decomposes anything. Other measures are called once a draw.

    Args:
        a, b: decoders of the two layers.
        pairs_a, pairs_b: for each draw, the paired rows of either side.
        measures: names and options.
        min_pairs: sets with fewer pairs score NaN.
        threads: draws computed at once.
    """
    out = np.full((len(measures), len(pairs_a)), np.nan)
    codes = [_code(name, options) for name, options in measures]
    fast = [place for place, code in enumerate(codes) if code is not None]
    if fast and a.small and b.small:
        _ = a.products, b.products  # with all threads
    with one_blas_thread():
        if fast and len(pairs_a):
            wanted = np.array([codes[place] for place in fast], dtype=np.int64)
            out[fast] = _fast_scores((a, b), (pairs_a, pairs_b), wanted, threads)
        for place, (name, options) in enumerate(measures):
            if codes[place] is None:
                score = _slow_score(a, b, pairs_a, pairs_b, (name, options))
                out[place] = _over_threads(score, len(pairs_a), threads)[0]
    out[:, pairs_a.lengths < min_pairs] = np.nan
    return out


def is_fast(name: str, options: Mapping[str, Any]) -> bool:
    """Whether draws of a measure are scored in compiled loops."""
    return _code(name, options) is not None


def _code(name: str, options: Mapping[str, Any]) -> int | None:
    """The compiled measure, or None where a draw has to call the measure itself."""
    left = dict(options)
    if left.pop("unit_rows", False):
        return None
    code = None
    if name == "pc1_correlation":
        code = kernels.PC1
    elif name == "linear_cka":
        code = kernels.CKA_DEBIASED if left.pop("debiased", True) else kernels.CKA
    elif name == "rsa":
        rdm, compare = left.pop("rdm", "correlation"), left.pop("compare", "spearman")
        if compare in ("spearman", "pearson"):
            code = kernels.RSA + 2 * RDMS[rdm] + (compare == "pearson")
    return None if left else code


def _fast_scores(
    sides: tuple[DecoderRows, DecoderRows], pairs: tuple[Ragged, Ragged], codes: np.ndarray, threads: int
) -> np.ndarray:
    (a, b), (pairs_a, pairs_b) = sides, pairs
    tables = _tables(a, b, codes)
    widths = np.array([a.W_dec.shape[1], b.W_dec.shape[1]], dtype=np.float64)
    gathered = a.small and b.small
    matrices = (*a.products, *b.products) if gathered else (a.W_dec, b.W_dec)
    run: Any = kernels.score_gathered if gathered else kernels.score_multiplied

    def part(first: int, last: int) -> np.ndarray:
        offsets = pairs_a.offsets[first : last + 1]
        lists = [side.values[offsets[0] : offsets[-1]] for side in (pairs_a, pairs_b)]
        return run(*matrices, a.mean, b.mean, widths, *lists, offsets - offsets[0], codes, tables)

    return _over_threads(part, len(pairs_a), threads)


def _tables(a: DecoderRows, b: DecoderRows, codes: np.ndarray) -> Any:
    """Rank tables of both sides for each kind of distance, an empty one where it isn't ranked."""
    tables = []
    for rdm, kind in RDMS.items():
        ranked = kernels.RSA + 2 * kind in codes
        tables += [side.rank_table(rdm) if ranked else np.zeros(4, dtype=np.float32) for side in (a, b)]
    return tuple(tables)


def _slow_score(
    a: DecoderRows, b: DecoderRows, pairs_a: Ragged, pairs_b: Ragged, measure: Measure
) -> Callable[[int, int], np.ndarray]:
    """A measure called on each of a stretch of draws; NaN where it isn't defined."""
    entry, options = METRICS.get(measure[0]), measure[1]

    def score(draw: int) -> float:
        try:
            return float(entry(a.W_dec[pairs_a[draw]], b.W_dec[pairs_b[draw]], **options))
        except InputError:
            return np.nan

    return lambda first, last: np.array([[score(draw) for draw in range(first, last)]])


def _over_threads(part: Callable[[int, int], np.ndarray], draws: int, threads: int) -> np.ndarray:
    """`part(first, last)` over stretches of the draws, side by side."""
    workers = max(1, min(threads, draws // 16))
    edges = np.linspace(0, draws, workers + 1).astype(int).tolist()
    if workers == 1:
        return part(0, draws)
    with ThreadPoolExecutor(workers) as pool:
        return np.concatenate(list(pool.map(part, edges[:-1], edges[1:])), axis=1)


def _rank_table(values: np.ndarray) -> np.ndarray:
    """[low, high, bins, bin at each of 65,536 steps]: bins of equal share between low and high."""
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) + 1e-9
    low, high = low - margin, high + margin
    steps = np.linspace(low, high, TABLE_STEPS)
    below = np.searchsorted(np.sort(values), steps) / len(values)
    even = np.linspace(0, 1, TABLE_STEPS)  # a little of it keeps rare distances apart
    bins = np.floor((0.95 * below + 0.05 * even) * (BINS - 1))
    return np.concatenate([[low, high, BINS], bins]).astype(np.float32)


def paired_rows(
    a: DecoderRows, b: DecoderRows, feature_a: Int[np.ndarray, " p"], feature_b: Int[np.ndarray, " p"]
) -> tuple[np.ndarray, np.ndarray]:
    """The decoder rows of paired features."""
    return a.W_dec[feature_a], b.W_dec[feature_b]
