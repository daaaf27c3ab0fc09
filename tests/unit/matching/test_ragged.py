"""Lists put end to end: taken, joined, walked through."""

import numpy as np

from congruence.matching import Ragged


def test_lists_are_taken_and_joined():
    lists = [[4, 5], [], [6], [7, 8, 9]]
    ragged = Ragged.of([np.array(one, dtype=np.int64) for one in lists])
    for numbers in ([3, 0], [1], [], [2, 2, 1]):
        taken = ragged.take(np.array(numbers, dtype=np.int64))
        assert [one.tolist() for one in taken] == [lists[n] for n in numbers]
    joined = Ragged.joined([ragged, ragged.take(np.array([2]))])
    assert [one.tolist() for one in joined] == [*lists, [6]]
