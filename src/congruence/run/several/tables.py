"""The tables of a run of several models, put together from the finished runs of its pairs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from congruence.config.models import Names
from congruence.run.columns import blank_row, table_of
from congruence.run.models_schema import CONSENSUS, CYCLES, MATRIX, UNIVERSALITY
from congruence.run.results import Run
from congruence.run.several.linked import Linked, linked
from congruence.run.several.matrix import lead_of, matrix_rows, trees
from congruence.run.several.universality import shares_of, universality
from congruence.run.tables import write_table
from congruence.several import Group, Links, come_home, consensus
from congruence.significance import benjamini_hochberg

LAYER_TRIPLES = 300_000
"""Rows of cycles.parquet beyond which only cycles over all layers are followed."""
_TOKENS = 8


def write_tables(models: list[str], runs: Mapping[Names, Run], folder: Path) -> dict[str, Any]:
    """Write matrix, cycles, consensus and universality into a new folder; what run.json says of them.

    Args:
        models: their names, in order.
        runs: names of two -> their finished run.
        folder: where the tables go.
    """
    pairs = {names: linked(run) for names, run in runs.items()}
    matrix = table_of([row for names, run in runs.items() for row in matrix_rows(names, run)], MATRIX)
    write_table(matrix, MATRIX, folder / "matrix.parquet")
    by_layer = _layer_triples(models, pairs) <= LAYER_TRIPLES
    cycles = _adjusted(table_of(_cycles(models, pairs, by_layer=by_layer), CYCLES))
    write_table(cycles, CYCLES, folder / "cycles.parquet")
    groups = consensus({names: one.best for names, one in pairs.items()}, models)
    rows = [_consensus_row(number, group, pairs) for number, group in enumerate(groups)]
    write_table(table_of(rows, CONSENSUS), CONSENSUS, folder / "consensus.parquet")
    number_of = {member: number for number, group in enumerate(groups) for member in group.members}
    table = universality(models, pairs, number_of)
    write_table(table, UNIVERSALITY, folder / "universality.parquet")
    return {
        "lead": lead_of(runs),
        "clusters": trees(matrix, models),
        "consensus": _counts(groups),
        "universality": shares_of(table, models),
        "basis": dict(Counter(one.basis for one in pairs.values())),
        "cycles_by_layer": by_layer,
    }


def _oriented(pairs: Mapping[Names, Linked], x: str, y: str, which: str) -> Links:
    """The links from x to y, of whichever order they are stored in."""
    found = pairs.get((x, y))
    return getattr(found, which) if found is not None else getattr(pairs[y, x], which).swapped()


def _alive(pairs: Mapping[Names, Linked], x: str, y: str) -> Mapping[int, int]:
    return pairs[x, y].alive["a"] if (x, y) in pairs else pairs[y, x].alive["b"]


def _cycles(
    models: Sequence[str], pairs: Mapping[Names, Linked], *, by_layer: bool
) -> Iterator[dict[str, Any]]:
    """Of every three models and each as the start: over all layers, then at every layer triple."""
    for three in combinations(models, 3):
        for turn in range(3):
            a, b, c = (three[(turn + step) % 3] for step in range(3))
            steps = ((a, b), (b, c), (c, a))
            alive = _alive(pairs, a, b)
            about = {"model_1": a, "model_2": b, "model_3": c}
            best = [_oriented(pairs, *step, "best") for step in steps]
            yield _cycle_row(about, best, (-1, -1, -1), sum(alive.values()))
            if not by_layer:
                continue
            every = [_oriented(pairs, *step, "links") for step in steps]
            layers = [sorted(_alive(pairs, *step)) for step in steps]
            for i in layers[0]:
                for j in layers[1]:
                    ab = every[0].at(i, j)
                    for k in layers[2]:
                        some = [ab, every[1].at(j, k), every[2].at(k, i)]
                        yield _cycle_row(about, some, (i, j, k), alive[i])


def _cycle_row(
    about: Mapping[str, Any], steps: Sequence[Links], layers: tuple[int, int, int], features: int
) -> dict[str, Any]:
    found = come_home(*steps)
    return blank_row(
        CYCLES,
        **about,
        **{f"layer_{number + 1}": layer for number, layer in enumerate(layers)},
        features=features,
        followed=found.followed,
        home=found.home,
        share=found.share,
        chance=found.chance_share,
        p=found.p,
    )


def _adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """With q over the layer triples of each three models and start."""
    q = np.full(len(table), np.nan)
    tested = table[table.p.notna() & (table.layer_1 >= 0)]
    for _, rows in tested.groupby(["model_1", "model_2", "model_3"], sort=False):
        q[rows.index] = benjamini_hochberg(rows.p.to_numpy())
    return table.assign(q=q)


def _layer_triples(models: Sequence[str], pairs: Mapping[Names, Linked]) -> int:
    layers = {}
    for (x, y), one in pairs.items():
        layers[x], layers[y] = len(one.alive["a"]), len(one.alive["b"])
    return sum(3 * layers[a] * layers[b] * layers[c] for a, b, c in combinations(models, 3))


def _consensus_row(number: int, group: Group, pairs: Mapping[Names, Linked]) -> dict[str, Any]:
    members = []
    for name, layer, feature in group.members:
        firings, tokens = _known(name, (layer, feature), pairs)
        told = {"model": name, "layer": layer, "feature": feature, "firings": firings}
        members.append(told | {"top_tokens": tokens})
    names = [member["model"] for member in members]
    found = [r for _, _, r in group.links]
    return blank_row(
        CONSENSUS,
        consensus=number,
        size=len(members),
        models=names,
        links=len(found),
        possible=group.possible,
        refused=group.refused,
        mean_r=float(np.mean(found)),
        min_r=min(found),
        tokens=_common([member["top_tokens"] for member in members]),
        members=members,
        r=[{"model_x": names[i], "model_y": names[j], "r": r} for i, j, r in group.links],
    )


def _known(name: str, place: tuple[int, int], pairs: Mapping[Names, Linked]) -> tuple[int, list[str]]:
    """Firings and strongest tokens of a linked feature, from the first pair that has it."""
    for names, one in pairs.items():
        side = {names[0]: "a", names[1]: "b"}.get(name)
        if side is not None and place in one.tokens[side]:
            return one.firings[side][place], one.tokens[side][place]
    return -1, []


def _common(lists: Sequence[Sequence[str]]) -> list[str]:
    """Tokens of several lists, those of most of them first, then in the order of the lists."""
    counts = Counter(token for tokens in lists for token in dict.fromkeys(tokens))
    return sorted(counts, key=lambda token: -counts[token])[:_TOKENS]


def _counts(groups: Sequence[Group]) -> list[dict[str, int]]:
    """How many consensus features so many models have, and how many of them have every link."""
    sizes = sorted({len(group.members) for group in groups}, reverse=True)
    found = []
    for size in sizes:
        mine = [group for group in groups if len(group.members) == size]
        whole = sum(len(group.links) == group.possible for group in mine)
        found.append({"size": size, "features": len(mine), "complete": whole})
    return found


def of_size(counts: Sequence[Mapping[str, int]], size: int) -> Mapping[str, int]:
    """The entry of one size; nothing of it where there is none."""
    empty = {"size": size, "features": 0, "complete": 0}
    return cast(Mapping[str, int], next((one for one in counts if one["size"] == size), empty))
