"""The doctor passes SAEs that fit and says what is wrong with those that don't."""

import shutil

import pytest
import torch
from broken_saes import nameless, of_another_model, scrambled_decoder, spoiled, unscaled
from command_line import in_process

from congruence.doctor import diagnose, errors
from congruence.errors import SaeError
from congruence.run import compare
from congruence.saes import load_sae, save_saelens
from quick_first import quick_first

LAYER = 2


@pytest.fixture
def config(small_config):
    """One SAE of the small model; hidden units on the other side, so that nothing else is measured."""
    del small_config["a"]["other_seed"]
    for key in ("saes", "other_seed"):
        del small_config["b"][key]
    small_config["a"] |= {"layers": [LAYER]}
    small_config["b"] |= {"layers": [LAYER], "features": "neurons"}
    small_config["corpus"] |= {"documents": 12}
    return small_config


@pytest.fixture
def right_saes(demo_assets):
    return lambda layer: demo_assets / "saes" / "small" / f"blocks.{layer}.hook_resid_post"


def fits(config, sae):
    config["a"]["saes"] = {LAYER: str(sae)}
    records = diagnose(config, sample_tokens=1500)
    return [record for record in records if record.check in ("fit", "sae")]


def the_fit(config, sae):
    (record,) = fits(config, sae)
    return record


def test_the_demo_fits(small_config):
    small_config["corpus"] |= {"documents": 12}
    records = diagnose(small_config, sample_tokens=1500)
    assert {record.status for record in records} == {"ok"}
    measured = [record.figures for record in records if record.check == "fit"]
    assert len(measured) >= 4
    for figures in measured:
        assert figures["fvu"] < 0.25
        assert figures["l0"] == pytest.approx(16, abs=0.5)
        assert figures["fvu"] < min(figures["fvu_before"], figures["fvu_after"])
        assert figures["cosine"] > 0.9


@pytest.mark.parametrize("shift", [-1, 1])
@pytest.mark.parametrize("named", quick_first([False, True]))
def test_a_hook_off_by_one(config, right_saes, tmp_path, shift, named):
    source = right_saes(LAYER + shift)
    sae = source if named else spoiled(source, tmp_path / "sae", nameless)
    record = the_fit(config, sae)
    assert (record.status, record.cause) == ("error", "hook")
    assert f"fits block {LAYER + shift}'s output better" in record.message
    assert f"than block {LAYER}'s (0." in record.message
    assert record.figures["fvu_before" if shift < 0 else "fvu_after"] < record.figures["fvu"]


@pytest.mark.slow
def test_hook_offset_is_an_error_for_the_doctor_and_a_warning_for_a_run(config, right_saes, tmp_path):
    config["a"]["hook_offset"] = -1
    assert the_fit(config, right_saes(LAYER)).cause == "hook"
    compare(config, out=tmp_path / "run", progress=False)
    assert "fits block 2's output better" in (tmp_path / "run" / "run.log").read_text()


def test_a_decoder_in_another_order(config, right_saes, tmp_path):
    sae = spoiled(right_saes(LAYER), tmp_path / "sae", lambda sae: scrambled_decoder(nameless(sae)))
    record = the_fit(config, sae)
    assert (record.status, record.cause) == ("error", "decoder")
    assert "transposed" in record.message


def test_a_decoder_stored_transposed(config, right_saes, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(right_saes(LAYER), tmp_path / "sae")
    weights = load_file(folder / "sae_weights.safetensors")
    weights["W_dec"] = weights["W_dec"].T.contiguous()
    save_file(weights, folder / "sae_weights.safetensors")
    record = the_fit(config, folder)
    assert record.status == "error"
    assert "W_dec" in record.message


@pytest.mark.parametrize("factor", quick_first([0.25, 0.5, 3]))
def test_a_missing_input_scale(config, right_saes, tmp_path, factor):
    sae = spoiled(right_saes(LAYER), tmp_path / "sae", lambda sae: unscaled(factor)(nameless(sae)))
    record = the_fit(config, sae)
    assert (record.status, record.cause) == ("error", "scale")


@pytest.mark.slow
def test_an_sae_of_another_model(config, right_saes, tmp_path):
    sae = spoiled(right_saes(LAYER), tmp_path / "sae", lambda sae: of_another_model(nameless(sae)))
    record = the_fit(config, sae)
    assert (record.status, record.cause) == ("error", "other_model")


def test_an_sae_of_another_width(config, demo_assets):
    record = the_fit(config, demo_assets / "saes" / "large" / f"layers.{LAYER}")
    assert (record.status, record.cause) == ("error", "d_in")
    assert "192" in record.message
    assert "96" in record.message


@pytest.mark.slow
def test_an_sae_that_never_fires(config, right_saes, tmp_path):
    from dataclasses import replace

    from congruence.saes.activation_functions import JumpReLU

    sae = load_sae(right_saes(LAYER))
    silent = replace(
        sae,
        activation=JumpReLU(torch.full((sae.d_sae,), 1e6)),
        b_enc=sae.b_enc - 1e7,
        architecture="jumprelu",
    )
    record = the_fit(config, save_saelens(silent, tmp_path / "sae"))
    assert (record.status, record.cause) == ("error", "silent")


@pytest.mark.slow
def test_one_broken_file_does_not_hide_the_others(config, right_saes, tmp_path):
    shutil.copytree(right_saes(1), tmp_path / "sae")
    (tmp_path / "sae" / "sae_weights.safetensors").write_bytes(b"\x00" * 40)
    config["a"] |= {"layers": [1, LAYER], "saes": {1: str(tmp_path / "sae"), LAYER: str(right_saes(LAYER))}}
    records = [r for r in diagnose(config, sample_tokens=500) if r.check in ("fit", "sae")]
    assert {(record.layer, record.status) for record in records} == {(1, "error"), (LAYER, "ok")}


@pytest.mark.slow
def test_special_tokens_that_count_are_a_warning(config, right_saes):
    config["corpus"]["mask_special"] = False
    found = [r for r in diagnose(config, sample_tokens=500) if r.check == "special tokens"]
    assert {record.status for record in found} == {"warning"}


def test_a_run_stops_unless_forced(config, right_saes, tmp_path):
    config["a"]["saes"] = {LAYER: str(right_saes(LAYER - 1))}
    with pytest.raises(SaeError, match="fits block 1's output better") as stopped:
        compare(config, out=tmp_path / "run", progress=False)
    assert "--force" in str(stopped.value)
    assert not (tmp_path / "run" / "results.parquet").exists()
    compare(config, out=tmp_path / "run", progress=False, force=True)
    assert "fits block 1's output better" in (tmp_path / "run" / "run.log").read_text()


def test_the_command_tells_and_exits(config, right_saes, write_config, capsys):
    config["a"]["saes"] = {LAYER: str(right_saes(LAYER))}
    good = in_process(capsys, "doctor", write_config(config), "--sample-tokens", "500")
    assert good.returncode == 0, good.stderr
    assert "no errors" in good.stdout
    config["a"]["saes"] = {LAYER: str(right_saes(LAYER - 1))}
    bad = in_process(capsys, "doctor", write_config(config), "--sample-tokens", "500")
    assert bad.returncode == 2
    told = [
        line for line in bad.stderr.splitlines() if not line.startswith("examine:")
    ]  # shown when it takes long
    assert len(told) == 1
    assert "fits block 1's output better" in bad.stderr


def test_errors_are_what_stops(config, right_saes):
    config["a"]["saes"] = str(right_saes(LAYER).parent / "absent")
    (record,) = errors(diagnose(config))
    assert (record.check, record.side) == ("sae", "a")
    assert "absent" in record.message
