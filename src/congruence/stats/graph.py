"""The sparse graph of all pairs of features above a threshold of similarity."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from congruence.stats.correlation import choose_engine, prepare_pair
from congruence.stats.dense_engine import DenseJob, dense_pairs
from congruence.stats.moments import Moments
from congruence.stats.prepared import PreparedActs
from congruence.stats.records import EngineChoice
from congruence.stats.scaling import check_measure, in_kernel_terms
from congruence.stats.sparse_engine import SparseJob
from congruence.stats.sparse_pairs import Pairs, sparse_pairs
from congruence.threads import available_threads


@dataclass(frozen=True)
class CorrelationGraph:
    """Pairs of features above a threshold, as two CSR matrices (f, g) with the same entries.

    Attributes:
        values: similarity of each pair listed.
        cofirings: tokens on which both fire, entry by entry beside `values`.
        threshold: pairs of lower similarity were left out.
        moments_a, moments_b: statistics of each side.
        measure: similarity used.
        min_cofirings: pairs that fire together on fewer tokens were left out (where above 1).
        engine: what did the work, and why.
    """

    values: sparse.csr_array
    cofirings: sparse.csr_array
    threshold: float
    moments_a: Moments
    moments_b: Moments
    measure: str
    min_cofirings: int
    engine: EngineChoice

    def __len__(self) -> int:
        return self.values.nnz


def correlation_graph(
    acts_a: Any,
    acts_b: Any,
    *,
    threshold: float,
    measure: str = "pearson",
    min_cofirings: int = 1,
    max_pairs: int = 100_000_000,
    mask: np.ndarray | None = None,
    engine: str = "auto",
    device: str | None = None,
    threads: int | None = None,
) -> CorrelationGraph:
    """Every pair of features whose similarity is at least `threshold`.

    Memory: what :func:`correlate` takes and 40 bytes a pair, never f x g.

    Args:
        acts_a, acts_b, measure, min_cofirings, mask, engine, device, threads: as for :func:`correlate`.
        threshold: least similarity of a pair that is listed.
        max_pairs: give up beyond so many.

    Raises:
        InputError: more than `max_pairs` pairs reach the threshold; else as :func:`correlate`.
    """
    a, b = prepare_pair(acts_a, acts_b, mask=mask)
    check_measure(measure)
    threads = threads or available_threads()
    choice = choose_engine(a, b, engine=engine, device=device, threads=threads)
    fewest = min_cofirings if min_cofirings > 1 else 0
    least = in_kernel_terms(threshold, measure)
    pairs = list_pairs(a, b, choice, measure=measure, least=least, fewest=fewest, max_pairs=max_pairs)
    values, cofirings = _matrices(pairs, (a.shape[1], b.shape[1]))
    return CorrelationGraph(
        values, cofirings, threshold, a.moments, b.moments, measure, min_cofirings, choice
    )


def list_pairs(
    a: PreparedActs,
    b: PreparedActs,
    choice: EngineChoice,
    *,
    measure: str,
    least: float,
    fewest: int,
    max_pairs: int,
    features_a: np.ndarray | None = None,
    features_b: np.ndarray | None = None,
) -> Pairs:
    """Pairs among the features given with similarity at least `least` and `fewest` co-firings."""
    if choice.name == "sparse":
        job = SparseJob(a, b, measure, features_a, features_b, fewest, threads=available_threads())
        return sparse_pairs(job, least=least, max_pairs=max_pairs)
    device = choice.name.removeprefix("dense-")
    job = DenseJob(a, b, measure, features_a, features_b, fewest, device=device)
    return dense_pairs(job, least=least, max_pairs=max_pairs)


def _matrices(pairs: Pairs, shape: tuple[int, int]) -> tuple[sparse.csr_array, sparse.csr_array]:
    order = sparse.csr_array((np.arange(len(pairs)), (pairs.feature_a, pairs.feature_b)), shape=shape)
    order.sort_indices()
    at: np.ndarray = order.data
    values = sparse.csr_array((pairs.values[at], order.indices, order.indptr), shape=shape)
    cofirings = sparse.csr_array((pairs.cofirings[at], order.indices, order.indptr), shape=shape)
    return values, cofirings


def full_correlation(
    acts_a: Any,
    acts_b: Any,
    *,
    measure: str = "pearson",
    mask: np.ndarray | None = None,
    engine: str = "auto",
    device: str | None = None,
) -> np.ndarray:
    """The (f, g) float64 matrix of similarities; NaN where either feature is constant. Memory 48 f g bytes.

    Args:
        acts_a, acts_b, measure, mask, engine, device: as for :func:`correlate`.

    Raises:
        InputError, ConfigError: as :func:`correlate`.
    """
    a, b = prepare_pair(acts_a, acts_b, mask=mask)
    check_measure(measure)
    choice = choose_engine(a, b, engine=engine, device=device, threads=available_threads())
    out = np.full((a.shape[1], b.shape[1]), np.nan)
    pairs = list_pairs(a, b, choice, measure=measure, least=-np.inf, fewest=0, max_pairs=out.size)
    out[pairs.feature_a, pairs.feature_b] = pairs.values
    return out
