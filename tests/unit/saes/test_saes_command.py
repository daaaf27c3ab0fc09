"""`congruence saes`: a table of what is there; what can't be read is a row of it and hides nothing."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from congruence.cli.saes import command
from congruence.doctor import fits
from congruence.errors import CongruenceError, SaeError
from congruence.recipes.demo import demo_folder
from congruence.saes import find_sae, list_saes

DEMO = demo_folder()
SMALL = DEMO / "saes" / "small"


def run(*arguments: object) -> str:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def spoil_config(**changes):
    def change(folder: Path) -> None:
        config = json.loads((folder / "cfg.json").read_text())
        metadata = config["metadata"] | changes.pop("metadata", {})
        (folder / "cfg.json").write_text(json.dumps(config | {"metadata": metadata} | changes))

    return change


SPOILED = {
    "k is NaN": spoil_config(k=float("nan"), architecture=3),
    "hook is a number": spoil_config(metadata={"hook_name": 5}),
    "d_in is a list": spoil_config(d_in=[]),
    "d_sae is negative": spoil_config(d_sae=-1),
    "metadata is a list of lists": lambda folder: (folder / "cfg.json").write_text("[[]]"),
    "config is cut off": lambda folder: (folder / "cfg.json").write_text('{"d_in": 96'),
    "config is empty": lambda folder: (folder / "cfg.json").write_text(""),
    "config is binary": lambda folder: (folder / "cfg.json").write_bytes(b"\xff\xfe\x00"),
    "config is deep": lambda folder: (folder / "cfg.json").write_text('{"a":' * 20000 + "1" + "}" * 20000),
    "config is missing": lambda folder: (folder / "cfg.json").unlink(),
    "two formats": lambda folder: shutil.copy(folder / "sae_weights.safetensors", folder / "sae.safetensors"),
}


@pytest.mark.parametrize("how", list(SPOILED))
def test_one_that_cant_be_read_hides_no_other(tmp_path: Path, how: str) -> None:
    root = shutil.copytree(SMALL, tmp_path / "saes")
    SPOILED[how](root / "blocks.3.hook_resid_post")
    entries = {entry.sae_id: entry for entry in list_saes(root)}
    problem = entries["blocks.3.hook_resid_post"].problem
    assert problem
    assert "\n" not in problem
    assert len(problem.replace(str(tmp_path), "")) < 400
    assert [entry.layer for entry in entries.values() if not entry.problem] == [0, 1, 2, 4]
    assert find_sae(root, 2).load().d_in == 96
    with pytest.raises(SaeError) as caught:
        find_sae(root, 3).load()
    assert problem in str(caught.value)
    table = run(root)
    assert "can't be read" in table
    assert problem in table.replace("\n", "")
    lines = [json.loads(line) for line in run(root, "--json").splitlines()]
    assert [line["problem"] for line in lines if line["problem"]] == [problem]


def test_what_all_share_stands_above_and_a_line_to_paste_below() -> None:
    table = run(SMALL)
    assert f"5 SAEs in {SMALL}: hook" not in table
    for shared in ("d_in 96", "width 768", "L0 16", "architecture topk", "reader saelens", "model small"):
        assert shared in table
    assert f"saes: {SMALL}, layers: [0, 1, 2, 3, 4]" in table.replace("\n", "")


def test_choosing_by_hook_and_id(tmp_path: Path) -> None:
    for hook in ("hook_resid_post", "hook_mlp_out"):
        folder = shutil.copytree(SMALL / "blocks.2.hook_resid_post", tmp_path / f"blocks.2.{hook}")
        spoil_config(metadata={"hook_name": f"blocks.2.{hook}"})(folder)
    (line,) = run(tmp_path, "--hook", "mlp_out", "--json").splitlines()
    assert json.loads(line)["sae_id"] == "blocks.2.hook_mlp_out"
    assert json.loads(line)["config"].endswith("layers: [2], hook: mlp_out")
    (line,) = run(tmp_path, "--sae-id", "blocks.{layer}.hook_resid_post", "--json").splitlines()
    assert json.loads(line)["hook_name"] == "blocks.2.hook_resid_post"
    result = CliRunner().invoke(command, [str(tmp_path), "--hook", "attn_z"])
    assert "holds no SAE at attn_z: it holds blocks.2" in str(result.exception)


def test_check_measures_each_fit(tmp_path: Path) -> None:
    root = tmp_path / "saes"
    shutil.copytree(SMALL / "blocks.2.hook_resid_post", root / "right")
    wrong = shutil.copytree(SMALL / "blocks.2.hook_resid_post", root / "wrong")
    spoil_config(metadata={"hook_name": "blocks.4.hook_resid_post"})(wrong)
    nameless = shutil.copytree(SMALL / "blocks.2.hook_resid_post", root / "nameless")
    spoil_config(metadata={"hook_name": None})(nameless)
    lines = [
        json.loads(line) for line in run(root, "--check", "--model", DEMO / "small", "--json").splitlines()
    ]
    found = {line["sae_id"]: line for line in lines}
    assert found["right"]["status"] == "ok"
    assert found["right"]["measured_fvu"] < 0.2
    assert abs(found["right"]["measured_l0"] - 16) < 0.5
    assert found["wrong"]["status"] == "error"
    assert "block 2's" in found["wrong"]["found"]
    assert "status" not in found["nameless"]


@pytest.mark.slow
def test_check_begins_rows_with_bos_as_the_file_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = fits.tokenize
    monkeypatch.setattr(fits, "tokenize", lambda *a, **k: asked.append(k["prepend_bos"]) or real(*a, **k))
    for name, bos in (("with", True), ("without", False)):
        spoil_config(metadata={"prepend_bos": bos})(
            shutil.copytree(SMALL / "blocks.2.hook_resid_post", tmp_path / name)
        )
    text = tmp_path / "text.txt"
    text.write_text("The old king looked at the sea and was happy to see the ships come home. " * 8)
    run(tmp_path, "--check", "--model", DEMO / "small", "--text", text)
    assert sorted(asked) == [False, True]


def test_a_layer_that_the_files_contradict_is_shown(tmp_path: Path) -> None:
    shutil.copytree(SMALL / "blocks.2.hook_resid_post", tmp_path / "layer_1")
    table = run(tmp_path / "layer_{layer}")
    assert "blocks.2.hook_resid_post" in table
    assert f"saes: {tmp_path}, layers: [2]" in table.replace("\n", "")


def test_a_crosscoder_is_pasted_as_a_pairing() -> None:
    crosscoder = Path(__file__).parents[2] / "golden" / "crosscoder"
    table = run(crosscoder).replace("\n", "")
    assert f"pairing: {{method: crosscoder, path: {crosscoder}}}" in table
    assert "saes:" not in table


def test_check_of_saes_takes_one_model() -> None:
    result = CliRunner().invoke(
        command, [str(SMALL), "--check", "--model", str(DEMO / "small"), "--model", str(DEMO / "large")]
    )
    assert "SAEs are of one model" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--model", "x"], "--model goes with --check"),
        (["--text", "x"], "--text goes with --check"),
        (["--layer", "9"], "holds no SAE of layer 9: it holds blocks.0"),
        (["--check"], "which the SAEs name: --model names another"),
        (["--check", "--model", "/no/such/model"], "model folder '/no/such/model' doesn't exist"),
    ],
)
def test_wrong_calls_are_one_line(arguments: list[str], expected: str) -> None:
    result = CliRunner().invoke(command, [str(SMALL), *arguments])
    assert isinstance(result.exception, CongruenceError)
    assert expected in str(result.exception)
    assert "\n" not in str(result.exception)


def test_a_file_of_unknown_tensors_says_how_it_could_be_read(tmp_path: Path) -> None:
    torch.save({"W_enc": torch.ones(4, 8), "W_dec": torch.ones(8, 4)}, tmp_path / "sae_layer_2.pt")
    with pytest.raises(SaeError, match=r"activation: relu, hook: …} reads an SAE of your own by its shapes"):
        list_saes(tmp_path)
