"""A finished run started again loads no model and no SAE, and ends with what it had."""

import subprocess
import sys

import pandas as pd
import pytest
from command_line import ENVIRONMENT

import congruence as package
from congruence.doctor import diagnose
from congruence.errors import SaeError
from congruence.run import compare

AGAIN = """
import sys
from congruence.run import compare
from congruence.run import concept_stage
concept_stage.words_of = None
compare(sys.argv[1], out=sys.argv[2], progress=False)
loaded = {"torch", "transformers", "safetensors", "tokenizers"} & set(sys.modules)
assert not loaded, f"{loaded} came in"
"""


@pytest.fixture
def small_config(small_config):
    """One measure of the small comparison."""
    return small_config | {"measures": ["pc1_correlation"], "null": {"kind": "pairing", "draws": 10}}


CONCEPTS = {
    "lists": ["Time", "People/Roles"],
    "multi_token": [{"first": "Time", "second": "People/Roles", "max_phrases": 4}],
    "nulls": ["pairing"],
}


def test_nothing_is_loaded(small_config, write_config, tmp_path):
    """Nor is any word of the text looked up, or a phrase chosen."""
    path, out = write_config(small_config | {"concepts": CONCEPTS}), tmp_path / "out"
    first = compare(path, out=out, progress=False)
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, str(path), str(out)],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    again = package.load_run(out)
    pd.testing.assert_frame_equal(again.results, first.results)
    assert again.info["sides"] == first.info["sides"]
    assert again.info["corpus"] == first.info["corpus"]
    assert again.info["keys"] == first.info["keys"]
    last = (out / "run.log").read_text().rpartition("run starts")[2]
    assert "preflight: passed when the activations were captured" in last
    assert "congruence.models.load" not in last


@pytest.mark.slow
def test_a_verdict_that_was_forced_is_not_taken_for_a_pass(small_config, tmp_path):
    small_config["a"] |= {"saes": {1: small_config["a"]["saes"] + "/blocks.3.hook_resid_post"}, "layers": [1]}
    small_config["a"].pop("other_seed")
    if not any(record.status == "error" for record in diagnose(small_config)):
        pytest.skip("this SAE fits there, too")
    compare(small_config, out=tmp_path, progress=False, force=True)
    with pytest.raises(SaeError, match="--force"):
        compare(small_config, out=tmp_path, progress=False)


@pytest.mark.slow
def test_two_sides_of_one_model_go_through_it_together(small_config, tmp_path):
    small_config["b"] = {
        **{name: small_config["a"][name] for name in ("model", "saes")}, "layers": [2, 3], "name": "itself",
    }  # fmt: skip
    run = compare(small_config, out=tmp_path, progress=False)
    keys = run.info["keys"]["activations"]
    assert keys["a/real/2"] == keys["b/real/2"]
    log = (tmp_path / "run.log").read_text()
    assert log.count("INFO congruence.models.load: loaded") == 1
    assert "computing resid_post.2, resid_post.1, resid_post.3" in log
    cell = run.results.query("control == 'none' and layer_a == 2 and layer_b == 2").iloc[0]
    assert cell.value == pytest.approx(1)
