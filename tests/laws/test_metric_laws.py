"""Each law once for all measures: a measure that claims it keeps it, one that doesn't breaks it."""

from dataclasses import fields

import numpy as np
import pytest
from scipy.stats import ortho_group

from congruence.metrics import METRICS, Laws

MEASURES = METRICS.names()
SAME, DIFFERENT = 1e-8, 1e-5
OPTIONS = {"mutual_knn": {"k": 5}, "jaccard_knn": {"k": 5}}

# Variants whose laws differ from the default's, and say so in the docstring.
VARIANTS = [
    ("rsa", {"rdm": "euclidean"}, Laws()),
    ("rsa", {"rdm": "cosine"}, Laws(translation=False)),
    ("rsa", {"compare": "kendall"}, Laws(translation=False, orthogonal=False)),
    ("mutual_knn", {"k": 5, "distance": "euclidean"}, Laws()),
    ("jaccard_knn", {"k": 5, "distance": "euclidean"}, Laws()),
    ("linear_cka", {"debiased": False}, Laws()),
    ("procrustes", {"center": False}, Laws(translation=False)),
    ("pc1_correlation", {"center": False}, Laws(translation=False)),
    ("svcca", {"variance": 1.0}, Laws(linear=True)),
    ("svcca", {"center": False, "n_components": 2}, Laws(translation=False)),
    ("procrustes", {"unit_rows": True}, Laws(translation=False)),
]
CASES = [(name, OPTIONS.get(name, {}), METRICS.get(name).laws) for name in MEASURES] + VARIANTS
IDS = [f"{name}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for name, options, _ in CASES]
every_case = pytest.mark.parametrize(("name", "options", "laws"), CASES, ids=IDS)


@pytest.fixture
def sides():
    """Related sides away from the origin; 60 rows, 5 columns each."""
    rng = np.random.default_rng(5)
    shared = rng.normal(size=(60, 3))
    x = shared @ rng.normal(size=(3, 5)) + 0.7 * rng.normal(size=(60, 5)) + 0.4
    y = shared @ rng.normal(size=(3, 5)) + 0.7 * rng.normal(size=(60, 5)) - 0.3
    return x, y


def check(law, before, after):
    """`after` equals `before` where the law is claimed, and differs clearly where it isn't."""
    if law:
        assert after == pytest.approx(before, abs=SAME)
    else:
        assert abs(after - before) > DIFFERENT


def score(name, x, y, options):
    return float(METRICS.get(name)(x, y, **options))


@every_case
def test_symmetric(name, options, laws, sides):
    x, y = sides
    check(laws.symmetric, score(name, x, y, options), score(name, y, x, options))


@every_case
def test_translation(name, options, laws, sides):
    x, y = sides
    moved = score(name, x + np.array([2.0, 0, 0, -1, 0]), y + np.array([0, 0, 3.0, 0, 0]), options)
    check(laws.translation, score(name, x, y, options), moved)


@every_case
def test_scale(name, options, laws, sides):
    x, y = sides
    check(laws.scale, score(name, x, y, options), score(name, 7.0 * x, 0.02 * y, options))


@every_case
def test_orthogonal(name, options, laws, sides):
    x, y = sides
    turn_x, turn_y = ortho_group.rvs(5, size=2, random_state=1)
    check(laws.orthogonal, score(name, x, y, options), score(name, x @ turn_x, y @ turn_y, options))


@every_case
def test_linear(name, options, laws, sides):
    x, y = sides
    maps = np.random.default_rng(2).normal(size=(2, 5, 5)) + 2 * np.eye(5)
    check(laws.linear, score(name, x, y, options), score(name, x @ maps[0], y @ maps[1], options))


@every_case
def test_row_order(name, options, laws, sides):
    x, y = sides
    order = np.random.default_rng(3).permutation(len(x))
    check(laws.row_order, score(name, x, y, options), score(name, x[order], y[order], options))


@every_case
def test_pairing(name, options, laws, sides):
    x, y = sides
    order = np.random.default_rng(4).permutation(len(x))
    check(not laws.pairing, score(name, x, y, options), score(name, x, y[order], options))


@every_case
def test_self_is_one(name, options, laws, sides):
    x, _ = sides
    if laws.self_is_one:
        assert score(name, x, x, options) == pytest.approx(1.0, abs=SAME)
    else:
        few = np.random.default_rng(6).normal(size=(12, 40))
        assert score(name, few, few, options) < 1 - DIFFERENT


@every_case
def test_same_width(name, options, laws, sides):
    x, y = sides
    if laws.same_width:
        with pytest.raises(ValueError, match="columns"):
            score(name, x, y[:, :4], options)
    else:
        assert np.isfinite(score(name, x, y[:, :4], options))


@every_case
def test_range(name, options, laws, sides):
    x, y = sides
    low, high = METRICS.get(name).range
    rng = np.random.default_rng(7)
    for a, b in ((x, y), (x, x), (x, -x), (x, y[::-1]), (x, rng.normal(size=y.shape))):
        assert low <= score(name, a, b, options) <= high


@every_case
def test_orthogonal_with_more_columns_than_rows(name, options, laws):
    """Rotations leave the value where the rows don't determine a map of all columns, too."""
    if not laws.orthogonal or name in ("cca", "svcca"):
        return
    rng = np.random.default_rng(9)
    shared = rng.normal(size=(30, 4))
    x, y = (shared @ rng.normal(size=(4, d)) + rng.normal(size=(30, d)) for d in (40, 50))
    turned = x @ ortho_group.rvs(40, random_state=1), y @ ortho_group.rvs(50, random_state=2)
    assert score(name, *turned, options) == pytest.approx(score(name, x, y, options), abs=SAME)


def test_every_law_is_tested():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert {field.name for field in fields(Laws)} <= tested
    assert {name for name, _, _ in CASES} == set(MEASURES)
