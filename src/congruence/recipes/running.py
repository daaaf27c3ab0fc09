"""A recipe from nothing to its comparison: its parts and repeated runs, on its own models or stand-ins."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from congruence.config import RunConfig, parse_config
from congruence.config.steps import check_names
from congruence.errors import ConfigError
from congruence.recipes.comparison import OTHER_TEXT, STAND_IN, Comparison, compared
from congruence.recipes.numbers import Frame, Numbers, mean_and_spread, numbers_of
from congruence.recipes.recipe import WHOLE, Recipe
from congruence.run import Run, compare, load_run
from congruence.storage.atomic import write_text

PAGE = "comparison.md"


@dataclass(frozen=True)
class StandIns:
    """What takes the place of a recipe's own models, SAEs, layers and text; None leaves it.

    Attributes:
        a, b: folders or Hub ids of models.
        saes_a, saes_b: folders or Hub ids of SAEs.
        layers_a, layers_b: as a configuration writes layers.
        corpus: a file or folder of text.
        documents, max_tokens: how much of it.
    """

    a: str | None = None
    b: str | None = None
    saes_a: str | None = None
    saes_b: str | None = None
    layers_a: Any = None
    layers_b: Any = None
    corpus: str | None = None
    documents: int | None = None
    max_tokens: int | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    def config(self, config: RunConfig, *, force: bool = False) -> RunConfig:
        """The configuration with its stand-ins, checked.

        Raises:
            ConfigError: one of them isn't there, or can't stand where it is put.
        """
        raw = config.model_dump(by_alias=True, mode="json", exclude_unset=True)
        for side in ("a", "b"):
            model, saes, layers = (getattr(self, name) for name in (side, f"saes_{side}", f"layers_{side}"))
            if model is not None:
                raw[side]["model"] = model
                raw[side].pop("revision", None)
            if saes is not None:
                raw[side] |= {"saes": saes, "sae_id": None}
                raw[side].pop("other_seed", None)
                raw[side].pop("frozen_decoder", None)
            if layers is not None:
                raw[side]["layers"] = layers
        raw["corpus"] |= self._text(raw["corpus"])
        if force:
            raw["force"] = True
        resolved = parse_config({key: value for key, value in raw.items() if value is not None}, there=True)
        check_names(resolved)
        return resolved

    def _text(self, corpus: Mapping[str, Any]) -> dict[str, Any]:
        amount = {"documents": self.documents, "max_tokens": self.max_tokens}
        changes: dict[str, Any] = {name: value for name, value in amount.items() if value is not None}
        if self.corpus is not None:
            changes |= {"path": self.corpus, "dataset": None, "dataset_config": None}
        if self.documents is not None and corpus.get("skip_documents"):
            changes["skip_documents"] = corpus["skip_documents"] // corpus["documents"] * self.documents
        return changes

    def mark(self, recipe: Recipe, run: Run) -> str:
        """Why a run's numbers aren't the paper's: models of other sizes are known by these."""
        if any((self.a, self.b, self.saes_a, self.saes_b)) or not _of_their_size(recipe, run):
            return STAND_IN
        return OTHER_TEXT if self.corpus else ""


def _of_their_size(recipe: Recipe, run: Run) -> bool:
    if recipe.widths is None:
        return True
    for side, (d_model, d_sae) in zip(("a", "b"), recipe.widths, strict=True):
        there = run.info["sides"][side]
        widths = set(there.get("d_sae", {}).values()) or {d_sae}
        if there["d_model"] != d_model or widths != {d_sae}:
            return False
    return True


@dataclass(frozen=True)
class RecipeRun:
    """A finished recipe.

    Attributes:
        folder: where everything lies.
        runs: part -> its repeated runs.
        comparison: what was found, beside the published numbers.
    """

    folder: Path
    runs: Mapping[str, list[Run]]
    comparison: Comparison


def run_recipe(
    recipe: Recipe,
    out: Path,
    *,
    stand_ins: StandIns | None = None,
    as_published: bool = False,
    draws: int | None = None,
    runs: int = 1,
    beside: Path | None = None,
    force: bool = False,
    progress: bool = True,
    draw: Callable[[Path], object] | None = None,
) -> RecipeRun:
    """Run a recipe and lay its numbers beside the published ones.

    Finished work in `out` is used as it is. A recipe of several parts, or of several runs, has a folder for
    each below `out`; comparison.md, comparison.csv and, of repeated runs, spread.csv stand in `out` itself.

    Args:
        recipe: one of `RECIPES`.
        out: folder.
        stand_ins: local copies, or other models, in place of the recipe's.
        as_published: with the published code's quirks.
        draws: null scores of each test in place of the recipe's.
        runs: repeated runs on other samples of the text with other seeds.
        beside: folder of the finished run that some claims need as well, such as the many-to-1 one.
        force: run although an SAE doesn't fit.
        progress: show bars.
        draw: draws each run's pictures, e.g. `congruence.report.draw`.

    Raises:
        CongruenceError: in one line.
    """
    stand_ins = stand_ins or StandIns()
    other = numbers_of(load_run(beside)) if beside else None
    if runs < 1:
        raise ConfigError(f"runs is {runs}: it takes at least 1")
    names, left_out = _parts(recipe, stand_ins)
    plans = {
        (name, number): stand_ins.config(
            recipe.build(part=name, as_published=as_published, draws=draws, run=number), force=force
        )
        for name in names
        for number in range(runs)
    }
    finished: dict[str, list[Run]] = {name: [] for name in names}
    for (name, number), config in plans.items():
        place = out / name if name else out
        place = place / f"run-{number + 1}" if runs > 1 else place
        finished[name].append(compare(config, out=place, progress=progress, force=force, draw=draw))
    return _laid_out(
        recipe, out, finished, stand_ins, as_published=as_published, beside=other, left_out=left_out
    )


def _parts(recipe: Recipe, stand_ins: StandIns) -> tuple[list[str], list[str]]:
    """The parts that are run; and those that differ from the first by their SAEs, where others stand in."""
    names = list(recipe.parts) or [WHOLE]
    first = recipe.build(part=names[0])

    def replaced(name: str) -> bool:
        config = recipe.build(part=name)
        given = (stand_ins.saes_a, config.a, first.a), (stand_ins.saes_b, config.b, first.b)
        return any(saes is not None and own.saes != of_first.saes for saes, own, of_first in given)

    left_out = [name for name in names if replaced(name)]
    return [name for name in names if name not in left_out], left_out


def _laid_out(
    recipe: Recipe,
    out: Path,
    finished: Mapping[str, list[Run]],
    stand_ins: StandIns,
    *,
    as_published: bool,
    beside: Numbers | None,
    left_out: Sequence[str],
) -> RecipeRun:
    """Compare what was found and write it down."""
    numbers: dict[str, Numbers] = {}
    spreads = []
    for name, runs in finished.items():
        if len(runs) == 1:
            numbers[name] = numbers_of(runs[0])
            continue
        numbers[name], spread = mean_and_spread([numbers_of(run) for run in runs])
        spreads.append(spread.assign(part=name))
    first, *others = numbers
    mark = stand_ins.mark(recipe, finished[first][0])
    notes = _notes(recipe, numbers, spreads)
    if left_out:
        notes.append(f"Left out, as their own SAEs were replaced: {', '.join(left_out)}.")
    sister = numbers[others[0]] if others else beside
    comparison = compared(
        recipe,
        numbers[first],
        beside=sister,
        as_published=as_published,
        mark=mark,
        notes=notes,
        parts=numbers,
    )
    _write(out / PAGE, comparison.markdown())
    tables = [laid.cells.assign(quantity=laid.quantity, source=laid.source) for laid in comparison.tables]
    if tables:
        _write(out / "comparison.csv", pd.concat(tables).assign(mark=mark).to_csv(index=False))
    if spreads:
        _write(out / "spread.csv", pd.concat(spreads).assign(mark=mark).to_csv(index=False))
    return RecipeRun(out, finished, comparison)


def _notes(recipe: Recipe, numbers: Mapping[str, Numbers], spreads: list[Frame]) -> list[str]:
    notes = []
    if recipe.parts:
        notes.append("Means over layer pairs of each part; the claims and tables below are of the first.")
        notes.append(parts_table(recipe, numbers))
    if spreads:
        table: Frame = pd.concat(spreads)
        for measure in ("pc1_correlation", "rsa"):
            std = table[(table.quantity == measure) & (table.concept == "all")]["std"]
            if std.notna().any():
                most = f"{std.max():.3f} (variance {std.max() ** 2:.4f})"
                notes.append(f"{measure}: between runs, a layer pair's standard deviation is at most {most}.")
    return notes


OF_PARTS = {"pairs": 0, "mean r after filters": 2, "pc1_correlation": 3, "pc1_correlation null": 3, "rsa": 3,
            "translation_accuracy": 3, "svcca": 3}  # fmt: skip
"""What a recipe's page says of each part, and to how many digits."""


def parts_table(recipe: Recipe, numbers: Mapping[str, Numbers]) -> str:
    """Means over layer pairs of each part, beside what the paper prints of it."""
    heads = ["part", *OF_PARTS, *(["the paper's SVCCA"] if recipe.printed else [])]
    rows = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, one in numbers.items():
        means = {quantity: one.grid(quantity).stack().mean() for quantity in OF_PARTS}
        cells = [name, *(f"{mean:,.{OF_PARTS[quantity]}f}" for quantity, mean in means.items())]
        cells += [recipe.printed.get(name, "")] if recipe.printed else []
        rows.append(f"| {' | '.join(cells)} |".replace("| nan |", "| – |"))
    return "\n".join(rows)


def _write(path: Path, text: str) -> None:
    """Put a file in its place in one step.

    Raises:
        StorageError: it can't be written.
    """
    write_text(path, text)


def audit_recipe(
    recipe: Recipe,
    out: Path,
    *,
    stand_ins: StandIns | None = None,
    draws: int | None = None,
    part: str = WHOLE,
    force: bool = False,
    progress: bool = True,
) -> Any:
    """How much each quirk of the published code moves a recipe's result, alone and all together.

    Args:
        recipe: one of `RECIPES`.
        out: folder.
        stand_ins: what takes the place of its models, SAEs and text.
        draws: null scores of each test in place of the recipe's.
        part: of a recipe that takes several runs; the first where none is named.
        force: run although an SAE doesn't fit.
        progress: show bars.

    Returns:
        The audit: `.table`, and `.markdown()`, which also stands in audit.md.

    Raises:
        CongruenceError: in one line.
    """
    from congruence.recipes.audit import audit

    stand_ins = stand_ins or StandIns()
    config = stand_ins.config(recipe.build(part=part, draws=draws), force=force)
    quirks = recipe.build(part=part, as_published=True).quirks
    return audit(config, quirks, out, progress=progress)
