"""`init`, `validate` and `--set`: a configuration is written, checked and changed without loading a model."""

import subprocess
import sys

import pytest
import yaml
from command_line import in_process

from congruence import load_run
from congruence.config import load_config
from congruence.config.changes import load_changed
from congruence.errors import ConfigError


@pytest.fixture
def written(demo_assets, tmp_path, capsys):
    saes = demo_assets / "saes"
    done = in_process(
        capsys, "init", demo_assets / "small", demo_assets / "large", "--saes-a", saes / "small",
        "--saes-b", saes / "large", "--out", tmp_path / "config.yaml",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return tmp_path / "config.yaml"


def test_what_init_writes_is_a_commented_configuration(written, demo_assets):
    config = load_config(written, there=True)
    assert config.a.saes == str(demo_assets / "saes" / "small")
    assert config.null.draws == 1000
    text = written.read_text()
    assert "# Number of null scores; p can't be smaller than 1 / (1 + draws)." in text
    assert "# controls: [rerandomized]" in text
    # what is offered as a comment is what a run does without it
    offered = text.replace("  # hook: ", "  hook: ").replace("  # skip_first: ", "  skip_first: ")
    assert yaml.safe_load(offered)["a"]["hook"] == config.a.hook == "resid_post"


def test_init_without_saes_compares_hidden_units(demo_assets, capsys, tmp_path):
    done = in_process(capsys, "init", demo_assets / "small", "org/large", "--corpus", "org/text")
    assert done.returncode == 0, done.stderr
    (tmp_path / "c.yaml").write_text(done.stdout)
    config = load_config(tmp_path / "c.yaml", there=True)
    assert (config.a.features, config.b.model, config.corpus.dataset) == ("neurons", "org/large", "org/text")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["./nowhere", "org/b"], "MODEL_A = './nowhere' doesn't exist"),
        (["org/a", "org/b", "--saes-b", "/no/saes"], "--saes-b = '/no/saes' doesn't exist"),
        (["org/a", "org/b", "--corpus", "no.txt"], "--corpus = 'no.txt' doesn't exist"),
        (["org/a", ""], "MODEL_B = '' doesn't exist"),
    ],
)
def test_init_refuses_what_is_nowhere(capsys, arguments, said):
    done = in_process(capsys, "init", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_init_overwrites_nothing(written, capsys):
    before = written.read_text()
    done = in_process(capsys, "init", "org/a", "org/b", "--out", written)
    assert done.returncode == 2
    assert "exists: name another file" in done.stderr
    assert written.read_text() == before


def test_validate_says_what_would_be_run(written, capsys):
    done = in_process(capsys, "validate", written, "--set", "a.layers=[1, 2]", "--set", "null.draws=50")
    assert done.returncode == 0, done.stderr
    assert "10 layer pairs (2 × 5): 40 scores, 2,000 null scores" in done.stdout
    assert "pairing, 50 draws" in done.stdout
    assert "is valid" in done.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("a.layers=[9]", "small has 5 blocks (0 to 4)"),
        ("a.model=/no/where", "a.model = '/no/where' doesn't exist"),
        ("b.saes=/no/where", "b.saes = '/no/where' doesn't exist"),
        ("a.saes.2=org/saes", "a.saes is"),
        ("corpus.path=no.txt", "doesn't exist"),
        ("null.strata=3", "takes no options"),
        ("null.drws=3", "did you mean 'draws'"),
        ("nul.draws=3", "unknown key 'nul': did you mean 'null'? known are a, b,"),
        ("corpus.docments=3", "unknown key of corpus 'docments': did you mean 'documents'"),
        ("null.draws", "isn't KEY=VALUE"),
        ("null.draws=[", "isn't valid YAML"),
        ("null.draws=many", "null.draws = 'many'"),
        ("measures=[rsb]", "did you mean 'rsa'"),
        ("measures.rsa=1", "measures is"),
        ("controls=[rerandomised]", "did you mean 'rerandomized'"),
        ("concepts=[Fruits]", "Fruits"),
        ("a.hook=resid_pots", "did you mean 'resid_post'"),
    ],
)
def test_validate_refuses_in_one_line(written, capsys, change, said):
    done = in_process(capsys, "validate", written, "--set", change)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_validate_loads_no_model(written):
    code = (
        "import sys; from congruence.cli.main import commands; "
        f"commands.main(['validate', {str(written)!r}], standalone_mode=False); "
        "assert not any(name.startswith('transformers.models.gpt_neox') for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_sections_that_are_not_there_are_made_and_others_kept(written):
    changed = load_changed(written, ["concepts.draws=9", "pairing.keep=first", "seed=7"])
    assert (changed.concepts.draws, changed.pairing.keep, changed.pairing.method) == (
        9,
        "first",
        "many_to_one",
    )
    assert changed.seed == 7
    with pytest.raises(ConfigError, match="seed is 0, not a section"):
        load_changed(written, ["seed.of=3"])


def test_a_run_is_changed_too(written, capsys, tmp_path):
    done = in_process(capsys, "run", written, "--out", tmp_path / "out", "--set", "nul.draws=3")
    assert done.returncode == 2
    assert "unknown key 'nul'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_demo_is_changed_too(capsys, tmp_path):
    changes = [
        "a.layers=[2]",
        "b.layers=[2]",
        "corpus.documents=12",
        "measures=[rsa]",
        "verdicts=false",
    ]
    arguments = [word for change in changes for word in ("--set", change)]
    place = ("demo", "--draws", 20, "--out", tmp_path / "run", "--no-progress")
    done = in_process(capsys, *place, *arguments)
    assert done.returncode == 0, done.stderr
    run = load_run(tmp_path / "run")
    assert run.real_cells[["layer_a", "layer_b"]].to_numpy().tolist() == [[2, 2]]
    assert run.measures == ["rsa"]
    refused = in_process(capsys, *place, "--set", "a.layer=2")
    assert refused.returncode == 2
    assert "a.layer" in refused.stderr
