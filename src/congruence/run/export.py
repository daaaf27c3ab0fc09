"""A run's tables for other programs: plain Parquet, a map for embedding-atlas, lists for Neuronpedia."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from congruence.errors import InputError, StorageError
from congruence.options import choice
from congruence.run.decoder_map import decoder_map
from congruence.run.results import Run, load_run
from congruence.run.schema import TABLES
from congruence.storage import atomic_path, write_text

TARGETS = ("parquet", "embedding-atlas", "neuronpedia")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        paths: the files.
        notes: what is missing in them, and why; how they are opened.
    """

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = field(default=())


def export(
    run_dir: str | Path | Run,
    to: str,
    out: str | Path,
    *,
    layers: Sequence[tuple[int, int]] = (),
    neuronpedia: dict[str, str] | None = None,
) -> Exported:
    """Write a run's tables for another program.

    ``parquet``: results, cells, matches and keywords, lists and mappings as JSON text, so that any reader of
    flat tables opens them. ``embedding-atlas``: a row for each feature of each pair: id, x, y (principal
    components of the layer's decoder rows), text (top tokens), neighbors, side, layer, feature, partner, r,
    margin, verdict. ``neuronpedia``: for each side a JSON list of kept features with modelId, layer (source)
    and index, as its lists take them, with a description that names the partner.

    Args:
        run_dir: a finished run, or its folder.
        to: one of TARGETS.
        out: a folder that is made.
        layers: layer pairs; by default all.
        neuronpedia: for "neuronpedia", side -> model and source there, such as "gpt2-small/6-res-jb", with
            {layer} for the layer.

    Raises:
        InputError: an unknown target or layer pair, a run without matches, or sources that aren't named.
        StorageError: `run_dir` isn't a finished run or `out` can't be written to.
    """
    choice("to", to, TARGETS)
    run, folder = load_run(run_dir), Path(out)
    if folder.resolve().is_relative_to(run.path.resolve()):
        raise StorageError(f"--out {folder} lies inside the run: name a folder outside of {run.path}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if to == "parquet":
            return _parquet(run, folder)
        matches = _matches(run, layers)
        if to == "embedding-atlas":
            return _atlas(run, matches, folder)
        return _lists(run, matches, folder, neuronpedia)
    except OSError as error:
        raise StorageError(f"--out {folder} can't be written: {error.strerror or error}") from error


def _parquet(run: Run, folder: Path) -> Exported:
    paths = []
    for name, columns in TABLES.items():
        if not run.holds(name):
            continue
        found = run.features() if name == "features" else getattr(run, name)
        table = cast(pd.DataFrame, found).copy()
        for column in columns:
            if column.kind in ("texts", "record", "records"):
                table[column.name] = [_json(cell) for cell in table[column.name]]
        paths.append(_as_parquet(folder / f"{name}.parquet", table))
    return Exported(tuple(paths))


def _matches(run: Run, layers: Sequence[tuple[int, int]]) -> pd.DataFrame:
    if not run.holds("matches"):
        raise InputError(f"{run.path} keeps no matches: run again to have them")
    everything = run.matches
    real = cast(pd.DataFrame, everything[everything.control == "none"])
    there = set(zip(real.layer_a, real.layer_b, strict=True))
    for pair in layers:
        if tuple(pair) not in there:
            raise InputError(
                f"layers {pair[0]},{pair[1]} have no pairs in {run.path}: name layers of its cells"
            )
    if layers:
        wanted = {tuple(pair) for pair in layers}
        keep = [place in wanted for place in zip(real.layer_a, real.layer_b, strict=True)]
        real = cast(pd.DataFrame, real[keep])
    return real.reset_index(drop=True)


def _atlas(run: Run, matches: pd.DataFrame, folder: Path) -> Exported:
    parts, notes, start = [], [], 0
    for side, other in (("a", "b"), ("b", "a")):
        for place, pairs in matches.groupby([f"layer_{side}", f"layer_{other}"], sort=True):
            layer, across = cast(tuple[int, int], place)
            part, missing = _of_side(run, pairs, side, (int(layer), int(across)), start)
            parts.append(part)
            start += len(part)
            notes += [] if not missing or missing in notes else [missing]
    table = pd.concat(parts, ignore_index=True)
    path = _as_parquet(folder / "features.parquet", table)
    columns = "--text text" if notes else "--text text --x x --y y --neighbors neighbors"
    return Exported((path,), (*notes, f"open it: embedding-atlas {path} {columns}"))


def _of_side(
    run: Run, pairs: pd.DataFrame, side: str, layers: tuple[int, int], start: int
) -> tuple[pd.DataFrame, str]:
    """One row a pair, seen from one side, and what is missing."""
    (layer, across), other = layers, "b" if side == "a" else "a"
    features = pairs[f"feature_{side}"].to_numpy()
    table = pd.DataFrame(
        {
            "id": np.arange(start, start + len(pairs)),
            "text": [" · ".join(map(_visible, tokens)) for tokens in pairs[f"top_tokens_{side}"]],
            "model": run.side_name(side), "side": side, "layer": layer, "feature": features,
            "partner_model": run.side_name(other), "partner_layer": across,
            "partner": pairs[f"feature_{other}"].to_numpy(),
            "partner_text": [" · ".join(map(_visible, tokens)) for tokens in pairs[f"top_tokens_{other}"]],
            "r": pairs.r.to_numpy(), "margin": pairs.margin.to_numpy(), "mutual": pairs.mutual.to_numpy(),
            "firings": pairs[f"firings_{side}"].to_numpy(), "cofirings": pairs.cofirings.to_numpy(),
            "verdict": np.where(pairs.kept, "kept", "removed by " + pairs.removed_by.astype(str)),
        }
    )  # fmt: skip
    try:
        found = decoder_map(run, side, layer, features)
    except InputError as error:
        empty = [{"ids": [], "distances": []} for _ in range(len(table))]
        return table.assign(x=np.nan, y=np.nan, neighbors=empty), f"no x, y and neighbors: {error}"
    at = np.searchsorted(found.features, features)
    first = np.full(len(found.features), -1, dtype=np.int64)
    first[at[::-1]] = np.arange(len(features))[::-1]  # a feature of several pairs goes by its first row
    near = []
    for i in at:
        there = found.neighbours[i] >= 0
        ids, distances = start + first[found.neighbours[i][there]], 1 - found.cosines[i][there]
        near.append({"ids": ids.tolist(), "distances": distances.astype(np.float64).round(6).tolist()})
    return table.assign(x=found.xy[at, 0], y=found.xy[at, 1], neighbors=near), ""


def _lists(run: Run, matches: pd.DataFrame, folder: Path, sources: dict[str, str] | None) -> Exported:
    sources = sources or {}
    for side in ("a", "b"):
        if len(sources.get(side, "").split("/")) != 2:
            raise InputError(
                f"Neuronpedia's model and source of {side} are {sources.get(side)!r}: name them as "
                f"model/source with {{layer}}, e.g. --source-{side} gpt2-small/{{layer}}-res-jb"
            )
    paths = []
    kept = cast(Any, matches[matches.kept])
    for side, other in (("a", "b"), ("b", "a")):
        model, source = sources[side].split("/")
        rows = [
            {
                "modelId": model,
                "layer": source.replace("{layer}", str(row[f"layer_{side}"])),
                "index": str(row[f"feature_{side}"]),
                "description": f"r {row['r']:.2f} with {run.side_name(other)} layer {row[f'layer_{other}']} "
                f"feature {row[f'feature_{other}']}: {', '.join(map(_visible, row[f'top_tokens_{side}']))}",
            }
            for row in kept.to_dict("records")
        ]
        paths.append(folder / f"features_{side}.json")
        write_text(paths[-1], json.dumps(rows, indent=1, ensure_ascii=False))
    return Exported(tuple(paths))


def _as_parquet(path: Path, table: pd.DataFrame) -> Path:
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)
    return path


def _json(cell: Any) -> str:
    return json.dumps(cell, ensure_ascii=False, default=lambda value: value.tolist())


def _visible(token: Any) -> str:
    """A token on one line; marks that can't be printed as escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(token))
