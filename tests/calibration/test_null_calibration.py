"""Under a null p is uniform; the law of pc1_correlation's null; planted structure is found."""

import numpy as np
import pytest
from null_p_values import DATA_SETS, DRAWS, TRUE_NULLS, measures, p_values, smooth, uniform, unrelated

from congruence import metrics
from congruence.metrics import METRICS
from congruence.metrics.pc1 import null_law
from congruence.significance import NULLS, permutation_test, permutations_for
from shape_checks import unchecked

PAIRED = measures("pairing")
QUICK = 120
QUICKEST = ("rsa", "pc1_correlation", "translation_accuracy")
every_measure = pytest.mark.parametrize("name", PAIRED)


def many(name, null="pairing", **options):
    """`p_values` whose first data set alone is computed with checks of types and shapes."""
    p_values(name, null, **options | {"count": 1})
    with unchecked():
        return p_values(name, null, **options)


@pytest.mark.parametrize("name", QUICKEST)
def test_p_is_uniform_under_re_pairing(name):
    assert uniform(p_values(name, count=QUICK, draws=99)) > 1e-3


SUSPECT, WRONG = 0.05, 1e-7
FIRST, ALL, FEW_DRAWS = 200, 1000, 9
"""Data sets, and draws where each is scored anew.

The smooth test asks FIRST data sets, and ALL of them where these are suspect; only the second answer can fail. So
one of twenty nulls costs more, and a right null fails with p below WRONG, in less than one of 10^6 cases. A null
whose draws lie .4 of their standard deviation beside the score's law, or vary by half more or a third less than it,
fails in more than 99 %: `test_what_the_check_sees_and_how_often` holds that.
"""


@pytest.mark.slow
@pytest.mark.parametrize(("null", "name"), [(null, name) for null in TRUE_NULLS for name in measures(null)])
def test_p_is_uniform(null, name):
    draws = DRAWS.get(null, FEW_DRAWS)
    if smooth(many(name, null, count=FIRST, draws=draws)) < SUSPECT:
        assert smooth(many(name, null, count=ALL, draws=draws)) > WRONG


def drawn(rng, times, beside=0.0, spread=1.0):
    """(times, ALL) p of a score that is normal, with FEW_DRAWS draws that are normal beside it, or spread wider."""
    score = rng.standard_normal((times, ALL), dtype=np.float32)
    above = np.zeros((times, ALL), np.int8)
    for _ in range(FEW_DRAWS):
        above += rng.standard_normal((times, ALL), dtype=np.float32) * spread + beside > score
    return (above + rng.random((times, ALL))) / (1 + FEW_DRAWS)


def test_what_the_check_sees_and_how_often():
    rng = np.random.default_rng(12)
    for wrong in ({"beside": 0.4}, {"beside": -0.4}, {"spread": 1.5}, {"spread": 1 / 1.5}):
        p = drawn(rng, 1000, **wrong)
        assert np.mean((smooth(p[:, :FIRST]) < SUSPECT) & (smooth(p) < WRONG)) > 0.99, wrong
    right = drawn(rng, 4000)
    assert np.mean(smooth(right[:, :FIRST]) < SUSPECT) == pytest.approx(SUSPECT, abs=0.011)
    assert np.mean(smooth(right) < 1e-3) < 0.003  # the law of its tail, as far as this many can tell
    assert smooth(right).min() > 1e-6


def test_every_null_is_held_to_that():
    own = {name for name in NULLS if NULLS.get(name).draw.__module__.startswith("congruence.")}
    assert own == set(TRUE_NULLS)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rsa", "pc1_correlation", "linear_cka", "translation_accuracy", "svcca"])
def test_re_pairing_is_wrong_where_the_firing_rate_is_all_that_is_alike(name):
    assert uniform(many(name, "pairing", data="firing_rate")) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["heldout_cca", "heldout_r2", "translation_accuracy"])
def test_several_splits_stay_on_the_safe_side(name):
    p = many(name, count=1000, draws=99, splits=5)
    for level in (0.01, 0.05, 0.1):
        assert np.mean(p <= level) <= level + 3 * np.sqrt(level * (1 - level) / 1000)


@pytest.mark.slow
@unchecked()
def test_this_check_can_fail():
    """A mean over splits that share pairs, re-paired independently, varies too little for a null."""
    rng = np.random.default_rng(4)
    p = []
    for number in range(DATA_SETS):
        prepared = METRICS.get("heldout_cca").prepare(
            *unrelated(np.random.default_rng(number))[:2], splits=20
        )
        draws = [table.repaired(permutations_for(number, 99, 30)) for table in prepared.tables]
        above = int((np.mean(draws, axis=0) > float(prepared.observed())).sum())
        p.append((above + rng.uniform()) / 100)
    assert uniform(p) < 1e-3


@pytest.mark.slow
@unchecked()
def test_early_stopping_stays_valid():
    rng = np.random.default_rng(5)
    p = []
    for number in range(2000):
        x, y = rng.normal(size=(2, 20, 3))
        p.append(permutation_test("pc1_correlation", x, y, draws=400, rng=number, stop_after=5).p)
    for level in (0.01, 0.05, 0.2, 0.5):
        assert np.mean(np.array(p) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 2000)


@pytest.mark.slow
@unchecked()
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
