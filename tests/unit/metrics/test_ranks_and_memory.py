"""Ranks in the place of values, in buckets or at once; and measures that say what memory they need."""

import sys

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import rankdata, spearmanr

from congruence.errors import InputError
from congruence.metrics import METRICS, Measure, base, ranks
from congruence.metrics.ranks import CROWDED, PackedValues, centred_ranks, packed, sort_packed
from congruence.metrics.rdm import square

RSA = sys.modules["congruence.metrics.rsa"]  # the package has a function of that name
RNG = np.random.default_rng(0)
VALUES = {
    "different": RNG.normal(size=3000),
    "rounded": np.round(RNG.normal(size=3000), 1),
    "equal": np.zeros(3000),
    "many equal": np.concatenate([np.zeros(2000), RNG.normal(size=1000)]),
    "a few apart": np.concatenate([np.zeros(2990), np.arange(1, 11.0)]),
    "below zero": -RNG.exponential(size=3000) * 1e9,
}


def ranked(values, tie=0.0):
    """As very many values are ranked, put where they belong in two parts."""
    low = float(values.min())
    held = PackedValues(len(values), low, max(float(values.max()) - low, 1.0))
    parts = [(start, values[start : start + 700]) for start in range(0, len(values), 700)]
    seen = [held.put(start, part) for start, part in parts]
    assert (min(least for least, _ in seen), max(most for _, most in seen)) == (low, values.max())
    return held.centred_ranks(tie=tie)


@pytest.mark.parametrize("name", VALUES)
def test_ranks_take_the_place_of_their_values(name):
    values = VALUES[name].copy()
    found = centred_ranks(values)
    assert np.shares_memory(found, values)
    np.testing.assert_array_equal(found, 2 * rankdata(VALUES[name]) - 3001)


@pytest.mark.bits
@pytest.mark.parametrize("count", [1, 2, 3, CROWDED, 31, 32, 33, 1000, 3000])
@pytest.mark.parametrize("name", VALUES)
def test_buckets_put_packed_values_in_order_however_they_lie(name, count):
    keys, _ = packed(VALUES[name][-count:], max(count - 1, 1).bit_length())
    found = np.empty_like(keys)
    sort_packed(keys, found)
    np.testing.assert_array_equal(found, np.sort(keys))


@pytest.mark.bits
@pytest.mark.parametrize("bucket", [100, 1000, 10**6])
@pytest.mark.parametrize("name", VALUES)
def test_ranks_are_exact_however_many_are_sorted_at_a_time(name, bucket, monkeypatch):
    monkeypatch.setattr(ranks, "BUCKET", bucket)
    np.testing.assert_array_equal(ranked(VALUES[name]), 2 * rankdata(VALUES[name]) - 3001)


@pytest.mark.parametrize("bucket", [50, 10**6])
def test_values_that_differ_by_rounding_tie_across_every_cut(bucket, monkeypatch):
    monkeypatch.setattr(ranks, "BUCKET", bucket)
    steps = np.repeat(np.arange(40.0), 25)
    noisy = steps + 1e-14 * RNG.normal(size=1000)
    np.testing.assert_array_equal(ranked(noisy, tie=1e-11), 2 * rankdata(steps) - 1001)
    np.testing.assert_array_equal(centred_ranks(noisy, tie=1e-11), 2 * rankdata(steps) - 1001)


def test_many_distances_that_lie_close_together_are_told_apart(monkeypatch):
    """Within a hundred-millionth of the largest distance that there could be: in finer steps."""
    monkeypatch.setattr(RSA, "BUCKET", 64)
    directions = RNG.normal(size=(31, 6))
    x = np.array([3.0, -1, 2, 0, 1, -2]) + 1e-4 * directions
    prepared = METRICS.get("rsa").prepare(x, directions, rdm="cosine")
    distances = pdist(x, "cosine")
    assert distances.max() < 1e-7
    agrees = spearmanr(prepared.triangle, distances).statistic
    assert agrees > 1 - 1e-6


@pytest.mark.parametrize("compare", ["spearman", "pearson", "kendall"])
@pytest.mark.parametrize("few", [True, False], ids=["eight bytes", "four bytes"])
def test_both_sides_hold_the_distances_of_their_rows(compare, few, monkeypatch):
    monkeypatch.setattr(RSA, "SINGLE", 10**9 if few else 1)
    for module in (ranks, RSA):
        monkeypatch.setattr(module, "BUCKET", 10**6 if few else 64)
    x, y = RNG.normal(size=(31, 6)), RNG.normal(size=(31, 5))
    prepared = METRICS.get("rsa").prepare(x, y, rdm="euclidean", compare=compare)
    a, b = pdist(x), pdist(y)
    if compare != "pearson":
        a, b = 2 * rankdata(a) - len(a) - 1, 2 * rankdata(b) - len(b) - 1
    else:
        a, b = a - a.mean(), b - b.mean()
    np.testing.assert_allclose(prepared.triangle, a, rtol=1e-6, atol=1e-6)
    other = {"spearman": "other", "pearson": "other", "kendall": "square"}[compare]
    wanted = b if compare == "spearman" and not few else square(b, 31)
    np.testing.assert_allclose(getattr(prepared, other), wanted, rtol=1e-6, atol=1e-6)
    assert prepared.triangle.base is None or prepared.triangle.base.nbytes <= prepared.triangle.nbytes + 8
    if compare == "spearman":
        assert float(prepared.observed()) == pytest.approx(spearmanr(pdist(x), pdist(y)).statistic)


@pytest.mark.parametrize("n", [2, 3, 4, 257, 600])
def test_a_triangle_unfolds_in_place(n):
    full = RNG.integers(1, 9, size=(n, n)).astype(np.int32)
    full = np.triu(full, 1) + np.triu(full, 1).T
    np.testing.assert_array_equal(square(full[np.triu_indices(n, 1)], n), full)


@pytest.mark.parametrize("name", ["rsa", "rbf_cka", "linear_cka", "translation_accuracy", "mutual_knn"])
def test_what_does_not_fit_is_said_before_it_is_begun(name, monkeypatch):
    measure = METRICS.get(name).bind()
    monkeypatch.setattr(base, "ALWAYS_THERE", 0)
    monkeypatch.setattr(base, "available_bytes", lambda: 1000)
    x = RNG.normal(size=(40, 5))
    with pytest.raises(InputError, match=rf"{name} of 40 pairs needs about .* GiB of memory, .* available"):
        measure.prepare(x, x)
    assert measure.memory(20_000, 5, 5) > measure.memory(40, 5, 5)


def test_memory_that_runs_out_on_the_way_is_the_measure_s_own_error(monkeypatch):
    def no_room(*_, **__):
        return np.empty(10**17)

    monkeypatch.setattr(RSA, "condensed", no_room)
    x = RNG.normal(size=(40, 5))
    with pytest.raises(InputError, match="rsa of 40 pairs needs about"):
        METRICS.get("rsa")(x, x)


@pytest.mark.parametrize("metric", [m for m in METRICS if m not in ("plugin_measure",)])
def test_every_measure_tells_a_need_that_grows_with_the_pairs(metric):
    measure: Measure = METRICS.get(metric).bind()
    assert 0 < measure.memory(100, 8, 6) < measure.memory(1000, 8, 6)
