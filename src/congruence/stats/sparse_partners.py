"""The best partners of every feature, both ways, from the co-activations."""

from dataclasses import replace

import numpy as np

from congruence.stats.kernels_scan import DISTANCE
from congruence.stats.prepared import PreparedActs
from congruence.stats.records import BestPartners
from congruence.stats.sparse_engine import (
    Lists,
    SparseJob,
    empty_lists,
    put_features,
    record,
)
from congruence.stats.sparse_folded import folds, search_folded
from congruence.stats.sparse_scan import search


def sparse_best_partners(job: SparseJob, top_k: int) -> tuple[BestPartners, BestPartners]:
    """The `top_k` best partners of every feature, both ways, in one pass over the co-activations.

    Where few of the pairs ever fire together, only those are looked at; a feature that ends without `top_k`
    partners better than any silent pair could be is then held against everybody.

    Memory, in bytes, for n tokens, f and g features and t threads: 8 (entries_a + f) + 6 entries_b + 8 n
    (2 + g / part_size) + 24 k (f + g) + t part_size (26 + 24 k), entries counting what fires and, for
    features that fire on more than half of the tokens, every token; and 80 (f + g) for the moments.
    """
    lists_a = empty_lists(job.a.shape[1], top_k)
    lists_b = empty_lists(job.b.shape[1], top_k)
    listing = _few_pairs_touch(job, top_k)
    if listing and folds(job, top_k):
        search_folded(job, lists_a, lists_b)
    else:
        search(job, lists_a, lists_b, listing=listing)
    if listing and not job.fewest:
        _settle_silent(job, lists_a, lists_b)
    return record(lists_a, job.measure), record(lists_b, job.measure)


def _few_pairs_touch(job: SparseJob, top_k: int) -> bool:
    """Whether touched pairs alone should fill the lists: one firing meets several times `top_k` others."""
    fires_a_token = min(side.moments.firings.sum() / side.shape[0] for side in (job.a, job.b))
    return job.kind != DISTANCE and 4 * top_k <= fires_a_token


def _settle_silent(job: SparseJob, lists_a: Lists, lists_b: Lists) -> None:
    """Take anew the partners of features to whose lists a pair that never fires together might belong.

    Such a pair has the similarity -shift_a weight_b - extra_a, at most that of the least or greatest partner.
    """
    shift, weight = job.a.scaling(job.measure).shift, job.b.scaling(job.measure).weight
    order_a = job.a.varying if job.features_a is None else job.features_a
    order_b = job.b.varying if job.features_b is None else job.features_b
    open_a = order_a[_may_be_silent(lists_a, order_a, shift, weight[order_b])]
    open_b = order_b[_may_be_silent(lists_b, order_b, weight, shift[order_a])]
    if len(open_a):
        _empty(lists_a, open_a)
        search(replace(job, features_a=open_a), lists_a, _closed(job.b, lists_a), listing=False)
    if len(open_b):
        _empty(lists_b, open_b)
        search(replace(job, features_b=open_b), _closed(job.a, lists_b), lists_b, listing=False)


def _may_be_silent(lists: Lists, features: np.ndarray, own: np.ndarray, others: np.ndarray) -> np.ndarray:
    if not len(others):
        return np.zeros(len(features), bool)
    greatest = np.maximum(-own[features] * others.min(), -own[features] * others.max())
    return ~(lists[0][features, -1] > greatest)


def _empty(lists: Lists, features: np.ndarray) -> None:
    put_features(lists, features, empty_lists(len(features), lists[0].shape[1]))


def _closed(side: PreparedActs, lists: Lists) -> Lists:
    """Lists of a side that take no partner."""
    values, indices, counts = empty_lists(side.shape[1], lists[0].shape[1])
    return np.full_like(values, np.inf), indices, counts
