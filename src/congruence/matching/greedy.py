"""The exact greedy bijection: take the best unmatched pair again and again."""
# ruff: noqa: PLR0917 - numba takes no keyword-only arguments

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit

from congruence.errors import InputError
from congruence.matching.pairs import Found, matching_of
from congruence.matching.registry import MATCHERS
from congruence.records import Matching
from congruence.stats import BestPartners, Correlation, PreparedActs, correlate, prepare_pair
from congruence.stats.correlation import best_partners
from congruence.stats.graph import list_pairs

# Partners listed for each feature in one round, and pairs few enough to be sorted.
_LIST = 16
_SORTED_PAIRS = 400_000


@MATCHERS.register("greedy")
def greedy(
    acts_a: Any,
    acts_b: Any,
    *,
    measure: str = "pearson",
    min_cofirings: int = 1,
    correlation: Correlation | None = None,
) -> Matching:
    """min(f, g) pairs, each the best of those that the pairs before it left; ties to the lowest A, then B.

    Two features that are each other's best among the unmatched belong to the greedy bijection, whatever else
    does. So lists of best partners are walked until no such pair is left, the rest is correlated anew, and
    when few pairs remain they are sorted; of those that never fire together only the best is ever looked at.
    Exact, and no F x G matrix. Son et al. 2025's one-to-one pairing.

    Args:
        acts_a, acts_b, measure, min_cofirings: as for `correlate`.
        correlation: what `correlate` gave for these sides with `top_k` 2 or more, if it was called before; it
            says by which measure and minimum.

    Raises:
        InputError: `correlation` is of other features or tokens; else, and ConfigError, as `correlate`.
    """
    a, b = prepare_pair(acts_a, acts_b)
    if correlation is None:
        correlation = correlate(a, b, measure=measure, top_k=2, min_cofirings=min_cofirings)
    _check_fits(correlation, a, b)
    objective = "at each step the similarity of the best pair left"
    found = greedy_pairs(a, b, correlation)
    return matching_of(correlation, found.by_a(), method="greedy", objective=objective)


def _check_fits(correlation: Correlation, a: PreparedActs, b: PreparedActs) -> None:
    of = (correlation.n, len(correlation.a_to_b), len(correlation.b_to_a))
    if of != (a.shape[0], a.shape[1], b.shape[1]):
        raise InputError(
            f"correlation is of {of[1]} x {of[2]} features over {of[0]} tokens, the activations of "
            f"{a.shape[1]} x {b.shape[1]} over {a.shape[0]}: give the one of these sides"
        )


def greedy_pairs(a: PreparedActs, b: PreparedActs, correlation: Correlation) -> Found:
    """The pairs of the greedy bijection, in no order; `correlation` says by which measure and engine."""
    found = [_walk(correlation.a_to_b, correlation.b_to_a)]
    rest = _Rest(a, b, correlation, a.varying, b.varying).without(found[0])
    while len(rest.features_a) and len(rest.features_b):
        if rest.pairs_to_sort() <= _SORTED_PAIRS:
            found.append(_sort_out(rest))
            break
        found.append(_walk_lists(rest))
        if not len(found[-1]):
            break
        rest = rest.without(found[-1])
    return Found.concatenated(found)


@dataclass(frozen=True)
class _Rest:
    """The features not yet matched."""

    a: PreparedActs
    b: PreparedActs
    correlation: Correlation
    features_a: np.ndarray
    features_b: np.ndarray

    @property
    def measure(self) -> str:
        return self.correlation.measure

    @property
    def silent_known(self) -> bool:
        """Whether firing together can only raise a pair's similarity, and a formula gives the others'."""
        centred = (self.a.scaling(self.measure).centre[self.features_a] != 0).any()
        centred |= (self.b.scaling(self.measure).centre[self.features_b] != 0).any()
        negative = self.a.moments.negative or self.b.moments.negative
        return self.correlation.engine.name == "sparse" and not centred and not negative

    def pairs_to_sort(self) -> float:
        """At most so many pairs would have to be listed to settle the rest."""
        every = float(len(self.features_a)) * len(self.features_b)
        if not self.silent_known:
            return every
        firings_a, firings_b = (
            self.a.moments.firings[self.features_a],
            self.b.moments.firings[self.features_b],
        )
        return min(every, float(firings_a.sum()) * float(firings_b.sum()) / self.a.shape[0])

    def without(self, found: Found) -> "_Rest":
        return replace(
            self,
            features_a=self.features_a[~np.isin(self.features_a, found.feature_a)],
            features_b=self.features_b[~np.isin(self.features_b, found.feature_b)],
        )


def _walk_lists(rest: _Rest) -> Found:
    best_a, best_b = best_partners(
        rest.a, rest.b, rest.correlation.engine, measure=rest.measure, top_k=_LIST,
        min_cofirings=rest.correlation.min_cofirings, features_a=rest.features_a, features_b=rest.features_b,
    )  # fmt: skip
    return _walk(best_a, best_b)


def _walk(best_a: BestPartners, best_b: BestPartners) -> Found:
    feature_a, place = pair_mutual(best_a.indices, best_b.indices)
    return Found(
        feature_a,
        best_a.indices[feature_a, place],
        best_a.values[feature_a, place],
        best_a.cofirings[feature_a, place],
    )


def _sort_out(rest: _Rest) -> Found:
    """List the pairs left, sort them, and take them in order."""
    fewest = rest.correlation.min_cofirings if rest.correlation.min_cofirings > 1 else 0
    by_formula = rest.silent_known
    pairs = list_pairs(
        rest.a, rest.b, rest.correlation.engine, measure=rest.measure, least=-np.inf,
        fewest=max(fewest, int(by_formula)), max_pairs=np.iinfo(np.int64).max, features_a=rest.features_a,
        features_b=rest.features_b,
    )  # fmt: skip
    order = np.lexsort((pairs.feature_b, pairs.feature_a, -pairs.values))
    scaling_a, scaling_b = rest.a.scaling(rest.measure), rest.b.scaling(rest.measure)
    silent = (scaling_a.shift, scaling_a.extra, scaling_b.weight)
    queue_a = queue_b = np.empty(0, np.int64)
    if by_formula and not fewest:
        queue_a = _queue(rest.features_a, scaling_a.shift + scaling_a.extra)
        queue_b = _queue(rest.features_b, scaling_b.weight)
    place, feature_a, feature_b, values = pair_sorted(
        pairs.feature_a[order], pairs.feature_b[order], pairs.values[order], queue_a, queue_b, silent,
        _free(rest.a, rest.features_a), _free(rest.b, rest.features_b), rest.measure == "euclidean",
    )  # fmt: skip
    cofirings = np.zeros(len(place), np.int64)
    cofirings[place >= 0] = pairs.cofirings[order][place[place >= 0]]
    return Found(feature_a, feature_b, values, cofirings)


def _queue(features: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Features, the cheapest first, ties to the lowest index."""
    return features[np.lexsort((features, cost[features]))]


def _free(side: PreparedActs, features: np.ndarray) -> np.ndarray:
    free = np.zeros(side.shape[1], bool)
    free[features] = True
    return free


@njit(cache=True, nogil=True)
def pair_mutual(list_a, list_b):
    """Pair, again and again, features that are each other's best among the unmatched.

    A feature whose list is used up no longer knows its best, and neither takes nor is taken.

    Returns:
        (A features, place of the partner in the feature's list).
    """
    at_a, at_b = np.zeros(len(list_a), np.int64), np.zeros(len(list_b), np.int64)
    free_a, free_b = np.ones(len(list_a), np.bool_), np.ones(len(list_b), np.bool_)
    k = list_a.shape[1]
    changed = True
    while changed:
        changed = False
        for a in range(len(list_a)):
            if not free_a[a]:
                continue
            while at_a[a] < k and list_a[a, at_a[a]] >= 0 and not free_b[list_a[a, at_a[a]]]:
                at_a[a] += 1
            if at_a[a] == k or list_a[a, at_a[a]] < 0:
                continue
            b = list_a[a, at_a[a]]
            while at_b[b] < k and list_b[b, at_b[b]] >= 0 and not free_a[list_b[b, at_b[b]]]:
                at_b[b] += 1
            if at_b[b] < k and list_b[b, at_b[b]] == a:
                free_a[a] = free_b[b] = False
                changed = True
    matched = np.flatnonzero(~free_a)
    return matched, at_a[matched]


@njit(cache=True, nogil=True)
def pair_sorted(pair_a, pair_b, values, queue_a, queue_b, silent, free_a, free_b, root):
    """Take pairs, best first, from a sorted list and from those that never fire together.

    Args:
        pair_a, pair_b, values: listed pairs, by descending value, then A, then B.
        queue_a, queue_b: the features, those whose silent pairs are best first; empty to take listed pairs
            only.
        silent: (shift of A, extra of A, weight of B); two that never fire together have the similarity
            -shift * weight - extra, or minus the root of its negative where `root`. Firing together raises
            it, so the best silent pair left is that of the heads of both queues, if any silent pair is best.
        free_a, free_b: bool; features are marked as they are taken.

    Returns:
        Places in the list, or -1 for a silent pair; A features; B features; values.
    """
    shift, extra, weight = silent
    size = min(free_a.sum(), free_b.sum())
    place, taken_a, taken_b = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    reached = np.empty(size)
    p = head_a = head_b = count = a = b = 0
    while count < size:
        while p < len(values) and not (free_a[pair_a[p]] and free_b[pair_b[p]]):
            p += 1
        while head_a < len(queue_a) and not free_a[queue_a[head_a]]:
            head_a += 1
        while head_b < len(queue_b) and not free_b[queue_b[head_b]]:
            head_b += 1
        best = -np.inf
        if head_a < len(queue_a) and head_b < len(queue_b):
            a, b = queue_a[head_a], queue_b[head_b]
            best = (0.0 - shift[a] * weight[b]) - extra[a]
            best = -np.sqrt(-best) if root else best
        listed = p < len(values) and (
            values[p] > best or (values[p] == best and (pair_a[p], pair_b[p]) < (a, b))
        )
        if listed:
            a, b, best = np.int64(pair_a[p]), np.int64(pair_b[p]), values[p]
        elif best == -np.inf:
            break
        place[count], taken_a[count], taken_b[count], reached[count] = p if listed else -1, a, b, best
        free_a[a] = free_b[b] = False
        count += 1
    return place[:count], taken_a[:count], taken_b[:count], reached[:count]
