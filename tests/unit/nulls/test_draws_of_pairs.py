"""Draws of pairs keep their numbers, are scored as the observed pairs are, and repeat their procedure."""

import numpy as np
import pytest

from congruence.errors import ConfigError, InputError
from congruence.matching.subsets import Ragged
from congruence.metrics import METRICS, DecoderRows
from congruence.nulls import NULLS, Case, make_null
from congruence.records import PairLists
from congruence.significance import max_t, p_value
from congruence.significance.scoring import Observed, against_null

RNG = np.random.default_rng(0)
ROWS = tuple(DecoderRows(RNG.normal(size=(60, width)).astype(np.float32)) for width in (12, 16))


def first_with_first(subsets_a, subsets_b):
    """Pairs the features of two subsets by their order."""
    return PairLists.of([(a[: len(b)], b[: len(a)]) for a, b in zip(subsets_a, subsets_b, strict=True)])


def case_of(feature_a, feature_b, **facts):
    pairs = (np.asarray(feature_a), np.asarray(feature_b))
    return Case(n=len(pairs[0]), seed=3, rows=ROWS, pairs=pairs, **facts)


def observed_of(case, *names):
    x, y = (rows.W_dec[features] for rows, features in zip(ROWS, case.pairs, strict=True))
    return [Observed.of(METRICS.get(name).bind(), x, y) for name in names]


def same_pairs(subsets_a, subsets_b):
    """Whatever is drawn, the observed pairs come out."""
    return PairLists.of([(np.arange(20), np.arange(20))] * len(subsets_a))


@pytest.mark.parametrize("name", ["pc1_correlation", "rsa", "linear_cka", "procrustes"])
def test_draws_equal_to_the_observed_pairs_are_ties(name):
    case = case_of(np.arange(20), np.arange(20), sizes=(20, 20), pair_inside=same_pairs)
    (test,) = against_null(observed_of(case, name), case, make_null("subset"), draws=50)
    assert test.p == 1.0
    assert np.ptp(test.scores) == 0.0
    assert test.scores[0] == pytest.approx(test.observed, abs=1e-5)


def test_drawn_scores_are_those_of_the_measure():
    case = case_of(np.arange(20), np.arange(20), sizes=(15, 18), pair_inside=first_with_first)
    null = make_null("subset")
    names = ("pc1_correlation", "rsa", "linear_cka")
    tests = against_null(observed_of(case, *names), case, null, draws=30)
    lists = null.draw(case, range(30))
    for name, test in zip(names, tests, strict=True):
        for draw, score in enumerate(test.scores):
            a, b = lists[draw]
            exact = float(METRICS.get(name)(ROWS[0].W_dec[a], ROWS[1].W_dec[b]))
            assert score == pytest.approx(exact, abs=2e-6)


def test_draws_are_made_once_for_all_measures():
    calls = []

    def counted(subsets_a, subsets_b):
        calls.append(len(subsets_a))
        return first_with_first(subsets_a, subsets_b)

    case = case_of(np.arange(20), np.arange(20), sizes=(15, 15), pair_inside=counted)
    against_null(
        observed_of(case, "rsa", "linear_cka", "pc1_correlation"), case, make_null("subset"), draws=40
    )
    assert calls == [40]


def test_a_draw_without_a_score_keeps_its_place_and_counts_against_the_claim():
    def short_at_times(subsets_a, subsets_b):
        lists = [(a, b) if a.sum() % 3 else (a[:1], b[:1]) for a, b in zip(subsets_a, subsets_b, strict=True)]
        return PairLists.of(lists)

    class NeverAgain(NULLS.get("subset")):
        """Without further attempts, as if they had all failed."""

        name = "once"

        def draw(self, case, numbers):
            return case.pair_inside(*(self.lists(case, side, numbers) for side in (0, 1)))

        def lists(self, case, side, numbers):
            rng = np.random.default_rng([5, side])
            return Ragged.of([np.sort(rng.choice(60, 12, replace=False)) for _ in numbers])

    case = case_of(np.arange(20), np.arange(20), sizes=(12, 12), pair_inside=short_at_times)
    (test,) = against_null(observed_of(case, "rsa"), case, NeverAgain(), draws=60)
    drawn = NeverAgain().lists(case, 0, range(60))
    missing = np.array([a.sum() % 3 == 0 for a in drawn])
    assert 5 < missing.sum() < 40
    assert (np.isnan(test.scores) == missing).all()
    assert (test.draws, test.scored) == (60, 60 - missing.sum())
    reached = (test.scores >= test.observed - 1e-6).sum()
    assert test.p == (1 + reached + missing.sum()) / 61


def test_a_draw_with_too_few_pairs_is_made_anew_under_its_own_number():
    def some_short(subsets_a, subsets_b):
        lists = [(a, b) if a[0] > 1 else (a[:1], b[:1]) for a, b in zip(subsets_a, subsets_b, strict=True)]
        return PairLists.of(lists)

    def never_short(subsets_a, subsets_b):
        return PairLists.of(list(zip(subsets_a, subsets_b, strict=True)))

    facts = {"sizes": (20, 20), "min_pairs": 3}
    some = make_null("subset").draw(case_of(range(20), range(20), pair_inside=some_short, **facts), range(80))
    every = make_null("subset").draw(
        case_of(range(20), range(20), pair_inside=never_short, **facts), range(80)
    )
    assert (some.lengths >= 3).all()
    usable = np.array([every[d][0][0] > 1 for d in range(80)])
    assert 10 < usable.sum() < 70
    for d in np.flatnonzero(usable):
        assert (some[d][0] == every[d][0]).all()


def test_subset_draws_of_a_layer_are_the_same_in_all_its_cells():
    def keep(subsets_a, subsets_b):
        return PairLists.of(list(zip(subsets_a, subsets_b, strict=True)))

    one = case_of(range(9), range(9), sizes=(9, 9), pair_inside=keep, sides=("a/real/1", "b/real/1"))
    two = case_of(range(9), range(9), sizes=(9, 9), pair_inside=keep, sides=("a/real/1", "b/real/2"))
    first, second = (make_null("subset").draw(case, range(30)) for case in (one, two))
    assert (first.a == second.a).all()
    assert (first.b != second.b).any()


def test_size_matched_draws_pairs_of_the_whole_space():
    whole = (np.arange(40), np.arange(40)[::-1])
    case = case_of(range(10), range(10), whole=whole)
    lists = make_null("size_matched").draw(case, range(200))
    assert (lists.lengths == 10).all()
    assert (lists.a + lists.b == 39).all()
    assert all(len(set(lists[d][0])) == 10 for d in range(200))
    with pytest.raises(InputError, match="the whole space has 4 pairs, and 10 are needed"):
        make_null("size_matched").draw(
            case_of(range(10), range(10), whole=(whole[0][:4], whole[1][:4])), range(5)
        )


def test_max_t_holds_draws_beside_each_other_and_counts_missing_ones():
    scores = np.array([[0.1, 0.5, np.nan, 0.2], [0.3, 0.1, 0.2, 0.0]])
    observed = np.array([0.4, 0.25])
    p = max_t(observed, scores)
    whole = np.where(np.isnan(scores), np.inf, scores)
    assert p[0] >= (1 + (whole[0] >= 0.4).sum()) / 5
    assert p[1] < 1.0
    assert p_value(0.4, scores[0]) == (1 + 2) / 5


def test_options_of_nulls_are_checked():
    assert make_null("firing_rate", strata=4).strata == 4
    with pytest.raises(ConfigError, match="did you mean 'strata'"):
        make_null("firing_rate", stratas=4)
    with pytest.raises(ConfigError, match="takes no options"):
        make_null("pairing", strata=4)
