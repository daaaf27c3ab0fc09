"""Which pairs would improve on given prices of features: the oracle of an exact assignment."""

import numpy as np

from congruence.stats.kernels_scan import best_reduced
from congruence.stats.layout import Columns, Part
from congruence.stats.sparse_engine import (
    Lists,
    SparseJob,
    empty_lists,
    of_features,
    put_features,
    run_chunks,
)

Prices = tuple[np.ndarray, np.ndarray]
"""(f,) of A's features and (g,) of B's."""


def best_above_prices(
    job: SparseJob, price_a: np.ndarray, price_b: np.ndarray, *, top_k: int, least: float
) -> Lists:
    """For each A feature the B features whose similarity exceeds the sum of both prices most.

    Args:
        job: the sides and the measure.
        price_a, price_b: (f,) and (g,).
        top_k: B features to list for each A feature.
        least: smallest excess that is listed.

    Returns:
        (excess, indices, co-firings), each (f, top_k), best first; index -1 where there is no further one.
    """
    lists = empty_lists(job.a.shape[1], top_k)
    for rows in job.row_groups():
        for columns in job.column_groups():
            own = of_features(lists, columns.features)
            for i in range(len(rows)):
                _offer_part(job, columns, rows.part(i), (price_a, price_b), own, least=least)
            put_features(lists, columns.features, own)
    return lists


def _offer_part(
    job: SparseJob, columns: Columns, part: Part, prices: Prices, own: Lists, *, least: float
) -> None:
    features, rows = part
    side_a, side_b = job.side_a(columns.features), job.side_b(features)
    of_pair = prices[0][columns.features], prices[1][features]
    root = job.measure == "euclidean"

    def work(lo: int, hi: int, _: int) -> None:
        best_reduced(lo, hi, job.kind, root, least, columns.arrays, rows, side_a, side_b, of_pair, *own)

    run_chunks(work, columns, len(features), job.threads)
