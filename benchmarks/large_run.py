"""A large run made from the rows of a small one, to see how the report and the explorer bear it.

    congruence demo --out demo
    python benchmarks/large_run.py demo wide --layers 26 42
    python benchmarks/large_run.py demo deep --layers 6 6 --features 16384
    python benchmarks/large_run.py demo long --layers 1 1 --matches 1000000
    python benchmarks/explore_speed.py wide deep long

Each layer pair takes its rows, null scores and pairs from that of the small run at the same relative depth.
With `--features` a side's features, their text and their activations stand there several times under further
numbers, about 64 of them on a token. With `--matches` each layer pair has so many pairs, and nothing but its
tables. Cells, activations and tables are written by what writes them in a run.
"""

import argparse
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from congruence.activations.shards import ShardWriter
from congruence.activations.store import ActivationStore
from congruence.run import Run, load_run
from congruence.run.publish import publish_run
from congruence.run.stored import CellResult, load_cell, save_cell
from congruence.storage import atomic_folder
from congruence.storage.memo import Memo, arrays_in
from congruence.storage.run_folder import RunFolder, open_folder

SIDES = ("a", "b")
TOGETHER = 4
"""Copies of a feature that fire on one token."""


@dataclass(frozen=True)
class Size:
    """What is wanted.

    Attributes:
        layers: of a and of b.
        features: of a layer; None: those of the small run.
        matches: pairs of a layer pair; None: those of the small run, or one for each feature.
    """

    layers: tuple[int, int]
    features: int | None
    matches: int | None


class Small:
    """The finished run that rows are taken from."""

    def __init__(self, run: Run, size: Size) -> None:
        self.run, self.size, self.folder = run, size, RunFolder(run.path)

    @cached_property
    def cells(self) -> dict[tuple[str, str, int, int], CellResult]:
        """Its cells by place."""
        found = {}
        for name in self.run.info["uses"]["cells"]:
            cell = load_cell(self.folder.cells / name)
            if cell is not None and cell.summary:
                where = [cell.summary[field] for field in ("control", "control_side", "layer_a", "layer_b")]
                found[tuple(where)] = cell
        return found

    def near(self, side: str, layer: int) -> int:
        """Its layer at the same relative depth."""
        own, wanted = self.run.info["sides"][side]["layers"], self.size.layers[SIDES.index(side)]
        return own[round(layer * (len(own) - 1) / max(wanted - 1, 1))]

    def width(self, side: str) -> int:
        """Features of a layer."""
        return max(self.run.info["sides"][side]["d_sae"].values())

    def copies(self, side: str) -> int:
        """How often each feature stands in the large run."""
        return 1 if self.size.features is None else -(-self.size.features // self.width(side))


def enlarged(small: Small, out: Path) -> str:
    """Write the large run's folder; gives its key."""
    folder = open_folder(out)
    known = dict(_cells(small))
    results = []
    for number, ((control, side, a, b), cell) in enumerate(known.items()):
        name = f"{f'{control}-{side}-' if control != 'none' else ''}L{a}-L{b}-{number:016x}"
        made = _placed(cell, (control, side, a, b), small, number)
        save_cell(made, folder.cells / name)
        results.append(replace(made, places=(name,)))
    return publish_run(out, results, _record(small, folder, results))


def _cells(small: Small) -> list[tuple[tuple[str, str, int, int], CellResult]]:
    found: list[tuple[tuple[str, str, int, int], CellResult]] = []
    for a in range(small.size.layers[0]):
        for b in range(small.size.layers[1]):
            found.append(
                (("none", "", a, b), small.cells["none", "", small.near("a", a), small.near("b", b)])
            )
    for side, count in zip(SIDES, small.size.layers, strict=True):
        for (control, of_side, layer, _), cell in small.cells.items():
            if (control, of_side) == ("other_seed", side):
                place = next((i for i in range(count) if small.near(side, i) == layer), 0)
                found.append(((control, side, place, place), cell))
    return found


def _placed(cell: CellResult, place: tuple[str, str, int, int], small: Small, seed: int) -> CellResult:
    """A cell's rows at another place, with as many pairs as are wanted."""
    where = dict(zip(("control", "control_side", "layer_a", "layer_b"), place, strict=True))
    matches = cell.matches.assign(**where)
    times = small.copies("b")
    wanted = small.size.matches or len(matches) * times
    if wanted > len(matches):
        matches = _repeated(matches, wanted, small, seed)
    share = len(matches) / max(len(cell.matches), 1)
    counts = ("alive_a", "alive_b", "unmatched_a", "unmatched_b", "pairs_before", "pairs_after")
    summary = {**cell.summary, **where} | {name: round(cell.summary[name] * share) for name in counts}
    summary["removed"] = [{**one, "pairs": round(one["pairs"] * share)} for one in cell.summary["removed"]]
    return replace(cell, rows=[{**row, **where} for row in cell.rows], summary=summary, pairs=matches)


def _repeated(matches: pd.DataFrame, wanted: int, small: Small, seed: int) -> pd.DataFrame:
    """The pairs several times under further numbers; r and margin a little different each time."""
    rng = np.random.default_rng(seed)
    at = np.arange(wanted)
    row, copy = at % len(matches), at // len(matches)
    found = matches.iloc[row].reset_index(drop=True)
    shaken = {name: found[name] * rng.uniform(0.9, 1.0, wanted) for name in ("r", "margin")}
    return found.assign(
        feature_a=found.feature_a + copy * small.width("a"),
        feature_b=found.feature_b + copy * small.width("b"),
        **shaken,
    )


def _record(small: Small, folder: RunFolder, results: list[CellResult]) -> dict[str, Any]:
    """run.json of the large run."""
    info = {
        name: value
        for name, value in small.run.info.items()
        if name not in ("kind", "format_version", "files", "checksum", "place")
    }
    memo = Memo(folder.known)
    evidence = None if small.size.matches else _evidence(small, folder, memo)
    sides = {side: _side(small, side) for side in SIDES}
    uses = {
        "activations": sorted(
            {one["activations"] for one in (evidence or {"layers": {}})["layers"].values()}
        ),
        "cells": [place for result in results for place in result.places],
        "known": sorted(memo.used),
    }
    verdicts = {"none": "its pairs are those of a small run, some times over"}
    return {**info, "sides": sides, "evidence": evidence, "uses": uses, "verdicts": verdicts}


def _side(small: Small, side: str) -> dict[str, Any]:
    told = small.run.info["sides"][side]
    layers = range(small.size.layers[SIDES.index(side)])
    by_layer = {
        name: {str(layer): value[str(small.near(side, layer))] for layer in layers}
        for name, value in told.items()
        if isinstance(value, Mapping) and set(value) == {str(layer) for layer in told["layers"]}
    }
    by_layer["d_sae"] = {name: width * small.copies(side) for name, width in by_layer["d_sae"].items()}
    return {**told, **by_layer, "layers": list(layers)}


def _evidence(small: Small, folder: RunFolder, memo: Memo) -> dict[str, Any]:
    """Text and layers as the small run keeps them, features several times where more are wanted."""
    told = small.run.info["evidence"]
    kept = {"text": told["text"]}
    text = arrays_in(small.folder.known / f"{told['text']}.json")
    memo.arrays("evidence-text", kept, lambda: text)
    layers, made = {}, {}
    for side, count in zip(SIDES, small.size.layers, strict=True):
        places = {f"{side}/real/{layer}": f"{side}/real/{small.near(side, layer)}" for layer in range(count)}
        places |= {name: name for name in told["layers"] if name.startswith(f"{side}/other_seed/")}
        for name, source in places.items():
            if source not in made:
                made[source] = _layer(small, side, told["layers"][source], folder, memo)
            layers[name] = made[source]
    return {**told, "text": memo.name("evidence-text", kept), "layers": layers}


def _layer(small: Small, side: str, told: Mapping[str, str], folder: RunFolder, memo: Memo) -> dict[str, str]:
    times, key = small.copies(side), [told["arrays"], small.copies(side)]
    arrays = arrays_in(small.folder.known / f"{told['arrays']}.json")
    memo.arrays("evidence-layer", key, lambda: _several(arrays, times))
    source, to = small.folder.activations / told["activations"], folder.activations / told["activations"]
    if times == 1:
        shutil.copytree(source, to, copy_function=os.link, dirs_exist_ok=True)
    else:
        _wide(ActivationStore.open(source), to, times)
    return {"arrays": memo.name("evidence-layer", key), "activations": told["activations"]}


def _several(arrays: Mapping[str, np.ndarray], times: int) -> dict[str, np.ndarray]:
    width, rng = len(arrays["firings"]), np.random.default_rng(times)
    found = {name: np.concatenate([array] * times) for name, array in arrays.items()}
    shift = np.repeat(np.arange(times) * width, width)[:, None]
    found["neighbours"] = np.where(found["neighbours"] >= 0, found["neighbours"] + shift, -1).astype(np.int32)
    found["xy"] = (found["xy"] + rng.normal(0, 0.02, found["xy"].shape)).astype(np.float32)
    return found


def _wide(store: ActivationStore, to: Path, times: int) -> None:
    """The same activations at `TOGETHER` copies of each feature, which ones changing from row to row."""
    acts = store.to_csr()
    n, width = acts.shape
    rows = np.repeat(np.arange(n), np.diff(acts.indptr))
    together = min(TOGETHER, times)
    columns = [acts.indices + width * ((rows + shift) % times) for shift in range(together)]
    places = (np.concatenate([rows] * together), np.concatenate(columns))
    wide = sparse.csr_array((np.concatenate([acts.data] * together), places), shape=(n, width * times))
    key = f"{store.key[:8]}{times:08x}"
    made = ActivationStore.create(
        to, key=key, hook_name=store.hook_name, width=width * times, shard_offsets=(0, n), dense=False,
        token_ids=store.token_ids, document_offsets=store.document_offsets,
    )  # fmt: skip
    with atomic_folder(made.shard_path(0)) as shard:
        writer = ShardWriter(shard)
        writer.append(wide)
        writer.close(key, 0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("small", type=Path, help="folder of a finished run")
    parser.add_argument("out", type=Path, help="folder to make")
    parser.add_argument("--layers", type=int, nargs=2, default=(26, 42))
    parser.add_argument("--features", type=int, help="of a layer")
    parser.add_argument("--matches", type=int, help="of a layer pair")
    asked = parser.parse_args()
    size = Size(tuple(asked.layers), asked.features, asked.matches)
    enlarged(Small(load_run(asked.small), size), asked.out)
    run = load_run(asked.out)
    print(f"{asked.out}: {len(run.real_cells)} layer pairs, {run.pair_counts[0]:,} pairs")


if __name__ == "__main__":
    main()
