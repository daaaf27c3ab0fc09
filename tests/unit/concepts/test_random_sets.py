"""Random sets of features: distinct, of one size, every set as likely as any other; lists put end to end."""

import numpy as np
from scipy.stats import chisquare

from congruence.concepts.ragged import Ragged
from congruence.concepts.random_sets import random_sets


def test_every_set_is_equally_likely():
    pool = np.array([2, 3, 5, 7, 11])
    sets = random_sets(pool, 2, 20_000, np.random.default_rng(0))
    assert (sets.lengths == 2).all()
    assert (pool == [2, 3, 5, 7, 11]).all()
    drawn = np.sort(sets.values.reshape(-1, 2), axis=1)
    kinds, counts = np.unique(drawn, axis=0, return_counts=True)
    assert len(kinds) == 10
    assert (kinds[:, 0] < kinds[:, 1]).all()
    assert chisquare(counts).pvalue > 1e-3


def test_a_set_can_be_the_whole_pool_and_no_more():
    for size in (4, 9):
        sets = random_sets(np.arange(4), size, 3, np.random.default_rng(1))
        assert [sorted(one.tolist()) for one in sets] == [[0, 1, 2, 3]] * 3
    assert random_sets(np.arange(0), 2, 3, np.random.default_rng(1)).lengths.tolist() == [0, 0, 0]


def test_lists_are_taken_and_joined():
    lists = [[4, 5], [], [6], [7, 8, 9]]
    ragged = Ragged.of([np.array(one, dtype=np.int64) for one in lists])
    for numbers in ([3, 0], [1], [], [2, 2, 1]):
        taken = ragged.take(np.array(numbers, dtype=np.int64))
        assert [one.tolist() for one in taken] == [lists[n] for n in numbers]
    joined = Ragged.joined([ragged, ragged.take(np.array([2]))])
    assert [one.tolist() for one in joined] == [*lists, [6]]
