"""What `function: transfer` found: a line for the terminal, tables and heat maps for the report."""

import math
from typing import Any, cast

import numpy as np
import pandas as pd

from congruence.report.pictures import Panel, Picture
from congruence.report.scales import Scale, score_scale
from congruence.run.results import Run
from congruence.view.views import Grid
from congruence.wording import format_score

DIRECTIONS = {"a_to_b": ("a", "b"), "b_to_a": ("b", "a")}
_NUMBERS = ("r2", "explained", "ceiling", "explained_of_target", "f1", "r")


def transfer_line(run: Run) -> str:
    """The best layer pair of a's states mapped to b, beside what the SAE gives of its own states; or ""."""
    best = _best(run, "a_to_b")
    if best is None:
        return ""
    null = _row(run, best, best["map"], "shifted text")
    side_a, side_b = run.side_name("a"), run.side_name("b")
    text = (
        f"Transfer: mapped from layer {best['layer_a']} of {side_a} ({best['map']}), states of layer "
        f"{best['layer_b']} of {side_b} are given with R² {format_score(best['r2'])}"
    )
    if null is not None:
        text += f" (shifted text {format_score(null['r2'])})"
    if math.isfinite(best["explained"]):
        text += (
            f"; the SAE there explains {format_score(best['explained'])} of mapped states, "
            f"{format_score(best['ceiling'])} of its own, and fires with F1 {format_score(best['f1'])}"
        )
    return f"{text}."


def transfer_sections(run: Run) -> list[dict[str, Any]]:
    """For each direction the rows of the layer pair where the map explains most of the target's states."""
    found = []
    for direction, (source, target) in DIRECTIONS.items():
        best = _best(run, direction)
        if best is None:
            continue
        rows = _at(run, direction, best["layer_a"], best["layer_b"])
        shown = [
            {"name": _name(row), "numbers": [float(row[name]) for name in _NUMBERS]}
            for row in cast(list[dict[str, Any]], rows.to_dict("records"))
        ]
        title = f"States of {run.side_name(source)} mapped to {run.side_name(target)}, read by its SAE"
        found.append(
            {
                "title": title,
                "layer_a": best["layer_a"],
                "layer_b": best["layer_b"],
                "rows": shown,
                "rotation": _rotation(best),
            }
        )
    return found


def transfer_pictures(run: Run) -> list[Picture]:
    """R², and explained variance of the SAEs, over all layer pairs, for both directions."""
    kind = _kind(run)
    if not kind:
        return []
    found = []
    for column, title, beside in (
        ("r2", "R² of mapped states", "1: mapped states are the other model's; 0: no more than their mean"),
        ("explained", "Explained variance of SAEs on mapped states", "beside what they explain of their own"),
    ):
        grids = {direction: _grid(run, direction, kind, "", column) for direction in DIRECTIONS}
        if not any(np.isfinite(grid.values).any() for grid in grids.values()):
            continue
        scale = score_scale(np.concatenate([grid.values for grid in grids.values()]), label=column)
        panels = []
        for direction, (source, target) in DIRECTIONS.items():
            names = f"{run.side_name(source)} to {run.side_name(target)}"
            panels.append(_panel(f"{names}, {kind}", grids[direction], scale))
            other = (
                ("native", "", "ceiling")
                if column == "explained"
                else ("shifted text", "shifted text", column)
            )
            panels.append(_panel(f"{names}, {other[0]}", _grid(run, direction, kind, *other[1:]), scale))
        found.append(Picture(f"transfer_{column}", "transfer", title, beside, (tuple(panels),)))
    return found


def _panel(title: str, grid: Grid, scale: Scale) -> Panel:
    return Panel(title, grid, scale, np.zeros(grid.values.shape, dtype=bool))


def _kind(run: Run) -> str:
    """The map that leads: the rotation, or what there is in its place; "" where nothing was asked."""
    if not run.holds("transfer"):
        return ""
    maps = list(dict.fromkeys(run.transfer["map"]))
    return "orthogonal" if "orthogonal" in maps else maps[0]


def _best(run: Run, direction: str) -> dict[str, Any] | None:
    kind = _kind(run)
    if not kind:
        return None
    rows = run.transfer
    rows = rows[(rows.direction == direction) & (rows["map"] == kind) & (rows.null == "") & rows.r2.notna()]
    return None if rows.empty else cast(dict[str, Any], rows.loc[rows.r2.idxmax()].to_dict())


def _at(run: Run, direction: str, layer_a: int, layer_b: int) -> pd.DataFrame:
    rows = run.transfer
    here = (rows.direction == direction) & (rows.layer_a == layer_a) & (rows.layer_b == layer_b)
    return cast(pd.DataFrame, rows[here])


def _row(run: Run, best: dict[str, Any], kind: str, null: str) -> dict[str, Any] | None:
    rows = _at(run, best["direction"], best["layer_a"], best["layer_b"])
    rows = rows[(rows["map"] == kind) & (rows.null == null)]
    return None if rows.empty else cast(dict[str, Any], rows.iloc[0].to_dict())


def _grid(run: Run, direction: str, kind: str, null: str, column: str) -> Grid:
    rows = run.transfer
    layers = [tuple(sorted(rows[f"layer_{side}"].unique().tolist())) for side in ("a", "b")]
    rows = rows[(rows.direction == direction) & (rows["map"] == kind) & (rows.null == null)]
    values = np.full((len(layers[0]), len(layers[1])), np.nan)
    for a, b, value in zip(rows.layer_a, rows.layer_b, rows[column], strict=True):
        values[layers[0].index(a), layers[1].index(b)] = value
    return Grid(layers[0], layers[1], values)


def _name(row: dict[str, Any]) -> str:
    against = f" {row['against']}" if row["against"] else ""
    return f"{row['map']}, {row['null']}{against}" if row["null"] else str(row["map"])


def _rotation(best: dict[str, Any]) -> str:
    """How the rotation of decoder rows and that of states agree, in a sentence; "" where nobody knows."""
    if not math.isfinite(best["rotation_cosine"]):
        return ""
    return (
        "The rotation between decoder rows of matched features and this one between states turn decoder rows "
        f"with a mean cosine of {format_score(best['rotation_cosine'])} (re-paired rows: "
        f"{format_score(best['rotation_null'])}); after this one the matched partner's decoder row is "
        f"nearest for {best['finds']:.0%} of {best['pairs'] - best['pairs'] // 2:,} features."
    )
