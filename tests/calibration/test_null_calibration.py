"""Under a null p is uniform; the law of pc1_correlation's null; planted structure is found.

Scores of neighbours and retrieval take few values, so ties are broken at random before a uniform law is
asked for: (b + U(1 + ties)) / (1 + m), b the draws above. The reported p is the largest of these.
"""

import numpy as np
import pytest
from scipy import stats

from congruence import metrics
from congruence.metrics import METRICS
from congruence.metrics.pc1 import null_law
from congruence.significance import permutation_test, permutations_for

PAIRED = [name for name in METRICS.names() if METRICS.get(name).laws.pairing]
OPTIONS = {"mutual_knn": {"k": 4}, "jaccard_knn": {"k": 4}}
QUICK, FULL = 120, 500
every_measure = pytest.mark.parametrize("name", PAIRED)


def unrelated(number, n=30, d_a=6, d_b=8):
    """Independent sides with a steep spectrum, heavy-tailed columns and an offset."""
    rng = np.random.default_rng([11, number])
    x = rng.normal(size=(n, d_a)) * 0.7 ** np.arange(d_a) + 0.5
    return x, rng.standard_t(4, size=(n, d_b)) * 0.8 ** np.arange(d_b)


def randomised(test, rng):
    """An exactly uniform p under the null, from a test whose ties count half by chance."""
    tie = 1e-11
    above = int((test.scores > test.observed + tie).sum())
    ties = int((np.abs(test.scores - test.observed) <= tie).sum())
    return (above + rng.uniform() * (1 + ties)) / (1 + test.draws)


def p_values(name, count, draws=99, **options):
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        x, y = unrelated(number)
        if METRICS.get(name).laws.same_width:
            y = y[:, : x.shape[1]]
        test = permutation_test(name, x, y, draws=draws, rng=number, **{**OPTIONS.get(name, {}), **options})
        found.append(randomised(test, rng))
    return np.array(found)


def uniform(p):
    return stats.kstest(p, "uniform").pvalue


@every_measure
def test_p_is_uniform_under_re_pairing(name):
    assert uniform(p_values(name, QUICK)) > 1e-3


@pytest.mark.slow
@every_measure
def test_p_is_uniform_under_re_pairing_over_500_data_sets(name):
    assert uniform(p_values(name, FULL, draws=199)) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rsa", "pc1_correlation", "linear_cka", "translation_accuracy", "svcca"])
def test_p_is_uniform_under_firing_rate(name):
    """Sides that depend on the rate alone: exchangeable within strata, not over all rows."""
    rng = np.random.default_rng(1)
    rates = np.repeat(np.arange(6), 6)
    found = {"firing_rate": [], "pairing": []}
    for number in range(FULL):
        x, y = (3 * np.outer(rates, rng.normal(size=5)) + rng.normal(size=(36, 5)) for _ in range(2))
        for null, p in found.items():
            extra = {"rates": rates, "strata": 6} if null == "firing_rate" else {}
            p.append(randomised(permutation_test(name, x, y, draws=99, rng=number, null=null, **extra), rng))
    assert uniform(found["firing_rate"]) > 0.01
    assert uniform(found["pairing"]) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rsa", "pc1_correlation", "procrustes"])
def test_p_is_uniform_under_subset(name):
    """The tested subset is itself a random one, paired by the matcher of the draws."""
    rng = np.random.default_rng(2)
    found = []
    for number in range(FULL):
        similarity = rng.normal(size=(60, 50))
        spaces = rng.normal(size=(60, 5)), rng.normal(size=(50, 6))

        def rematch(a, b, similarity=similarity):
            best = a[similarity[np.ix_(a, b)].argmax(axis=0)]
            _, first = np.unique(best, return_index=True)
            return best[first], b[first]

        drawn = rng.choice(60, 14, replace=False), rng.choice(50, 14, replace=False)
        a, b = rematch(np.sort(drawn[0]), np.sort(drawn[1]))
        test = permutation_test(
            name, spaces[0][a], spaces[1][b], null="subset", spaces=spaces, sizes=(14, 14), rematch=rematch,
            draws=99, rng=number,
        )  # fmt: skip
        found.append(randomised(test, rng))
    assert uniform(found) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rsa", "procrustes"])
def test_p_is_uniform_under_document_shift(name):
    """Activations of unrelated documents, paired by correlation: every rotation is as likely as none."""
    rng = np.random.default_rng(3)
    found = []
    offsets = np.arange(0, 201, 10)
    for number in range(FULL):
        acts = rng.exponential(size=(2, 200, 12)) * (rng.random(size=(2, 200, 12)) < 0.3)
        spaces = rng.normal(size=(12, 4)), rng.normal(size=(12, 5))

        def pair(a, b):
            return np.corrcoef(a.T, b.T)[:12, 12:].argmax(axis=0), np.arange(12)

        a, b = pair(*acts)
        test = permutation_test(
            name, spaces[0][a], spaces[1][b], null="document_shift", acts=tuple(acts), spaces=spaces,
            pair=pair, document_offsets=offsets, draws=99, rng=number,
        )  # fmt: skip
        found.append(randomised(test, rng))
    assert uniform(found) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", ["heldout_cca", "heldout_r2", "translation_accuracy"])
def test_several_splits_stay_on_the_safe_side(name):
    p = p_values(name, 1000, splits=5)
    for level in (0.01, 0.05, 0.1):
        assert np.mean(p <= level) <= level + 3 * np.sqrt(level * (1 - level) / 1000)


@pytest.mark.slow
def test_this_check_can_fail():
    """A mean over splits that share pairs, re-paired independently, varies too little for a null."""
    rng = np.random.default_rng(4)
    p = []
    for number in range(FULL):
        prepared = METRICS.get("heldout_cca").prepare(*unrelated(number), splits=5)
        draws = [table.repaired(permutations_for(number, 99, 30)) for table in prepared.tables]
        above = int((np.mean(draws, axis=0) > float(prepared.observed())).sum())
        p.append((above + rng.uniform()) / 100)
    assert uniform(p) < 1e-3


@pytest.mark.slow
def test_early_stopping_stays_valid():
    rng = np.random.default_rng(5)
    p = []
    for number in range(2000):
        x, y = rng.normal(size=(2, 20, 3))
        p.append(permutation_test("pc1_correlation", x, y, draws=400, rng=number, stop_after=5).p)
    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(np.array(p) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 2000)


@pytest.mark.slow
def test_max_t_keeps_its_family_wise_error():
    from congruence.significance import adjust, test_cells

    rng = np.random.default_rng(6)
    wrong = 0
    for number in range(400):
        layers_a, layers_b = rng.normal(size=(3, 25, 4)), rng.normal(size=(3, 25, 4))
        cells = [(x, y) for x in layers_a for y in layers_b]
        wrong += (adjust(test_cells("rsa", cells, draws=99, rng=number), "max_t") <= 0.05).any()
    assert 0.02 < wrong / 400 < 0.085


@pytest.mark.parametrize("n", [24, 46, 126, 228, 3000])
def test_null_of_pc1_follows_its_law(n):
    """√(2/(π(n−1))) within 3 %, on decoder-like rows."""
    means = []
    for seed in range(5):
        rng = np.random.default_rng([n, seed])
        x, y = rng.normal(size=(n, 64)), rng.standard_t(5, size=(n, 96))
        x, y = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (x, y))
        prepared = METRICS.get("pc1_correlation").prepare(x, y)
        means.append(prepared.repaired(permutations_for(seed, 6000, n)).mean())
    assert np.mean(means) == pytest.approx(null_law(n), rel=0.03)
    assert null_law(n) == pytest.approx(np.sqrt(2 / (np.pi * (n - 1))))


@pytest.mark.parametrize("n", [46, 228])
def test_real_svcca_says_one_at_the_papers_sizes(n):
    """Unrelated unit rows in 512 and 768 dimensions, 99 % of the variance."""
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, 512)), rng.normal(size=(n, 768))
    expected = {46: 1.0, 228: 0.968}[n]
    score = metrics.svcca(x, y, on_forced="warn")
    assert float(score) == pytest.approx(expected, abs=0.02)
    assert score.warnings


@every_measure
def test_planted_rotation_is_found_and_noise_isnt(name):
    rng = np.random.default_rng(8)
    x = rng.normal(size=(120, 6))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0] if METRICS.get(name).laws.orthogonal else np.eye(6)
    planted = permutation_test(name, x, x @ turn + 0.3 * rng.normal(size=x.shape), draws=199, rng=0)
    noise = permutation_test(name, x, rng.normal(size=x.shape), draws=199, rng=0)
    assert planted.p == 1 / 200
    assert noise.p > 0.01
