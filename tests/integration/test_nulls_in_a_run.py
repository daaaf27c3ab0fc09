"""Every null that a configuration can name runs on the embedded models and is named in the results."""

import pytest

import congruence as package
from congruence.config.steps import FACTS_OF_A_RUN
from congruence.errors import ConfigError
from congruence.nulls import NULLS
from quick_first import quick_first


@pytest.mark.parametrize("null", quick_first(["subset", "firing_rate", "document_shift"]))
def test_null_runs_and_is_named(small_config, tmp_path, null):
    small_config["a"] = {**small_config["a"], "layers": [2], "other_seed": None}
    small_config["b"] = {**small_config["b"], "layers": [3], "other_seed": None}
    small_config["corpus"]["documents"] = 30
    run = package.compare(
        small_config,
        out=tmp_path,
        progress=False,
        null={"kind": null, "draws": 19},
        measures=["rsa"],
    )
    assert not run.results.value.isna().any(), run.results.warnings.tolist()
    assert run.results.null.tolist() == [null]
    assert run.results.draws.tolist() == [19]
    assert run.results.p.between(1 / 20, 1).all()
    assert (run.results.value > run.results.null_mean).all()


def test_every_null_is_tried():
    able = {name for name in NULLS if FACTS_OF_A_RUN.issuperset(NULLS.get(name).needs)}
    assert able == {"pairing", "firing_rate", "subset", "document_shift"}


def test_a_null_that_needs_captures_of_its_own_is_refused(small_config, tmp_path):
    with pytest.raises(ConfigError, match="can't be run from a configuration"):
        package.compare(small_config, out=tmp_path, progress=False, null={"kind": "random_model"})
