"""`correlate` against the slow, obvious computation, for every measure, engine and awkward input."""

import numpy as np
import pytest
from scipy import sparse

from congruence.stats import correlate, correlation_graph, full_correlation
from slow_similarity import MEASURES, check_best, random_acts, slow_cofirings, slow_similarity

ENGINES = ("sparse", "dense")


def _two_sides(seed: int, n: int, density: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, b = random_acts(rng, n, 70, density), random_acts(rng, n, 90, density)
    a[:, 1], b[:, 2], a[:, 4] = 3.0, 0.0, 0.0
    a[:, 5] = 1 + 1e-3 * rng.normal(size=n)
    a[:, 6] = b[:, 6]
    b[:, 7] = b[:, 6]
    return a, b


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("n", "density"), [(2, 0.5), (60, 0.08), (400, 0.3), (500, 0.7)])
def test_both_directions_match_the_slow_way(measure, engine, n, density):
    a, b = _two_sides(0, n, density)
    values, cofirings = slow_similarity(a, b, measure), slow_cofirings(a, b)
    for fewest, block_size in ((1, None), (3, 17)):
        found = correlate(
            sparse.csr_array(a), sparse.csr_array(b), measure=measure, engine=engine, top_k=3,
            min_cofirings=fewest, block_size=block_size,
        )  # fmt: skip
        check_best(found.a_to_b, values, cofirings, top_k=3, fewest=fewest)
        check_best(found.b_to_a, values.T, cofirings.T, top_k=3, fewest=fewest)
    np.testing.assert_allclose(full_correlation(a, b, measure=measure, engine=engine), values, atol=2e-6)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("measure", MEASURES)
def test_graph_holds_exactly_the_pairs_above_its_threshold(measure, engine):
    a, b = _two_sides(1, 300, 0.2)
    values, cofirings = slow_similarity(a, b, measure), slow_cofirings(a, b)
    threshold = float(np.nanquantile(values, 0.9)) + 1e-5
    graph = correlation_graph(a, b, threshold=threshold, measure=measure, engine=engine, min_cofirings=2)
    wanted = (values >= threshold) & (cofirings >= 2)
    listed = graph.values.tocoo()
    assert set(zip(*listed.coords, strict=True)) == set(zip(*np.nonzero(wanted), strict=True))
    np.testing.assert_allclose(listed.data, values[listed.coords], atol=2e-6)
    np.testing.assert_array_equal(graph.cofirings.data, cofirings[listed.coords])


def _awkward(n: int, rng: np.random.Generator) -> np.ndarray:
    """Huge means, tiny variances, constants, single firings, features that always fire, values 1e-6 to 1e6."""
    once = np.zeros(n)
    once[n // 2] = 1e-6
    twice = np.zeros(n)
    twice[[0, n - 1]] = 1e6, 1e-6
    z = rng.normal(size=(n, 6))
    fires = rng.random((n, 4)) < np.array([0.02, 0.5, 0.51, 0.99])
    columns = [
        1e6 + 1e-3 * z[:, 0], 1e6 + 1e-3 * z[:, 0] + 1e-3 * z[:, 1], 1e-6 * (1 + 1e-3 * z[:, 2]), -1e6 + z[:, 3],
        np.full(n, 0.1), np.zeros(n), once, 2 * once, twice, 10.0 ** rng.uniform(-6, 6, n), 1e6 * np.exp(z[:, 4]),
        fires[:, 0] * 10.0 ** rng.uniform(-6, 6, n), fires[:, 1] * 1e6, fires[:, 2] * 1e-6,
        fires[:, 3] * (1e6 + z[:, 5]), 1.0 - fires[:, 3], np.arange(n) * 1e-6, np.arange(n) % 2,
    ]  # fmt: skip
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n", [2, 3, 50, 3000])
def test_awkward_inputs_are_within_1e_5_of_numpy(engine, n):
    rng = np.random.default_rng(n)
    a = _awkward(n, rng)
    b = np.concatenate([_awkward(n, rng), a[:, ::-1]], axis=1)
    values, cofirings = slow_similarity(a, b, "pearson"), slow_cofirings(a, b)
    np.testing.assert_allclose(full_correlation(a, b, engine=engine), values, atol=1e-5)
    found = correlate(sparse.csr_array(a), sparse.csr_array(b), engine=engine, top_k=4)
    check_best(found.a_to_b, values, cofirings, top_k=4, atol=1e-5)
    check_best(found.b_to_a, values.T, cofirings.T, top_k=4, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_long_sums_of_equal_products_do_not_drift(engine):
    # Rounding in one direction only: float32 sums of a million equal products are off by 1e-3.
    n = 200_000
    fires = np.random.default_rng(0).random((n, 1)) < 0.45
    other = np.roll(fires, 1, axis=0)
    acts = np.concatenate([fires, other], axis=1).astype(np.float32)
    found = full_correlation(acts, acts, engine=engine)
    np.testing.assert_allclose(
        found, np.corrcoef(acts.T.astype(float)), atol=2e-7 if engine == "sparse" else 5e-6
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_a_feature_with_only_negative_correlations_gets_its_best(engine):
    # B 0 never fires with A 0 and B 1 always does, but seldom: r(0, 0) = -n m m' / .. is the greater.
    a, b = np.zeros((12, 1)), np.zeros((12, 2))
    a[:6, 0] = 1
    b[6:8, 0] = 1
    b[5:, 1] = 1
    found = correlate(sparse.csr_array(a), sparse.csr_array(b), top_k=2, engine=engine)
    values = slow_similarity(a, b, "pearson")
    assert (values < 0).all()
    check_best(found.a_to_b, values, slow_cofirings(a, b), top_k=2)
    assert found.indices.tolist() == [[0, 1]]
    assert found.cofirings.tolist() == [[0, 1]]


@pytest.mark.parametrize("engine", ENGINES)
def test_ties_go_to_the_lowest_index(engine):
    rng = np.random.default_rng(0)
    a = random_acts(rng, 200, 5, 0.2)
    b = np.concatenate([3 * a, a, a * 0.1, a], axis=1)
    found = correlate(sparse.csr_array(a), sparse.csr_array(b), top_k=4, engine=engine)
    np.testing.assert_array_equal(found.indices, np.arange(5)[:, None] + 5 * np.arange(4))
    np.testing.assert_array_equal(found.b_to_a.indices[:, 0], np.tile(np.arange(5), 4))


def test_graph_refuses_to_outgrow_its_limit():
    a, b = _two_sides(2, 100, 0.3)
    with pytest.raises(ValueError, match="max_pairs"):
        correlation_graph(a, b, threshold=-1.0, max_pairs=1000)


def _random_column(rng: np.random.Generator, n: int) -> np.ndarray:
    z, size = rng.normal(size=n), 10.0 ** rng.integers(-6, 7)
    fires = rng.random(n) < rng.choice([0.001, 0.02, 0.3, 0.49, 0.5, 0.51, 0.9, 0.999])
    once = np.zeros(n)
    once[rng.integers(n)] = size * rng.choice([-1, 1])
    kinds = [
        1e6 + 1e-3 * z, np.full(n, size), once, size * fires, size * fires * np.exp(3 * z),
        fires * 10.0 ** rng.uniform(-6, 6, n), size * (1 + 1e-7 * z), -size * fires * np.abs(z), size * z,
        np.where(fires, 1e6 + 1e-3 * z, 1e6), size + once, np.where(fires, size * (1 + 1e-9 * z), 0),
    ]  # fmt: skip
    return kinds[rng.integers(len(kinds))]


def _twice_centred(acts: np.ndarray) -> np.ndarray:
    wide = acts.astype(np.longdouble)
    wide = wide - wide.mean(axis=0)
    wide = wide - wide.mean(axis=0)
    with np.errstate(invalid="ignore"):
        return wide / np.sqrt((wide * wide).sum(axis=0))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(12))
def test_random_awkward_columns_are_within_1e_5(engine, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.choice([2, 3, 40, 300, 5000]))
    a = np.stack([_random_column(rng, n) for _ in range(15)], axis=1)
    b = np.concatenate([np.stack([_random_column(rng, n) for _ in range(15)], axis=1), 3 * a], axis=1)
    values = (_twice_centred(a).T @ _twice_centred(b)).astype(float)
    values[(a == a[:1]).all(axis=0)] = np.nan
    values[:, (b == b[:1]).all(axis=0)] = np.nan
    found = full_correlation(sparse.csr_array(a), sparse.csr_array(b), engine=engine)
    np.testing.assert_allclose(found, values, atol=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_great_value_does_not_swallow_many_small_ones(engine):
    # One token makes r, 5,000 others each add 2e-8 of it: float32 sums begun at that token lose them all.
    acts = np.full((5_000, 1), 1.0)
    acts[::2] = -1.0
    acts[0] = 7_000.0
    assert full_correlation(acts, acts, engine=engine)[0, 0] == pytest.approx(1.0, abs=1e-5)
