"""Matchers on a graph of the pairs above a threshold: exact among the pairs listed."""

import numpy as np
from scipy import sparse

from congruence.matching.best import mutual_best
from congruence.matching.edges import Edges
from congruence.matching.greedy import pair_sorted
from congruence.matching.pairs import Found, matching_of
from congruence.records import Matching
from congruence.stats import BestPartners, Correlation, CorrelationGraph


def correlation_of(graph: CorrelationGraph, top_k: int = 2) -> Correlation:
    """The best partners that reach the graph's threshold."""
    return Correlation(
        a_to_b=_best(graph.values, graph.cofirings, top_k),
        b_to_a=_best(graph.values.T.tocsr(), graph.cofirings.T.tocsr(), top_k),
        moments_a=graph.moments_a,
        moments_b=graph.moments_b,
        measure=graph.measure,
        min_cofirings=graph.min_cofirings,
        engine=graph.engine,
    )


def greedy_from_graph(graph: CorrelationGraph) -> Matching:
    """The pairs of the greedy bijection whose similarity reaches the threshold."""
    listed = _pairs(graph)
    listed = listed.select(np.lexsort((listed.feature_b, listed.feature_a, -listed.r)))
    nobody, nothing = np.empty(0, np.int64), np.empty(0)
    free_a, free_b = np.ones(len(graph.moments_a), bool), np.ones(len(graph.moments_b), bool)
    place, *_ = pair_sorted(
        listed.feature_a.astype(np.int32), listed.feature_b.astype(np.int32), listed.r, nobody, nobody,
        (nothing, nothing, nothing), free_a, free_b, False,
    )  # fmt: skip
    objective = "at each step the similarity of the best pair left above the threshold"
    found = listed.select(place).by_a()
    return matching_of(correlation_of(graph), found, method="greedy", objective=objective)


def assignment_from_graph(graph: CorrelationGraph) -> Matching:
    """The one-to-one pairs of greatest total similarity; features may stay single, at similarity 0."""
    shape = len(graph.moments_a), len(graph.moments_b)
    found = Edges.of([_pairs(graph)], shape).with_singles()
    objective = "the sum of similarities of pairs above the threshold"
    return matching_of(correlation_of(graph), found.by_a(), method="assignment", objective=objective)


def mutual_best_from_graph(graph: CorrelationGraph) -> Matching:
    """Pairs above the threshold whose features are each other's best."""
    return mutual_best(correlation_of(graph))


def _pairs(graph: CorrelationGraph) -> Found:
    listed = graph.values.tocoo()
    feature_a, feature_b = (part.astype(np.int64) for part in listed.coords)
    return Found(feature_a, feature_b, listed.data, graph.cofirings.data.astype(np.int64))


def _best(values: sparse.csr_array, cofirings: sparse.csr_array, top_k: int) -> BestPartners:
    similarity: np.ndarray = values.data
    row = np.repeat(np.arange(len(values.indptr) - 1), np.diff(values.indptr))
    order = np.lexsort((values.indices, -similarity, row))
    place = np.arange(len(order)) - values.indptr[row]
    kept = place < top_k
    at, order = (row[kept], place[kept]), order[kept]
    shape = (len(values.indptr) - 1, top_k)
    best = BestPartners(np.full(shape, np.nan), np.full(shape, -1, np.int64), np.zeros(shape, np.int64))
    best.values[at], best.indices[at] = similarity[order], values.indices[order]
    best.cofirings[at] = cofirings.data[order]
    return best
