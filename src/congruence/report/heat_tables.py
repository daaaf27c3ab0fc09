"""Heat maps as tables: readable by a screen reader, on a phone, on a light and on a dark page."""

from typing import Any

import numpy as np

from congruence.report.colours import DARK, LEVELS, LIGHT, level, shade, text_on
from congruence.report.figures import FOLDER
from congruence.report.pictures import Panel, Picture
from congruence.report.read import FinishedRun
from congruence.report.scales import Scale


def heat_map(run: FinishedRun, picture: Picture) -> dict[str, Any]:
    """A picture as tables of coloured cells, with the files that hold the same."""
    scale = picture.scale
    files = [f"{FOLDER}/{picture.name}.{suffix}" for suffix in ("png", "svg")]
    return {
        "title": picture.title,
        "subtitle": picture.subtitle,
        "panels": [_table(panel, scale) for panel in picture.panels],
        "palette": scale.palette,
        "ticks": [(_percent(scale, value), scale.text(value)) for value in scale.ticks],
        "marks": [(_percent(scale, value), words) for value, words in picture.marks],
        "files": [file for file in files if (run.path / file).exists()],
        "wide": len(picture.panels[0].grid.layers_b) > 14,
        "starred": any(panel.stars.any() for panel in picture.panels),
        "tested": picture.tested,
        "gaps": any(np.isnan(panel.grid.values).any() for panel in picture.panels),
        "framed": any(panel.best for panel in picture.panels),
    }


def _table(panel: Panel, scale: Scale) -> dict[str, Any]:
    rows = [
        (layer, [_cell(panel, scale, row, column) for column in range(len(panel.grid.layers_b))])
        for row, layer in enumerate(panel.grid.layers_a)
    ]
    return {"title": panel.title, "columns": panel.grid.layers_b, "rows": rows}


def _cell(panel: Panel, scale: Scale, row: int, column: int) -> dict[str, Any]:
    value = panel.grid.values[row, column]
    place = scale.position(value)
    return {
        "text": panel.text(scale, value),
        "shade": "x" if np.isnan(place) else f"{scale.palette[0]}{level(place)}",
        "star": bool(panel.stars[row, column]),
        "best": panel.best == (row, column),
    }


def _percent(scale: Scale, value: float) -> float:
    return round(100 * scale.position(value), 2)


def palette_css() -> str:
    """Background and text colour of every level, on light and on dark pages."""
    return f"{_levels(LIGHT)}\n@media screen and (prefers-color-scheme: dark) {{\n{_levels(DARK)}\n}}"


def _levels(palettes: dict[str, tuple[str, ...]]) -> str:
    rules = []
    for name, anchors in palettes.items():
        for step in range(LEVELS):
            background = shade(anchors, step / (LEVELS - 1))
            rules.append(f".{name[0]}{step}{{background:{background};color:{text_on(background)}}}")
        rules.append(f".bar-{name}{{background:linear-gradient(to right,{','.join(anchors)})}}")
    return "".join(rules)
