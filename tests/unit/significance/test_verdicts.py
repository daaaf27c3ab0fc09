"""Verdicts on features: both tests by hand, each rule by a feature that meets it, intervals."""

import numpy as np
import pytest

from congruence.significance.verdicts import (
    NOT_SHARED,
    REASONS,
    SHARED,
    UNTOLD,
    design_effect,
    p_of_chance,
    p_of_lacking,
    share_interval,
    verdicts,
)


def test_p_of_chance_by_hand():
    # two rare features, two that fire often; two draws; each is held against its own kind
    firings = np.array([3, 900, 4, 1000])
    null = np.array([[0.5, 0.1, 0.6, 0.1], [0.4, 0.1, 0.7, 0.2]])
    r = np.array([0.65, 0.15, np.nan, 0.3])
    p, point = p_of_chance(r, null, firings, neighbours=2)
    # 0: of 0.5, 0.4, 0.6, 0.7 one reaches 0.65; 1: of 0.6, 0.7, 0.1, 0.1 two; 3: of 0.1, 0.1, 0.1, 0.2 none
    assert p.tolist() == pytest.approx([2 / 5, 3 / 5, 1, 1 / 5])
    assert point[3] == pytest.approx(np.quantile([0.1, 0.1, 0.1, 0.2], 0.95))


def test_p_of_chance_is_uniform_where_nothing_but_chance_is_at_work():
    rng = np.random.default_rng(0)
    firings = rng.integers(1, 5000, size=4000)
    best = lambda *shape: rng.random((*shape, 4000)) ** 0.2 / np.sqrt(firings)  # noqa: E731
    p, _ = p_of_chance(best(1)[0], best(5), firings)
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.015)
    assert (p <= 0.5).mean() == pytest.approx(0.5, abs=0.03)


def test_p_of_lacking_by_hand():
    # ceiling 0.8, so a counterpart has r = 0.4: s² = (0.4 · 0.6 + 0.25 · 0.8 · 0.2) / 100 = 0.0028, z = -0.2 / s
    found = p_of_lacking(np.array([0.2, 0.4, 0.2]), np.array([0.8, 0.8, np.nan]), np.array([100.0, 100, 100]))
    assert found[0] == pytest.approx(7.8e-5, rel=0.05)
    assert found[1] == 0.5
    assert np.isnan(found[2])


def test_lacking_is_rarely_said_of_a_feature_with_a_counterpart():
    """r of features that fire together on `ceiling · share` of their tokens, as often as they are said to."""
    rng = np.random.default_rng(1)
    occasions, true = 40, 0.45
    r = rng.binomial(occasions, true, size=20_000) / occasions
    p = p_of_lacking(r, np.full(20_000, 0.9), np.full(20_000, float(occasions)))
    assert (p <= 0.05).mean() < 0.05


@pytest.fixture
def told():
    """Features that fire on 200 occasions beside a null of r below 0.1, one for each rule."""
    rows = {
        # name: r, mutual, ceiling, occasions
        "clear": (0.9, True, 0.95, 200),
        "mutual at low ceiling": (0.3, True, 0.35, 200),
        "nearly its ceiling": (0.9, False, 0.95, 200),
        "lacking": (0.15, True, 0.9, 200),
        "its partner is nearer to another": (0.6, False, 0.9, 200),
        "no ceiling, high r": (0.8, True, np.nan, 200),
        "no ceiling, low r": (0.3, True, np.nan, 200),
        "few": (0.15, True, 0.9, 3),
        "weak": (0.42, True, 0.9, 30),
        "no better than chance": (0.04, True, 0.06, 200),
    }
    r, mutual, ceiling, occasions = (np.array(part) for part in zip(*rows.values(), strict=True))
    null = 0.1 * np.random.default_rng(0).random((20, len(rows)))
    found = verdicts(
        r,
        null,
        firings=np.full(len(rows), 500),
        occasions=occasions.astype(float),
        mutual=mutual,
        ceiling=ceiling,
    )
    return dict(zip(rows, zip(found.verdict.tolist(), found.reason.tolist(), strict=True), strict=True))


def test_every_rule_has_its_feature(told):
    assert told == {
        "clear": (SHARED, ""),
        "mutual at low ceiling": (SHARED, ""),
        "nearly its ceiling": (SHARED, ""),
        "lacking": (NOT_SHARED, ""),
        "its partner is nearer to another": (UNTOLD, "one-sided"),
        "no ceiling, high r": (SHARED, ""),
        "no ceiling, low r": (UNTOLD, "no ceiling"),
        "few": (UNTOLD, "few"),
        "weak": (UNTOLD, "weak"),
        "no better than chance": (UNTOLD, "chance"),
    }
    assert {reason for _, reason in told.values() if reason} == set(REASONS)


def test_without_features_there_is_nothing_to_say():
    empty = np.zeros(0)
    found = verdicts(empty, np.zeros((3, 0)), firings=empty.astype(int), occasions=empty, mutual=empty > 0)
    assert len(found.verdict) == len(found.p) == 0


def test_intervals_by_hand():
    # Wilson, 90 %: 8 of 10, and the same of 40 features that count as 10
    low, high = share_interval(8, 10)
    assert (low, high) == pytest.approx((0.541, 0.932), abs=2e-3)
    assert share_interval(32, 40, design=4.0) == pytest.approx((low, high))
    assert share_interval(0, 10)[0] == 0
    assert np.isnan(share_interval(0, 0)).all()


def test_the_design_effect_is_one_of_independent_features_and_all_of_equal_ones():
    rng = np.random.default_rng(0)
    assert design_effect(rng.random((200, 500))) == pytest.approx(1, abs=0.3)
    assert design_effect(np.repeat(rng.random((200, 1)), 50, axis=1)) == pytest.approx(50, rel=0.05)
    assert design_effect(rng.random((2, 500))) == 1
