"""The one rule by which pairs become 1-to-1: against the plain way, and where it is used."""

import numpy as np
import pytest

from congruence.errors import ConfigError
from congruence.matching import one_of_each


def plain(a, b, r, keep):
    order = np.argsort(-r, kind="stable") if keep == "best" else range(len(r))
    kept, seen_a, seen_b = np.zeros(len(r), bool), set(), set()
    for pair in order:
        if a[pair] not in seen_a and b[pair] not in seen_b:
            kept[pair] = True
            seen_a.add(a[pair])
            seen_b.add(b[pair])
    return kept


@pytest.mark.parametrize("keep", ["best", "first"])
@pytest.mark.parametrize("seed", range(5))
def test_one_of_each_is_the_plain_rule(keep, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 30, 80), rng.integers(0, 25, 80)
    r = np.round(rng.normal(size=80), 1)  # ties
    r[3] = np.nan
    found = one_of_each(a, b, r, keep=keep)
    np.testing.assert_array_equal(found, plain(a, b, r, keep))
    assert len(np.unique(a[found])) == len(np.unique(b[found])) == found.sum()


def test_ties_go_to_the_first_and_nothing_gives_nothing():
    same = np.array([0.5, 0.5])
    assert one_of_each(np.array([1, 1]), np.array([2, 3]), same, keep="best").tolist() == [True, False]
    empty = np.empty(0, np.int64)
    assert one_of_each(empty, empty, np.empty(0), keep="first").tolist() == []


def test_another_rule_is_refused():
    with pytest.raises(ConfigError, match="'best' or 'first'"):
        one_of_each(np.array([1]), np.array([2]), np.array([0.1]), keep="last")
