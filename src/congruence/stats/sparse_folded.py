"""Best partners among very many features, where most sums are spared by bounds (`kernels_folded`)."""

from congruence.stats.kernels_folded import best_partners_folded
from congruence.stats.kernels_scan import LINEAR
from congruence.stats.layout import Columns, Part
from congruence.stats.sparse_engine import (
    LARGEST_PART,
    Lists,
    SparseJob,
    of_features,
    put_features,
    run_with_lists,
)
from congruence.stats.sparse_scan import search_part

FOLDED_FROM = LARGEST_PART
"""B features above which sums are bounded before they are taken."""

WORTH_IT = 1 << 12
"""Products for each place in a list of B, of which it pays where B would be one part: bounds spare sums once
the lists are well filled, and there is the more to spare the more parts B would be handled in."""

_CELLS_OF_A_COLUMN = 1 << 11


def folds(job: SparseJob, top_k: int) -> bool:
    """Whether it pays, and a bound of what is added up is one of the similarity."""
    features = len(job.b.varying)
    firings = [float(side.moments.firings.sum()) for side in (job.a, job.b)]
    products = firings[0] * firings[1] / job.a.shape[0]
    return (
        features > FOLDED_FROM
        and products * -(-features // LARGEST_PART) >= WORTH_IT * top_k * features
        and job.part_size is None
        and job.features_a is None
        and job.features_b is None
        and job.kind == LINEAR
        and not (job.a.moments.negative or job.b.moments.negative)
    )


def search_folded(job: SparseJob, lists_a: Lists, lists_b: Lists) -> None:
    """Offer every pair that fires together to the lists of both.

    First those that fire often among themselves, then A's others with all of B, at last A's that fire often
    with B's others: what bounds are held against, the k-th best so far, is then high before most is bounded.
    """
    for rows in job.split_groups():
        best_b = of_features(lists_b, rows.features)
        for columns in job.column_groups():
            rare = job.a.fires_rarely(columns.features)
            best_a = of_features(lists_a, columns.features)
            best_rare, best_often = _run(best_a, 0, rare), _run(best_a, rare, len(columns.features))
            columns_rare, columns_often = columns.run(0, rare), columns.run(rare, len(columns.features))
            best_often_b = _run(best_b, 0, rows.often)
            search_part(job, columns_often, rows.part_of_often(), best_often, best_often_b, listing=True)
            _search_bounded(job, columns_rare, (rows.features, rows.of_all), best_rare, best_b)
            _search_bounded(job, columns_often, (rows.features, rows.of_rare), best_often, best_b)
            put_features(lists_a, columns.features, best_a)
        put_features(lists_b, rows.features, best_b)


def _search_bounded(job: SparseJob, columns: Columns, part: Part, best_a: Lists, best_b: Lists) -> None:
    """Offer the pairs of A's columns with B's features in a part."""
    features, arrays = part
    side_a, side_b = job.side_a(columns.features), job.side_b(features)
    threshold = best_b[0][:, -1].copy()

    def work(lo: int, hi: int, own: Lists) -> None:
        best_partners_folded(
            lo, hi, job.fewest, columns.arrays, arrays, side_a, side_b, best_a, own, threshold
        )

    run_with_lists(work, columns, _CELLS_OF_A_COLUMN, job.threads, best_b)


def _run(lists: Lists, start: int, stop: int) -> Lists:
    """Some features' lists, to be written to where they are."""
    values, indices, counts = lists
    return values[start:stop], indices[start:stop], counts[start:stop]
