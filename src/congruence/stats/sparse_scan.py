"""Adding up A's columns with parts of B's features, and offering the pairs to the lists of both."""

import numpy as np

from congruence.stats.kernels_scan import best_partners
from congruence.stats.layout import Columns, Part
from congruence.stats.sparse_engine import (
    Lists,
    SparseJob,
    of_features,
    padded,
    put_features,
    run_with_lists,
)


def search(job: SparseJob, lists_a: Lists, lists_b: Lists, *, listing: bool) -> None:
    """Offer every pair, or every pair that fires together where `listing`, to the lists of both."""
    for parts in job.part_groups():
        for columns in job.column_groups():
            best_a = of_features(lists_a, columns.features)
            for part in parts:
                best_b = of_features(lists_b, part[0])
                search_part(job, columns, part, best_a, best_b, listing=listing)
                put_features(lists_b, part[0], best_b)
            put_features(lists_a, columns.features, best_a)


def search_part(
    job: SparseJob, columns: Columns, part: Part, best_a: Lists, best_b: Lists, *, listing: bool
) -> None:
    """Offer the pairs of A's columns with one part of B's features."""
    features, arrays = part
    side_a, side_b = job.side_a(columns.features), job.side_b(features)
    threshold = padded(best_b[0][:, -1], np.inf)
    fires_a_token = float(job.b.moments.firings[features].sum() / job.b.shape[0])
    centred = np.flatnonzero(job.b.scaling(job.measure).centre[features] != 0).astype(np.uint32)
    how = (fires_a_token if listing else np.inf, centred)

    def work(lo: int, hi: int, own: Lists) -> None:
        best_partners(
            lo, hi, job.kind, job.fewest, columns.arrays, arrays, side_a, side_b, best_a, own,
            threshold, how,
        )  # fmt: skip

    run_with_lists(work, columns, len(threshold), job.threads, best_b)
