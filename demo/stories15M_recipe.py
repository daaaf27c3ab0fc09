"""`lan2024-tinystories` on stories15M: train its SAEs, run and audit it, and write the page's tables.

    python demo/stories15M_recipe.py stories15M/ stories.txt runs/tinystories [--page docs/reproduction.md]

What is finished in the folder is used as it is. SCALED says how the training differs from the published one;
of the last KEPT_APART stories, never trained on, COMPARED are compared on.
"""

import argparse
import json
import os
from pathlib import Path

import yaml
from tables import insert, table

from congruence.hook_names import hook_point
from congruence.recipes import RECIPES
from congruence.recipes.numbers import numbers_of
from congruence.recipes.running import RecipeRun, StandIns, audit_recipe, parts_table, run_recipe
from congruence.training.config import load_training_config
from congruence.training.sessions import train_saes

RECIPE = RECIPES.get("lan2024-tinystories")
KINDS = {"x16": "filtered", "topk-x16": "topk", "x8": "narrow", "topk-x8": "topk-narrow"}
"""Folder of the SAEs -> a part of the recipe that reads them."""
LAYER, LENGTH, DRAWS = 3, 128, 100
KEPT_APART, COMPARED = 500, 200
TRAINED_ON, HELD_OUT = 2200, 200
SCALED = {
    "steps": 400,
    "batch": 512,
    "decay": 0.2,
    "mixed_precision": True,
    "checkpoint_every": 100,
    "buffer": 32_768,
}
RATES = {"relu": 1e-3, "topk": 2e-3}
BETWEEN = "<|endoftext|>"


def texts(stories: Path, out: Path) -> tuple[Path, Path]:
    """The stories as two files: to train on, and to compare on."""
    found = [story.strip() for story in stories.read_text(encoding="utf-8").split(BETWEEN) if story.strip()]
    places = out / "training.jsonl", out / "comparison.jsonl"
    for place, part in zip(places, (found[:-KEPT_APART], found[-KEPT_APART:]), strict=True):
        place.write_text("".join(json.dumps({"text": story}) + "\n" for story in part), encoding="utf-8")
    return places


def train(model: Path, text: Path, out: Path) -> None:
    """The SAEs of each part, with the recipe's settings but for SCALED."""
    for kind, part in KINDS.items():
        wanted = RECIPE.train(part)
        rate = RATES[wanted["sae"]["architecture"]]
        scaled = {
            "layers": [LAYER],
            "training": {**SCALED, "learning_rate": rate},
            "threads": 1,
            "held_out_documents": HELD_OUT,
        }
        corpus = {"path": text.name, "documents": TRAINED_ON, "max_tokens": LENGTH}
        place = out / f"{kind}.yaml"
        place.write_text(
            yaml.safe_dump({**wanted, **scaled, "model": str(model), "corpus": corpus}), encoding="utf-8"
        )
        train_saes(load_training_config(place), out / "tinystories-saes" / kind)


def quality(out: Path) -> str:
    """FVU, L0 and dead features of every SAE, on stories it wasn't trained on."""
    rows = []
    for kind in KINDS:
        for path in sorted((out / "tinystories-saes" / kind).glob("seed*/*/training.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            found = record["quality"]
            seed, layer = record["seed"], hook_point(record["hook_name"]).layer
            numbers = [
                f"{found['fvu']:.3f}",
                f"{found['l0']:.1f}",
                f"{found['dead_share']:.1%}",
                f"{found['tokens']:,}",
            ]
            rows.append([kind, str(seed), str(layer), *numbers])
    return table(["SAEs", "seed", "layer", "FVU", "L0", "dead", "held-out tokens"], rows)


def claims(done: RecipeRun) -> str:
    """Each claim with its verdict."""
    rows = [[one.says, f"**{one.ours.verdict}**: {one.ours.why}"] for one in done.comparison.claims]
    return table(["claim", "here"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("stories", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--page", type=Path, help="put the tables between their marks of this page")
    given = parser.parse_args()
    model, page = given.model.resolve(), given.page.resolve() if given.page else None
    stories = given.stories.resolve()
    given.out.mkdir(parents=True, exist_ok=True)
    os.chdir(given.out)  # where the recipe's own paths to SAEs lead
    here = Path()
    for_training, for_comparison = texts(stories, here)
    train(model, for_training, here)
    at = str(LAYER)
    stand_ins = StandIns(
        a=str(model), b=str(model), layers_a=at, layers_b=at, corpus=str(for_comparison), documents=COMPARED
    )
    done = run_recipe(RECIPE, Path("right"), stand_ins=stand_ins, draws=DRAWS, force=True)
    numbers = {part: numbers_of(runs[0]) for part, runs in done.runs.items()}
    made = {"tinystories-saes": quality(here), "tinystories-parts": parts_table(RECIPE, numbers)}
    made["tinystories-claims"] = claims(done)
    found = audit_recipe(RECIPE, Path("audit"), stand_ins=stand_ins, draws=DRAWS, force=True).markdown()
    made["tinystories-audit"] = found.split("## The whole space\n\n")[1].split("\n\n")[0]
    for name, text in made.items():
        print(f"\n{name}\n\n{text}")
    if page:
        written = page.read_text(encoding="utf-8")
        for name, text in made.items():
            written = insert(written, name, text)
        page.write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
