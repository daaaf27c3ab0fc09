"""The exact assignment: pairs whose similarities have the greatest sum."""

import logging
from typing import Any

import numpy as np

from congruence.errors import InputError
from congruence.matching.edges import Edges
from congruence.matching.greedy import greedy_pairs
from congruence.matching.pairs import Found, SimilarityMatrix, matching_of
from congruence.matching.registry import MATCHERS
from congruence.records import Matching
from congruence.stats import BestPartners, Correlation, PreparedActs, correlate, prepare_pair
from congruence.stats.graph import list_pairs
from congruence.stats.sparse_engine import SparseJob
from congruence.stats.sparse_pairs import best_above_prices
from congruence.threads import available_threads

log = logging.getLogger(__name__)

# A full matrix of so many cells is solved outright; dense activations know no other way.
_FULL_CELLS = 1 << 22
_DENSE_CELLS = 1 << 29
_LIST = 8
# The proof leaves so much open in the whole sum: about the error of a single similarity.
_GAP = 1e-7


@MATCHERS.register("assignment")
def assignment(acts_a: Any, acts_b: Any, *, measure: str = "pearson", min_cofirings: int = 1) -> Matching:
    """min(f, g) pairs of greatest total similarity (the Hungarian problem), exact to 1e-7 of the sum.

    Small problems go to scipy's `linear_sum_assignment` (Crouse 2016). Large sparse ones are solved on a
    graph of candidates by `min_weight_full_bipartite_matching` (LAPJVsp, Jonker & Volgenant 1987), which
    yields prices with p_a + p_b >= r on the graph. One more pass over the co-activations looks among *all*
    pairs for those that break the prices; they join the graph, until there are none. By linear-programming
    duality the matching is then best among all pairs, and no F x G matrix was made.

    With `min_cofirings` above 1 only allowed pairs count and a feature may stay single, at similarity 0.

    Args:
        acts_a, acts_b, measure, min_cofirings: as for `correlate`.

    Raises:
        InputError: dense activations of more than 5e8 pairs; else as `correlate`.
    """
    a, b = prepare_pair(acts_a, acts_b)
    correlation = correlate(a, b, measure=measure, top_k=_LIST, min_cofirings=min_cofirings)
    cells = len(a.varying) * len(b.varying)
    if min_cofirings > 1:
        found = _best_allowed(a, b, correlation)
    elif cells <= _FULL_CELLS or correlation.engine.name != "sparse":
        found = _solve_full(a, b, correlation)
    else:
        found = _solve_by_prices(a, b, correlation)
    objective = "the sum of the similarities of all pairs"
    return matching_of(correlation, found.by_a(), method="assignment", objective=objective)


def _solve_full(a: PreparedActs, b: PreparedActs, correlation: Correlation) -> Found:
    from scipy.optimize import linear_sum_assignment  # slow to import

    cells = len(a.varying) * len(b.varying)
    if cells > _DENSE_CELLS:
        raise InputError(
            f"assignment of {len(a.varying)} x {len(b.varying)} dense features needs "
            f"{48 * cells / 2**30:.0f} GiB: use method 'greedy', or fewer features"
        )
    matrix = SimilarityMatrix.of(a, b, correlation)
    return matrix.pairs(*linear_sum_assignment(matrix.values, maximize=True))


def _best_allowed(a: PreparedActs, b: PreparedActs, correlation: Correlation) -> Found:
    pairs = list_pairs(
        a, b, correlation.engine, measure=correlation.measure,
        least=-np.inf if correlation.measure == "euclidean" else 0.0, fewest=correlation.min_cofirings,
        max_pairs=100_000_000,
    )  # fmt: skip
    found = Found(pairs.feature_a, pairs.feature_b, pairs.values, pairs.cofirings)
    return Edges.of([found], (a.shape[1], b.shape[1])).with_singles()


def _solve_by_prices(a: PreparedActs, b: PreparedActs, correlation: Correlation) -> Found:
    shape = (a.shape[1], b.shape[1])
    job = SparseJob(a, b, correlation.measure, threads=available_threads())
    # The greedy pairs see to it that a full matching exists.
    edges = Edges.of(
        [_listed(correlation.a_to_b), _listed(correlation.b_to_a).swapped(), greedy_pairs(a, b, correlation)],
        shape,
    )
    while True:
        found, price_a, price_b = edges.complete()
        excess, indices, counts = best_above_prices(job, price_a, price_b, top_k=_LIST, least=1e-12)
        gap = float(np.maximum(excess[:, 0], 0.0).sum())
        log.info(
            "assignment: sum %.9g over %d candidates, open to %.2g more", found.r.sum(), len(edges.found), gap
        )
        if gap <= _GAP:
            return found
        i, place = np.nonzero(indices >= 0)
        j = indices[i, place]
        breaking = Found(i, j, excess[i, place] + price_a[i] + price_b[j], counts[i, place])
        edges = Edges.of([edges.found, breaking], shape)


def _listed(best: BestPartners) -> Found:
    """Every pair of the lists of best partners."""
    feature, place = np.nonzero(best.indices >= 0)
    return Found(
        feature, best.indices[feature, place], best.values[feature, place], best.cofirings[feature, place]
    )
