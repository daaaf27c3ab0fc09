"""Controls named in the configuration run, and stand in the results beside the real scores."""

import numpy as np
import pytest

from congruence.run import compare

CONTROLS = ["rerandomized", "untrained_sae", "neurons", "other_seed"]


@pytest.fixture(scope="module")
def run(tmp_path_factory, demo_assets):
    from congruence.recipes import demo

    config = demo(draws=50).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    config["a"] |= {"layers": [1, 2]}
    config["b"] |= {"layers": [2]}
    config["corpus"] |= {"documents": 30}
    config |= {"controls": CONTROLS, "measures": ["translation_accuracy", "rsa"]}
    return compare(config, out=tmp_path_factory.mktemp("controls"), progress=False)


def test_every_control_is_a_grid_of_its_own(run):
    assert set(run.results.control) == {"none", *CONTROLS}
    assert set(run.cells.control) == {"none", *CONTROLS}
    for control in CONTROLS[:3]:
        rows = run.results[run.results.control == control]
        assert {(row.layer_a, row.layer_b) for row in rows.itertuples()} == {(1, 2), (2, 2)}
        assert set(rows.measure) == {"translation_accuracy", "rsa"}


def test_controls_are_scored_and_tested_like_the_real_grid(run):
    scored = run.results[run.results.value.notna()]
    assert {"none", "rerandomized", "neurons", "other_seed"} <= set(scored.control)
    assert np.isfinite(scored.p).all()
    assert (scored.draws == 50).all()


def test_a_control_without_a_score_says_why(run):
    missing = run.results[run.results.value.isna()]
    assert (missing.warnings != "").all()


def test_the_real_comparison_lies_between_controls_and_ceiling(run):
    scores = run.results.query("measure == 'translation_accuracy'")
    best = scores.groupby("control").value.max()
    assert best["other_seed"] > best["none"] > best[["rerandomized", "untrained_sae", "neurons"]].max()


def test_controls_feed_features_of_their_own(run):
    keys = run.info["keys"]["activations"]
    for side, layer in (("a", 1), ("a", 2), ("b", 2)):
        variants = ["real", *CONTROLS[:3]]
        assert len({keys[f"{side}/{variant}/{layer}"] for variant in variants}) == 4


def test_neurons_are_the_hidden_units_of_the_mlp(run):
    cell = run.cells.query("control == 'neurons'").iloc[0]
    assert (cell.alive_a, cell.alive_b) == (4 * 96, 4 * 192)
