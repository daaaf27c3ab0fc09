"""The configuration of `congruence train-sae`: what is read from where, and what is said when it is wrong."""

import sys
from pathlib import Path

import pytest
import yaml

from congruence.cli.main import main
from congruence.config.run import CorpusConfig
from congruence.training.config import load_training_config, parse_training_config

ROOT = Path(__file__).resolve().parents[2]


def write_config(path, **changes):
    raw = {"model": "some/model", "corpus": {"path": "text.txt"}, "sae": {"k": 3}} | changes
    path.write_text(yaml.safe_dump(raw))
    return str(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lyers": "all"}, "unknown key 'lyers': did you mean 'layers'?"),
        ({"sae": {"kk": 3}}, "unknown key 'kk'"),
        ({"training": {"step": 3}}, "did you mean 'steps'?"),
        ({"sae": {"architecture": "relu", "k": 3}}, "k isn't an option of relu"),
        ({"sae": {"architecture": "topkk"}}, "sae.architecture = 'topkk'"),
        ({"format": "sparsify", "sae": {"architecture": "gated"}}, "format sparsify can't hold a gated SAE"),
        ({"layers": [1, 1]}, "name each layer once"),
        ({"seeds": []}, "seeds"),
        ({"training": {"learning_rate": float("inf")}}, "learning_rate"),
        ({"model": None}, "model"),
        ({"training": {"checkpoint_seconds": -1}}, "checkpoint_seconds = -1: use a number from 0"),
        ({"training": {"warm_up": 2}}, "training.warm_up = 2: use a number from 0 to 1"),
        ({"training": {"steps": 0}}, "training.steps = 0: use a whole number from 1"),
        ({"training": {"checkpoint_every": 0}}, "checkpoint_every"),
        ({"keep_gb": -1}, "keep_gb"),
        ({"activations": ""}, "activations"),
        ({"activations": "s3://bucket/acts"}, "is no folder of this machine: name one"),
        ({"activations": "a\x07b"}, "activations"),
        ({"activations": "c.yaml"}, "activations = 'c.yaml' is a file: name a folder"),
        ({"activations": "$NOT_SET_ANYWHERE/acts"}, "NOT_SET_ANYWHERE isn't set"),
    ],
)
def test_wrong_config_is_one_line_and_exit_2(tmp_path, capsys, changes, message):
    with pytest.raises(SystemExit) as stop:
        main(["train-sae", write_config(tmp_path / "c.yaml", **changes), "--out", str(tmp_path / "out")])
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("text", [None, "[1, 2]", "a: [", ""])
def test_file_that_is_no_config_is_one_line_and_exit_2(tmp_path, capsys, text):
    if text is not None:
        (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(SystemExit) as stop:
        main(["train-sae", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_missing_sae_lens_names_the_extra(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "sae_lens", None)
    with pytest.raises(SystemExit) as stop:
        main(["train-sae", write_config(tmp_path / "c.yaml"), "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    assert "pip install '.[train]'" in capsys.readouterr().err


def test_options_replace_what_the_file_says(tmp_path):
    raw = {"model": "elsewhere", "corpus": {"dataset": "some/dataset", "max_tokens": 20}, "seeds": [0, 1]}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(raw))
    config = load_training_config(
        tmp_path / "c.yaml", model=str(tmp_path / "model"), corpus=str(tmp_path / "text.txt"), seeds=[1]
    )
    assert config.model == str(tmp_path / "model")
    assert config.corpus == CorpusConfig(path=str(tmp_path / "text.txt"), max_tokens=20)
    assert config.seeds == [1]


def test_paths_are_taken_from_the_files_own_folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "text.txt").write_text("words")
    (tmp_path / "c.yaml").write_text(
        yaml.safe_dump(
            {"model": "model", "corpus": {"path": "text.txt"}, "layers": 1, "activations": "kept/acts"}
        )
    )
    config = load_training_config(tmp_path / "c.yaml")
    assert (config.model, config.corpus.path) == (str(tmp_path / "model"), str(tmp_path / "text.txt"))
    assert config.activations == str(tmp_path / "kept/acts")
    assert config.layers == [1]


@pytest.mark.parametrize(
    "path",
    sorted(path for path in (ROOT / "demo").glob("*.yaml") if "training:" in path.read_text()),
    ids=lambda path: path.name,
)
def test_configs_of_the_demo_are_right(path):
    assert load_training_config(path).sae.k == 16


def test_config_of_the_documentation_is_right():
    page = (ROOT / "docs" / "training-saes.md").read_text()
    config = parse_training_config(yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0]))
    assert config.seeds == [0, 1]
