"""Random subsets: distinct, of one size, every set as likely as any other, each draw by its own number."""

import numpy as np
from scipy.stats import chisquare

from congruence.nulls import subsets_for


def test_every_set_is_equally_likely():
    pool = np.array([2, 3, 5, 7, 11])
    drawn = subsets_for(0, np.arange(20_000), pool, 2)
    assert (pool == [2, 3, 5, 7, 11]).all()
    kinds, counts = np.unique(np.sort(drawn, axis=1), axis=0, return_counts=True)
    assert len(kinds) == 10
    assert (kinds[:, 0] < kinds[:, 1]).all()
    assert chisquare(counts).pvalue > 1e-3


def test_a_set_can_be_the_whole_pool_and_no_more():
    for size in (4, 9):
        sets = subsets_for(1, np.arange(3), np.arange(4), size)
        assert np.sort(sets, axis=1).tolist() == [[0, 1, 2, 3]] * 3
    assert subsets_for(1, np.arange(3), np.arange(0), 2).shape == (3, 0)


def test_a_draw_depends_on_its_number_alone():
    pool = np.arange(100, 140)
    many = subsets_for(7, np.arange(50), pool, 9)
    for numbers in ([3], [40, 2, 17], list(range(20, 30))):
        assert (subsets_for(7, np.array(numbers), pool, 9) == many[numbers]).all()
    assert (subsets_for(8, np.arange(50), pool, 9) != many).any()
