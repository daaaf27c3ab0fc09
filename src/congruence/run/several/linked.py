"""Links between the features of two models, from their finished run; and what is known of the features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import pandas as pd

from congruence.run.results import Run
from congruence.several import Links

VERDICTS, CHANCE, PLAIN = "verdicts", "links that beat chance", "links"
_REAL = [("control", "==", "none"), ("kept", "==", True), ("mutual", "==", True)]
_COLUMNS = ("layer_a", "layer_b", "feature_a", "feature_b", "r", "firings_a", "firings_b", "null_r")

Place = tuple[int, int]
"""Layer and feature."""


@dataclass(frozen=True, eq=False)
class Linked:
    """A pair of models.

    Attributes:
        run: theirs.
        all: links at every layer pair: pairs that the filters kept and in which each is the other's best.
        links: those of them whose r beats chance, where that was asked.
        best: of these, over all layers.
        basis: what tells chance.
        tokens: side -> layer and feature -> strongest tokens, of linked features.
        firings: the same of firings.
        alive: side -> layer -> features that fire.
    """

    run: Run
    all: Links
    links: Links
    best: Links
    basis: str
    tokens: Mapping[str, Mapping[Place, list[str]]]
    firings: Mapping[str, Mapping[Place, int]]
    alive: Mapping[str, Mapping[int, int]]


def linked(run: Run) -> Linked:
    """Read the links of a finished run of two models."""
    rows = run.columns_of("matches", [*_COLUMNS, "top_tokens_a", "top_tokens_b"], _REAL)
    null_r, basis = rows.null_r.to_numpy(np.float64), CHANCE
    if run.holds("features"):
        null_r, basis = _from_features(run, rows), VERDICTS
    elif np.isnan(null_r).all():
        basis = PLAIN
    every = Links.of(
        layer_x=rows.layer_a, feature_x=rows.feature_a, layer_y=rows.layer_b, feature_y=rows.feature_b,
        r=rows.r, firings_x=rows.firings_a, firings_y=rows.firings_b, null_r=null_r,
    )  # fmt: skip
    links = every.beating_chance()
    best = links.best()
    of_best = {side: {*zip(*_nodes(best, side), strict=True)} for side in ("a", "b")}
    tokens, firings = {}, {}
    for side in ("a", "b"):
        places = list(zip(rows[f"layer_{side}"].tolist(), rows[f"feature_{side}"].tolist(), strict=True))
        tops = zip(places, rows[f"top_tokens_{side}"], strict=True)
        tokens[side] = {place: [str(one) for one in top] for place, top in tops if place in of_best[side]}
        firings[side] = dict(zip(places, rows[f"firings_{side}"].tolist(), strict=True))
    cells = run.real_cells
    alive = {
        side: dict(zip(cells[f"layer_{side}"].tolist(), cells[f"alive_{side}"].tolist(), strict=True))
        for side in ("a", "b")
    }
    return Linked(run, every, links, best, basis, tokens, firings, alive)


def _nodes(links: Links, side: str) -> tuple[list[int], list[int]]:
    end = "x" if side == "a" else "y"
    return getattr(links, f"layer_{end}").tolist(), getattr(links, f"feature_{end}").tolist()


def _from_features(run: Run, rows: pd.DataFrame) -> np.ndarray:
    """The r that chance gives to either feature of each pair, over all layers: the higher of the two."""
    features = run.columns_of("features", ["side", "layer", "feature", "null_r"])
    found = []
    for side in ("a", "b"):
        mine = cast(pd.DataFrame, features[features.side == side])
        of = pd.Series(mine.null_r.to_numpy(), index=pd.MultiIndex.from_arrays([mine.layer, mine.feature]))
        wanted = pd.MultiIndex.from_arrays([rows[f"layer_{side}"], rows[f"feature_{side}"]])
        found.append(of.reindex(wanted).to_numpy(np.float64))
    return np.fmax(*found)
