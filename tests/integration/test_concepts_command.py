"""`congruence concepts` from the command line."""

import json

import pytest
from command_line import in_process

from congruence.concepts import read_concepts


def test_list_and_show(capsys):
    listed = in_process(capsys, "concepts", "list")
    assert listed.returncode == 0
    assert "MonthNames" in listed.stdout
    assert "83" in listed.stdout
    shown = in_process(capsys, "concepts", "show", "monthnames", "Nature")
    assert "September" in shown.stdout
    assert "twig" in shown.stdout


def test_build_from_files_and_show_provenance(capsys, tmp_path):
    for name, words in (
        ("a", "joy, fear, spring, hope"),
        ("b", "Joy, fear, spring"),
        ("c", "fear, joy, spring, x"),
    ):
        (tmp_path / f"{name}.yaml").write_text(f"Feelings: [{words}]\n")
    out = tmp_path / "feelings.json"
    files = [argument for name in "abc" for argument in ("--from", tmp_path / f"{name}.yaml")]
    built = in_process(capsys, "concepts", "build", "--out", out, *files, "--wordnet", "packaged")
    assert built.returncode == 0, built.stderr
    assert "removed spring: 2 dominant senses" in " ".join(built.stdout.split())
    feelings = read_concepts(out)[0]
    assert feelings.keywords[:2] == ("joy", "fear")
    assert len(json.loads(out.read_text())["concepts"][0]["provenance"]["lists"]) == 3
    shown = in_process(capsys, "concepts", "show", out, "--provenance")
    assert "added" in shown.stdout


def test_check_says_what_is_one_token(capsys, shared):
    model = shared / "models" / "stories15M"
    checked = in_process(capsys, "concepts", "check", "MonthNames", "Emotions", "--tokenizer", model)
    assert checked.returncode == 0, checked.stderr
    lines = {line.split()[0]: line.split()[1:] for line in checked.stdout.splitlines() if line.strip()}
    assert lines["MonthNames"] == ["12", "12", "2"]
    assert "␣g|lee" in checked.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "Emotion"], "did you mean 'Emotions'"),
        (["show", "missing.yaml"], "doesn't exist"),
        (["list", "missing.csv"], "must end in"),
        (["build", "--out", "x.json"], "nothing to build from"),
        (["build", "--out", "x.json", "--concept", "Fruit"], "--model is missing"),
        (["check", "Time", "--tokenizer", "no/such/folder"], "no tokenizer in"),
        (["build", "--out", "x.json", "--from", "b.yaml", "--wordnet", "nowhere"], "doesn't hold WordNet"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.yaml").write_text("Fruit: [apple]\n")
    done = in_process(capsys, "concepts", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
