"""What a user can get wrong is one line that names it, exit code 2, and nothing stored is harmed."""

import copy
import shutil

import pytest
from command_line import congruence, in_process


def changed(config, path, value):
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    section = config
    for part in parents:
        section = section[part]
    section[last] = value
    return config


CASES = {
    "missing model folder": ("a.model", "./absent", "absent"),
    "missing SAE folder": ("a.saes", "./absent-saes", "absent-saes"),
    "missing corpus": ("corpus.path", "./absent.txt", "absent.txt"),
    "unknown measure": ("measures", ["rsaa"], "did you mean 'rsa'"),
    "unknown filter": ("filters", ["sharedtoken"], "did you mean 'shared_token'"),
    "unknown null": ("null", {"kind": "pairings"}, "did you mean 'pairing'"),
    "unknown pairing": ("pairing", {"method": "many_to_on"}, "did you mean 'many_to_one'"),
    "unknown hook": ("a.hook", "resid_pst", "resid_pst"),
    "layer without SAE": ("a.layers", [7], "7"),
    "unknown key": ("a.sae", "x", "did you mean 'saes'"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_and_exit_2(case, small_config, write_config, tmp_path, capsys):
    path, value, named = CASES[case]
    done = in_process(
        capsys, "run", write_config(changed(small_config, path, value)), "--out", tmp_path / "out"
    )
    assert done.returncode == 2, done.stderr
    assert named in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_model_without_sae(small_config, write_config, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    config = changed(small_config, "a.saes", str(tmp_path / "empty"))
    done = in_process(capsys, "run", write_config(config), "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "empty" in done.stderr


def test_sae_of_another_width(small_config, write_config, tmp_path, capsys):
    config = changed(small_config, "a.saes", small_config["b"]["saes"])
    config["a"].pop("other_seed")
    done = in_process(capsys, "run", write_config(config), "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "192" in done.stderr
    assert "96" in done.stderr


@pytest.mark.parametrize(("text", "named"), [("", "empty"), (" \n", "empty"), ("a", "token")])
def test_empty_and_too_short_corpus(small_config, write_config, tmp_path, capsys, text, named):
    (tmp_path / "text.txt").write_text(text)
    config = changed(small_config, "corpus", {"path": str(tmp_path / "text.txt")})
    done = in_process(capsys, "run", write_config(config), "--out", tmp_path / "out")
    assert done.returncode == 2
    assert named in done.stderr


def test_unequal_tokenizers(small_config, write_config, tmp_path, capsys):
    from tokenizers import Tokenizer

    other = tmp_path / "other"
    shutil.copytree(small_config["b"]["model"], other)
    tokenizer = Tokenizer.from_file(str(other / "tokenizer.json"))
    tokenizer.add_tokens(["once upon a time"])
    tokenizer.save(str(other / "tokenizer.json"))
    done = in_process(
        capsys, "run", write_config(changed(small_config, "b.model", str(other))), "--out", tmp_path / "out"
    )
    assert done.returncode == 2
    assert "different tokenizers" in done.stderr
    assert "corpus.pooling" in done.stderr


def test_unwritable_out(small_config, write_config, tmp_path, capsys):
    (tmp_path / "file").write_text("kept")
    done = in_process(capsys, "run", write_config(small_config), "--out", tmp_path / "file")
    assert done.returncode == 2
    assert "--out" in done.stderr
    assert (tmp_path / "file").read_text() == "kept"


def test_missing_config(tmp_path):
    done = congruence("run", tmp_path / "absent.yaml", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "absent.yaml" in done.stderr
