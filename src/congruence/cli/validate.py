"""`congruence validate CONFIG`: everything that can be known to be wrong without loading a model."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from congruence.cli.init import is_hub_id
from congruence.cli.run import set_option
from congruence.errors import ConfigError, quoted


@click.command("validate")
@click.argument("config", type=click.Path(path_type=Path))
@set_option
def command(config: Path, changes: tuple[str, ...]) -> None:
    """Check the YAML file CONFIG without loading a model, and say what `congruence run` would do.

    Keys, names, options, values, paths, and which layers have SAEs. What lies on the Hub isn't looked up.
    Nothing is written. The exit code is 0 where nothing is wrong, else 2. `congruence doctor` goes further:
    it loads the models.
    """
    from congruence.config.changes import load_changed
    from congruence.config.run import RunConfig
    from congruence.config.steps import check_names
    from congruence.run.concept_stage import check_concepts
    from congruence.run.plan import Plan
    from congruence.sides.variants import check_controls

    loaded = load_changed(config, changes)
    run = loaded if isinstance(loaded, RunConfig) else loaded.shared
    check_names(run)
    check_controls(run)
    check_concepts(run.concepts)
    plan = Plan.of(run)
    sides = {"a": run.a, "b": run.b} if isinstance(loaded, RunConfig) else loaded.models
    under = "" if isinstance(loaded, RunConfig) else "models."
    layers = {name: _layers(f"{under}{name}", side) for name, side in sides.items()}
    for label, value in [*_sides(sides, layers), *_told(run, plan), ("cells", _cells(loaded, plan, layers))]:
        click.echo(f"{label:<{max(9, *map(len, sides)) + 1}}{value}")
    click.echo(f"{config} is valid: congruence run {config} --out DIR")


def _layers(name: str, side: Any) -> tuple[int, ...] | None:
    """The layers of a side, each with an SAE as far as files on this machine tell; None: not known yet."""
    from congruence.sides.shelf import Shelf
    from congruence.sides.side import hook_name
    from congruence.storage import Memo

    _check_place(f"{name}.model", side.model, "the model's folder")
    hook_name(side.hook, 0)
    asked = None if side.layers == "all" else tuple(side.layers)
    blocks = _blocks(side.model)
    if asked and blocks and max(asked) >= blocks:
        raise ConfigError(
            f"{name}.layers names {max(asked)}, and {side.label} has {blocks} blocks (0 to {blocks - 1}): "
            "correct layers"
        )
    if side.features != "sae":
        return asked or (tuple(range(blocks)) if blocks else None)
    for key in ("saes", "other_seed", "frozen_decoder"):
        for where in _paths(getattr(side, key)):
            _check_place(f"{name}.{key}", where, "the folder")
    if not all(_is_here(where) for where in _paths(side.saes)):
        return asked
    shelf = Shelf(side.saes, side, Memo(), sae_id=side.sae_id)
    layers = asked or shelf.layers
    if not layers:
        raise ConfigError(
            f"{name}.saes names no SAE whose layer its name tells: name layers, or a path for each"
        )
    for layer in layers:
        shelf.check(layer)
    return layers


def _paths(saes: Any) -> list[str]:
    """The places that a side's SAEs are named by."""
    entries = saes.values() if isinstance(saes, dict) else [saes]
    return [getattr(entry, "path", entry) for entry in entries if entry is not None]


def _is_here(where: Any) -> bool:
    from congruence.storage.places import stands_for_something

    return isinstance(where, str) and stands_for_something(Path(where))


def _check_place(key: str, where: Any, wanted: str) -> None:
    if isinstance(where, str) and not _is_here(where) and not is_hub_id(where):
        raise ConfigError(
            f"{key} = {quoted(where, 100)} doesn't exist: give {wanted}, or owner/name of the Hub"
        )


def _blocks(model: Any) -> int | None:
    """How many blocks a folder's config.json says; None where there is none that tells."""
    from congruence.storage import read_json

    config = Path(str(model)) / "config.json"
    if not isinstance(model, str) or not config.is_file():
        return None
    told = read_json(config)
    found = [told.get(name) for name in ("num_hidden_layers", "n_layer", "num_layers")]
    return next((one for one in found if isinstance(one, int)), None)


def _sides(sides: Mapping[str, Any], layers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The models, a line each."""
    for name, side in sides.items():
        on_hub = isinstance(side.model, str) and not Path(side.model).exists()
        of = "hidden units" if side.features == "neurons" else side.features.upper() + "s"
        told = "not known before it is looked up" if layers[name] is None else _numbers(layers[name])
        where = " on the Hub, not looked up" if on_hub else ""
        yield name, f"{side.label} ({side.model}{where}): {of}, layers {told}"


def _told(run: Any, plan: Any) -> Iterator[tuple[str, str]]:
    """What would be done, a line each."""
    corpus = run.corpus
    yield "corpus", f"{corpus.path or corpus.dataset}, {corpus.documents or 'all'} documents"
    keep = f", keep {run.pairing.keep}" if run.pairing.keep else ""
    yield "pairing", f"{run.pairing.method} from {run.pairing.from_} by {run.pairing.measure}{keep}"
    steps = [f"{s.name}({', '.join(f'{k}={v}' for k, v in s.options.items())})" for s in plan.filters]
    yield "filters", ", ".join(step.removesuffix("()") for step in steps) or "none"
    yield "measures", ", ".join(measure.label for measure in plan.measures)
    yield "null", f"{plan.null.name}, {run.null.draws:,} draws"
    if run.concepts:
        measures = ", ".join(measure.label for measure in plan.concept_measures)
        nulls = ", ".join(null.name for null in plan.concept_nulls)
        yield "concepts", f"by {measures} under {nulls}"
    if run.function:
        from congruence.config.steps import parse_step

        yield "function", ", ".join(parse_step(step, kind="function")[0] for step in run.function)


def _cells(loaded: Any, plan: Any, layers: Mapping[str, Any]) -> str:
    """How many layer pairs and scores there would be."""
    pairs = getattr(loaded, "pairs", None)
    if pairs is not None:
        every = (
            "" if None in layers.values() else f", {sum(_size(layers, one) for one in pairs):,} layer pairs"
        )
        return f"{len(pairs)} pairs of {len(layers)} models{every}; the text of each model is read once"
    run = loaded
    if layers["a"] is None or layers["b"] is None:
        return "every layer of a with every layer of b"
    a, b = len(layers["a"]), len(layers["b"])
    grids = [control for control in run.controls if control != "other_seed"]
    scores = a * b * (1 + len(grids)) * len(plan.measures)
    more = f", and {a * b} for each of the controls {', '.join(grids)}" if grids else ""
    ceilings = [name for name in ("a", "b") if getattr(run, name).other_seed is not None]
    more += f", and the ceilings of {' and '.join(ceilings)}" if ceilings else ""
    return f"{a * b} layer pairs ({a} × {b}){more}: {scores} scores, {scores * run.null.draws:,} null scores"


def _size(layers: Mapping[str, Any], names: tuple[str, str]) -> int:
    return len(layers[names[0]]) * len(layers[names[1]])


def _numbers(layers: tuple[int, ...]) -> str:
    """Layers as people write them.

    >>> _numbers((0, 1, 2, 5)), _numbers((3,))
    ('0-2, 5', '3')
    """
    runs: list[list[int]] = []
    for layer in sorted(layers):
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
