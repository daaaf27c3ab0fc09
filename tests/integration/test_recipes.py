"""Recipes end to end on stand-ins of the real layouts, and what is laid beside the published numbers."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from command_line import in_process
from huggingface_hub import constants

import stand_ins
from congruence.config import parse_config
from congruence.recipes import RECIPES
from congruence.recipes.comparison import STAND_IN
from congruence.recipes.demo import demo_folder
from congruence.recipes.extensions import STEPS
from congruence.saes.release_names import find_release

TEXT = demo_folder() / "text" / "comparison.jsonl"
SMALL = ("--corpus", TEXT, "--documents", 12, "--max-tokens", 48, "--draws", 9, "--force", "--no-progress")
FEW = {
    "pythia": ("2-4", "4-6"), "gemma": ("10,12", "14,18"), "semantic-pythia": ("3", "5"),
    "semantic-gemma": ("12", "14"), "son2025": ("6,10", "2,19"), "son2025-multi-token": ("6", "2"),
    "base-and-fine-tuned-gemma": ("10", "10,14"), "widths-gemma": ("12", "12"), "checkpoints-pythia": ("2", "2"),
    "lan2024-neurons": ("2", "2,3"), "lan2024-mlp": ("2", "2,3"), "attention-pythia": ("2", "2,3"),
    "non-concept-tokens-pythia": ("2", "2"),
}  # fmt: skip
"""Layers of a and b to which a recipe is cut; the longest name that is part of its own counts."""


def layers_of(name: str) -> tuple:
    fitting = [part for part in FEW if part in name]
    if not fitting:
        return ()
    a, b = FEW[max(fitting, key=len)]
    return ("--layers-a", a, "--layers-b", b)


@pytest.fixture(scope="module")
def pythia(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("pythia")
    for one in (stand_ins.PYTHIA_70M, stand_ins.PYTHIA_160M):
        stand_ins.make(one, root)
    return root


def replaced(root: Path, a=stand_ins.PYTHIA_70M, b=stand_ins.PYTHIA_160M) -> tuple:
    return (
        "--a",
        root / a.model,
        "--b",
        root / b.model,
        "--saes-a",
        root / a.saes,
        "--saes-b",
        root / b.saes,
    )


@pytest.mark.parametrize("name", list(RECIPES))
def test_what_show_prints_is_the_recipe(name, capsys) -> None:
    for flags in ((), ("--as-published",)):
        shown = in_process(capsys, "recipe", "show", name, *flags)
        config = parse_config(yaml.safe_load(shown.stdout))
        built = RECIPES.get(name).build(as_published=bool(flags))
        assert parse_config(built.model_dump(by_alias=True, mode="json", exclude_unset=True)) == config
        assert bool(config.quirks) == bool(flags)


def test_every_recipe_is_listed_with_what_it_takes(capsys) -> None:
    shown = in_process(capsys, "recipe", "list", "--json").stdout.splitlines()
    rows = [yaml.safe_load(line) for line in shown]
    assert [row["name"] for row in rows] == list(RECIPES)
    assert all(
        row[key] for row in rows for key in ("models", "layers", "tokens", "gpu", "disk", "time", "shows")
    )
    words = in_process(capsys, "recipe", "list").stdout
    assert all(f"\n{name}\n" in f"\n{words}" for name in RECIPES)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "lan2024-pithia"), "unknown recipe 'lan2024-pithia': did you mean 'lan2024-pythia'?"),
        (
            ("show", "lan2024-pythia", "--training"),
            "recipe lan2024-pythia trains no SAEs: leave --training out",
        ),
        (("show", "lan2024-pythia", "--part", "x"), "recipe lan2024-pythia has no part 'x'"),
        (("run", "lan2024-pythia", "--corpus", "nowhere.txt", "--out", "o"), "'nowhere.txt' doesn't exist"),
        (("run", "lan2024-pythia", "--beside", "nowhere", "--out", "o"), "'nowhere' isn't a folder"),
    ],
)
def test_what_is_wrong_is_one_line(arguments, told, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = in_process(capsys, "recipe", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert told in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_two_runs_of_a_recipe_beside_the_published_numbers(pythia, tmp_path, capsys) -> None:
    name, layers = "lan2024-pythia", layers_of("lan2024-pythia")
    done = in_process(
        capsys, "recipe", "run", name, *replaced(pythia), *layers, *SMALL, "--no-pictures", "--runs", 2,
        "--as-published", "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "comparison.md").read_text()
    assert STAND_IN in page
    assert STAND_IN in done.stdout
    assert "Variant: as published. Numbers: mean of 2 runs." in page
    cells = pd.read_csv(tmp_path / "out" / "comparison.csv")
    assert set(cells.mark) == {STAND_IN}
    ours = cells[cells.quantity == "pc1_correlation"].set_index(["layer_a", "layer_b"])
    assert ours.published.loc[(2, 5)] == pytest.approx(0.6782)
    spread = pd.read_csv(tmp_path / "out" / "spread.csv")
    rows = spread[(spread.quantity == "pc1_correlation") & (spread.concept == "all")]
    assert (len(rows), set(rows.runs)) == (9, {2})
    mean = rows.set_index(["layer_a", "layer_b"])["mean"]
    assert mean.loc[(2, 5)] == pytest.approx(ours.ours.loc[(2, 5)])
    assert (rows["std"] > 0).all()


@pytest.fixture(scope="module")
def everything(tmp_path_factory) -> Path:
    """Every stand-in, and a Hub cache of them with a revision for each checkpoint."""
    root = tmp_path_factory.mktemp("stand-ins")
    for one in stand_ins.STAND_INS.values():
        stand_ins.make(one, root)
    on_the_hub = [name for name in stand_ins.STAND_INS if name != stand_ins.TINYSTORIES.model]
    stand_ins.make_cache(root, root / "hub", on_the_hub)
    stand_ins.into_cache(root / stand_ins.GEMMA_2_2B.model, root / "hub", "google/gemma-2-2b-it")
    stand_ins.into_cache(root / stand_ins.TINYSTORIES.model, root / "hub", stand_ins.TINYSTORIES.model)
    refs = root / "hub" / f"models--{stand_ins.PYTHIA_70M.model.replace('/', '--')}" / "refs"
    for step in STEPS:
        (refs / f"step{step}").write_text(stand_ins.SHA)
    (root / "here").mkdir()
    (root / "here" / "pythia-70m-other-seed").symlink_to(root / stand_ins.PYTHIA_70M.saes)
    (root / "here" / "tinystories-saes").symlink_to(root / "tinystories-saes")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["right", "as published"])
@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_runs_by_its_own_hub_ids(
    name, variant, everything, tmp_path, capsys, monkeypatch
) -> None:
    recipe = RECIPES.get(name)
    if "gemma-2b-res-jb" in recipe.facts["saes"] and find_release("gemma-2b-res-jb") is None:
        pytest.skip("sae-lens isn't installed, so its release names are unknown")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(everything / "hub"))
    monkeypatch.setattr("transformers.utils.hub.TRANSFORMERS_CACHE", str(everything / "hub"), raising=False)
    monkeypatch.chdir(everything / "here")
    flags = ("--as-published",) if variant == "as published" else ()
    done = in_process(
        capsys,
        "recipe",
        "run",
        name,
        *layers_of(name),
        *SMALL,
        "--no-pictures",
        *flags,
        "--out",
        tmp_path / "out",
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "comparison.md").read_text()
    assert f"Variant: {variant}." in page
    assert (STAND_IN in page) == (recipe.widths is not None)
    if recipe.published:
        assert "## Beside the published numbers" in page
        assert "| **" in page


@pytest.mark.slow
def test_audit_of_a_recipe_with_phrases_from_the_command_line(everything, tmp_path, capsys) -> None:
    """Concepts and phrases have a section each, and the quirks of concepts move them alone."""
    of_one_kind = "layer_{layer}/width_16k/canonical"
    places = []
    for side, one in (("a", stand_ins.GEMMA_2_2B), ("b", stand_ins.GEMMA_2_9B)):
        places += [f"--{side}", everything / one.model, f"--saes-{side}", everything / one.saes / of_one_kind]
    done = in_process(
        capsys, "recipe", "audit", "son2025-multi-token", *places, *layers_of("son2025-multi-token"), *SMALL,
        "--documents", 60, "--out", tmp_path / "audit",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "audit" / "audit.md").read_text()
    assert page.strip() in done.stdout
    sections = dict(section.split("\n", 1) for section in page.split("\n## ")[1:])
    phrases = sections["Concept subspaces: multi_token"]
    rows = {line.split(" | ")[0].strip("| `*"): line for line in phrases.splitlines() if line.startswith("|")}
    quirks = RECIPES.get("son2025-multi-token").build(as_published=True).quirks
    assert set(rows) >= {"none", *quirks, "all"}
    active = rows["multi_token_by_activity"]
    assert "no score" not in active
    assert "nan" not in page
    change = active.split(" | ")[1].split("(")[1].strip(") ")
    assert int(change.replace(",", "")) != 0  # other members than those of phrases
    whole = [line for line in sections["The whole space"].splitlines() if "multi_token_by_activity" in line]
    assert "(+0)" in whole[0]
    pieces = [
        line
        for line in sections["Concept subspaces: semantic"].splitlines()
        if "whole_token_keywords" in line
    ]
    assert len(pieces) == 1
