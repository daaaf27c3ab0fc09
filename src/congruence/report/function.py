"""What stitching, logit weights and substitution found: for the terminal and the report."""

import math
from typing import Any, cast

import numpy as np
import pandas as pd

from congruence.report.pictures import Panel, Picture
from congruence.report.scales import score_scale
from congruence.run.results import Run
from congruence.view.views import Grid
from congruence.wording import format_score

QUESTIONS = {
    "logit_weights": "Logit weights of pairs",
    "ablation": "Either feature taken out",
    "substitution": "a's feature in the place of b's",
}
_DIRECTIONS = {"a_to_b": ("a", "b"), "b_to_a": ("b", "a")}


def function_lines(run: Run) -> list[str]:
    """A sentence for each of the functions that the run asked for, at its best layer pair."""
    found = []
    if run.holds("stitching") and (line := _stitching_line(run)):
        found.append(line)
    for question in QUESTIONS:
        if (best := _best(run, question)) is not None:
            found.append(_line(run, question, best))
    return found


def function_section(run: Run) -> dict[str, Any] | None:
    """Rows of the report's section; None where nothing of it was asked."""
    stitched = [_stitched(run, direction) for direction in _DIRECTIONS] if run.holds("stitching") else []
    questions = []
    for question, title in QUESTIONS.items():
        best = _best(run, question)
        if best is not None:
            numbers = [best[name] for name in ("value", "null_mean", "null_q95")]
            questions.append(
                {
                    "title": title,
                    "at": f"{best['layer_a']} and {best['layer_b']}",
                    "n": int(best["n"]),
                    "numbers": [float(number) for number in numbers],
                    "null": best["null"],
                    "p": float(best["p"]),
                    "share": float(best["share"]),
                    "curve": [
                        (point["coverage"], point["quality"]) for point in best["curve"] if point is not None
                    ],
                }
            )
    stitched = [one for one in stitched if one is not None]
    if not stitched and not questions:
        return None
    return {"stitched": stitched, "questions": questions}


def function_pictures(run: Run) -> list[Picture]:
    """Loss recovered over all layer pairs, for both directions; each question of pairs beside its null."""
    found = []
    if run.holds("stitching") and (kind := _kind(run)):
        panels = []
        for direction, (source, target) in _DIRECTIONS.items():
            names = f"{run.side_name(source)} to {run.side_name(target)}"
            of_states = {"direction": direction, "what": "states", "map": kind}
            for null in ("", "shifted text"):
                grid = _grid(_where(run.stitching, **of_states, null=null), "recovered_mean")
                panels.append((f"{names}, {null or kind}", grid))
        title = "Next-token loss recovered by stitching"
        found += _picture(
            "stitching_recovered", title, "1: the model itself; 0: as with its mean state", panels
        )
    if run.holds("function"):
        for question, title in QUESTIONS.items():
            mine = _where(run.function, control="none", question=question)
            panels = [("pairs", _grid(mine, "value")), ("null", _grid(mine, "null_mean"))]
            found += _picture(f"function_{question}", title, "1: the same; 0: unrelated", panels)
    return found


def _picture(name: str, title: str, beside: str, panels: list[tuple[str, Grid]]) -> list[Picture]:
    values = np.concatenate([grid.values.ravel() for _, grid in panels]) if panels else np.empty(0)
    if not np.isfinite(values).any():
        return []
    scale = score_scale(values, label=title)
    shown = tuple(
        Panel(words, grid, scale, np.zeros(grid.values.shape, dtype=bool))
        for words, grid in panels
        if np.isfinite(grid.values).any()
    )
    return [Picture(name, "function", title, beside, (shown,))]


def _where(rows: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """The rows that hold these values."""
    wanted = np.ones(len(rows), dtype=bool)
    for name, value in values.items():
        wanted &= np.asarray(rows[name] == value)
    return cast(pd.DataFrame, rows[wanted])


def _grid(rows: pd.DataFrame, column: str) -> Grid:
    layers = [tuple(sorted(rows[f"layer_{side}"].unique().tolist())) for side in ("a", "b")]
    values = np.full((len(layers[0]), len(layers[1])), np.nan)
    for a, b, value in zip(rows.layer_a, rows.layer_b, rows[column], strict=True):
        values[layers[0].index(a), layers[1].index(b)] = value
    return Grid(layers[0], layers[1], values)


def _kind(run: Run) -> str:
    """The first map that was stitched with; "" where none could be fitted."""
    maps = [one for one in dict.fromkeys(run.stitching["map"]) if one not in ("", "native")]
    return maps[0] if maps else ""


def _best(run: Run, question: str) -> dict[str, Any] | None:
    """The layer pair of the comparison itself where pairs agree most."""
    if not run.holds("function"):
        return None
    rows = _where(run.function, control="none", question=question).dropna(subset=["value"])
    return None if rows.empty else cast(dict[str, Any], rows.loc[rows["value"].idxmax()].to_dict())


def _stitched_best(run: Run, direction: str) -> pd.DataFrame:
    """All rows of the layer pair where stitching of states recovers most."""
    rows = _where(run.stitching, direction=direction)
    real = _stitched_states(rows)
    if real.empty:
        return real
    best: Any = real.loc[real["recovered_mean"].idxmax()]
    return _where(rows, layer_a=best.layer_a, layer_b=best.layer_b)


def _stitched_states(rows: pd.DataFrame) -> pd.DataFrame:
    return _where(rows, null="", what="states").dropna(subset=["recovered_mean"])


def _stitched(run: Run, direction: str) -> dict[str, Any] | None:
    rows = _stitched_best(run, direction)
    if rows.empty:
        return None
    source, target = _DIRECTIONS[direction]
    shown = []
    for row in cast(list[dict[str, Any]], rows.dropna(subset=["loss"]).to_dict("records")):
        against = f" {row['against']}" if row["against"] else ""
        null = f", {row['null']}{against}" if row["null"] else ""
        name = "its own SAE" if row["map"] == "native" else f"{row['map']}{null}: {row['what']}"
        shown.append(
            {
                "name": name,
                "numbers": [
                    float(row[column])
                    for column in ("loss", "native", "mean", "recovered_mean", "recovered_zero")
                ],
            }
        )
    return {
        "title": f"{run.side_name(target)} goes on from mapped states of {run.side_name(source)}",
        "layer_a": int(rows.layer_a.iat[0]),
        "layer_b": int(rows.layer_b.iat[0]),
        "rows": shown,
    }


def _stitching_line(run: Run) -> str:
    rows = _stitched_best(run, "a_to_b")
    if rows.empty:
        return ""
    real = _stitched_states(rows)
    best: Any = real.loc[real["recovered_mean"].idxmax()]
    null = _where(rows, null="shifted text", map=best["map"])
    beside = "" if null.empty else f" (shifted text {format_score(null.recovered_mean.iat[0])})"
    return (
        f"Stitching: from mapped states of layer {best.layer_a} of {run.side_name('a')} ({best['map']}), "
        f"{run.side_name('b')} goes on at its layer {best.layer_b} with "
        f"{format_score(best.recovered_mean)} of its next-token loss recovered{beside}."
    )


def _line(run: Run, question: str, best: dict[str, Any]) -> str:
    what = {
        "logit_weights": "Logit weights of paired features agree with a mean r of",
        "ablation": "Taking paired features out changes predictions alike, with a mean r of",
        "substitution": f"Features of {run.side_name('a')} in the place of their partners score",
    }[question]
    share = f"; {best['share']:.0%} of pairs exceed its 95 % point" if math.isfinite(best["share"]) else ""
    return (
        f"{what} {format_score(best['value'])} at layers {best['layer_a']} and {best['layer_b']} "
        f"({best['null']}: {format_score(best['null_mean'])}){share}."
    )
