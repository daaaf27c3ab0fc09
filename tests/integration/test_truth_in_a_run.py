"""What a run can be asked for: held-out pairs, the null of the best r, intervals, options of matchers and nulls."""

import numpy as np
import pytest

import congruence as package
from congruence.errors import ConfigError
from quick_first import quick_first


@pytest.fixture
def config(small_config):
    """One layer pair of the embedded models."""
    small_config["a"] = {**small_config["a"], "layers": [2], "other_seed": None}
    small_config["b"] = {**small_config["b"], "layers": [3], "other_seed": None}
    small_config["corpus"]["documents"] = 40
    return {**small_config, "measures": ["rsa"], "null": {"draws": 29}}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """One folder for all: activations are captured once."""
    return tmp_path_factory.mktemp("truth") / "run"


def run_of(config, out, **sections):
    return package.compare({**config, **sections}, out=out, progress=False)


def test_pairs_of_one_half_are_judged_on_the_other(config, out):
    together = run_of(config, out).matches
    split = run_of(config, out, pairing={**config["pairing"], "split": "documents"}).matches
    assert len(split) == pytest.approx(len(together), rel=0.1)
    # half the tokens, so about half the firings, and an r that wasn't chosen for being high
    assert split.firings_b.median() < 0.75 * together.firings_b.median()
    assert split.r.mean() < together.r.mean()
    assert (split[split.kept].r > 0.1).all()


def test_pairs_get_the_null_of_their_best_r(config, out):
    asked = {"pairing": {**config["pairing"], "null_draws": 9}, "filters": ["non_concept", "beats_null"]}
    matches = run_of(config, out, **asked).matches
    assert np.isfinite(matches.null_r).all()
    assert matches.p_r.between(1 / 10, 1).all()
    assert matches[matches.r > matches.null_r + 0.5].p_r.max() == 1 / 10
    with pytest.raises(ConfigError, match=r"pairing\.null_draws"):
        run_of(config, out, filters=["beats_null"])


@pytest.mark.parametrize("by", quick_first(["documents", "pairs"]))
def test_scores_have_intervals(config, out, by):
    (row,) = run_of(config, out, interval={"by": by, "draws": 20}).results.itertuples()
    assert row.interval == by
    assert row.low < row.value < row.high
    assert row.high - row.low < 0.5
    (plain,) = run_of(config, out).results.itertuples()
    assert np.isnan([plain.low, plain.high]).all()
    assert plain.interval == ""


def test_options_of_a_matcher_reach_it_and_unknown_ones_are_refused(config, out):
    soft, hard = (
        run_of(config, out, pairing={"method": "transport", "epsilon": epsilon}).matches
        for epsilon in (0.5, 0.2)
    )
    assert len(soft)
    assert set(zip(soft.feature_a, soft.feature_b, strict=True)) != set(
        zip(hard.feature_a, hard.feature_b, strict=True)
    )
    with pytest.raises(ConfigError, match="epsilon"):
        run_of(config, out, pairing={"method": "transport", "epsilom": 0.1})
    with pytest.raises(ConfigError, match="tolerance"):
        run_of(config, out, pairing={"method": "many_to_one", "tolerance": 0.1})


def test_options_of_a_null_reach_it(config, out):
    rows = [
        run_of(config, out, null={"kind": "firing_rate", "strata": strata, "draws": 29}).results.iloc[0]
        for strata in (1, 8)
    ]
    assert rows[0].null_mean != rows[1].null_mean
    with pytest.raises(ConfigError, match="did you mean 'strata'"):
        run_of(config, out, null={"kind": "firing_rate", "stratum": 8})


def test_a_test_stops_early_where_the_answer_is_known(config, out):
    # of fifty draws a measure of chance is soon reached: less alike than chance is what is asked here
    null = {"draws": 5000, "stop_after": 3, "alternative": "less"}
    (row,) = run_of(config, out, null=null).results.itertuples()
    assert row.draws < 5000
    assert row.p == pytest.approx(3 / row.draws)
    assert np.isnan(row.p_max_t)


@pytest.mark.parametrize("keep", quick_first(["first", "best", None]))
def test_subset_repeats_how_the_pairs_were_made(config, out, keep, monkeypatch):
    """`keep` is the same in draws as in the run; without it, pairs may share features in both."""
    from congruence.nulls.subset import Subset

    drawn, draw = [], Subset.draw
    monkeypatch.setattr(
        Subset, "draw", lambda self, case, numbers: drawn.append(draw(self, case, numbers)) or drawn[-1]
    )
    pairing = {"method": "many_to_one", "from": "b", **({"keep": keep} if keep else {})}
    null = {"kind": "subset", "draws": 5}
    run_of(config, out, pairing=pairing, null=null, measures=["rsa", "linear_cka"], seed=1)
    (lists,) = drawn  # once for both measures
    shared = [len(a) - len(np.unique(a)) for a, _ in (lists[d] for d in range(5))]
    assert (max(shared) == 0) == (keep is not None)


def test_subset_of_neurons(config, tmp_path):
    for side in "ab":
        config[side] = {**config[side], "features": "neurons", "saes": None}
    config["corpus"]["documents"] = 12
    sections = {"null": {"kind": "subset", "draws": 4}, "filters": [], "measures": ["linear_cka"]}
    (row,) = run_of(config, tmp_path, **sections).results.itertuples()
    assert row.scored == 4
    assert np.isfinite(row.p)
