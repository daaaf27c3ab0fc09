"""Intervals by document."""

import numpy as np
import pytest

from congruence.errors import InputError
from congruence.significance import bootstrap_interval, rows_taken


def test_interval_of_a_mean_is_the_normal_one():
    values = np.random.default_rng(0).normal(size=400)
    found = bootstrap_interval(lambda times: np.average(values, weights=times), 400, draws=2000, rng=1)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.08)


def test_documents_are_taken_whole():
    offsets = [0, 3, 4, 8]
    assert rows_taken(np.array([0, 2, 1]), offsets).tolist() == [3, 3, 4, 5, 6, 7]
    sizes = bootstrap_interval(lambda times: len(rows_taken(times, offsets)), 3, draws=200, rng=0)
    assert set(sizes.scores) <= {a * 3 + b + c * 4 for a in range(4) for b in range(4) for c in range(4)}


def test_nan_resamples_are_left_out():
    found = bootstrap_interval(lambda times: np.nan if times[0] == 0 else 1.0, 5, draws=50, rng=0)
    assert (found.low, found.high) == (1.0, 1.0)
    with pytest.raises(InputError, match="NaN on every resample"):
        bootstrap_interval(lambda times: np.nan, 5, draws=5, rng=0)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"documents": 1}, "documents=1"),
        ({"draws": 0}, "draws=0"),
        ({"level": 1.0}, "level=1.0"),
        ({"rng": None}, "pass a seed"),
    ],
)
def test_bad_arguments(arguments, match):
    with pytest.raises(InputError, match=match):
        bootstrap_interval(lambda times: 0.0, **{"documents": 5, "draws": 5, "rng": 0, **arguments})
