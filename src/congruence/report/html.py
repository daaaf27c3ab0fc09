"""The report: one HTML file that needs nothing beside it."""

from pathlib import Path
from typing import Any

import numpy as np

from congruence.report.concept_pictures import concept_pictures
from congruence.report.concepts import concept_keywords, concept_lines, lead_measure, subspaces
from congruence.report.figures import FOLDER
from congruence.report.function import function_pictures, function_section
from congruence.report.page import inline
from congruence.report.pictures import Panel, Picture, pictures
from congruence.report.sae_lines import sae_lines
from congruence.report.scales import DARK, LEVELS, LIGHT, Scale, level, shade, text_on
from congruence.report.sections import (
    cell_table,
    lead_numbers,
    measure_section,
    removed_by_filters,
    strips,
    top_matches,
    warnings_of,
)
from congruence.report.shared import shared_section
from congruence.report.terminal import REPORT
from congruence.report.transfer import transfer_pictures, transfer_sections
from congruence.run.results import Run, load_run
from congruence.storage import generations, write_text
from congruence.view import embedded_text
from congruence.view.numbers import ALPHA, format_count, format_p
from congruence.view.verdict import verdict
from congruence.view.views import headline, measure_views
from congruence.view.words import measure_words, null_words
from congruence.wording import format_score

TEMPLATES = Path(__file__).parent / "templates"
DATA_BYTES = 12_000_000
"""Room for the evidence that a report carries; of the rest the most interesting pairs come first."""


def write_report(run_dir: str | Path | Run, *, figures_beside: bool = False) -> Path:
    """Write ``report.html`` into the folder of a finished run; an earlier one is replaced.

    One file with everything inside it, the front end and its data too: its policy allows this script and
    these styles only, and no request. Without scripts the answer and all tables can be read. Tokens and names
    are escaped.

    Args:
        run_dir: a finished run, or its folder.
        figures_beside: another process draws the figures meanwhile, so that the page names them all.

    Returns:
        The file written.

    Raises:
        StorageError: `run_dir` isn't a finished run or can't be written to.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    run = run_dir if isinstance(run_dir, Run) else load_run(run_dir)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(score=format_score, p=format_p, count=format_count)
    html = environment.get_template("report.html.j2").render(**context(run, figures_beside=figures_beside))
    path = run.folder / REPORT
    write_text(path, html)
    generations.show(run.folder, REPORT)
    return path


def context(run: Run, *, figures_beside: bool = False) -> dict[str, Any]:
    """Everything that the template shows."""
    views = measure_views(run)
    lead = headline(views) if views else None
    lead_first = sorted(views, key=lambda view: view is not lead)
    found: dict[str, list[dict[str, Any]]] = {
        "pairs": [],
        "controls": [],
        "concepts": [],
        "transfer": [],
        "function": [],
    }
    for picture in [
        *pictures(run, lead),
        *concept_pictures(run),
        *transfer_pictures(run),
        *function_pictures(run),
    ]:
        files = _files(run, picture, figures_beside)
        found.setdefault(picture.group, []).append(heat_map(picture, files))
    return {
        "run": run,
        "name_a": run.side_name("a"),
        "name_b": run.side_name("b"),
        "sides": [side_facts(run, side) for side in ("a", "b")],
        "tokens": run.corpus.get("kept_tokens"),
        "alpha": ALPHA,
        "verdict": verdict(run, lead) if lead else None,
        "lead": None if lead is None else lead_numbers(run, lead),
        "strips": [] if lead is None or lead.best is None else strips(views, lead.best),
        "measures": [measure_section(view, found.pop(view.slug, [])) for view in lead_first],
        "groups": found,
        "concepts": concept_table(run),
        "keywords": concept_keywords(run),
        "transfer": transfer_sections(run),
        "function": function_section(run),
        "filters": removed_by_filters(run),
        "cells": cell_table(run, views),
        "matches": top_matches(run, lead),
        "shared": shared_section(run),
        "warnings": warnings_of(run),
        "config": config_text(run),
        "facts": facts(run),
        "inline": inline(page_rules(), embedded_text(run, DATA_BYTES)),
    }  # fmt: skip


def page_rules() -> str:
    """The style of what is written without the front end."""
    return f"{(TEMPLATES / 'report.css').read_text(encoding='utf-8')}\n{palette_css()}"


def concept_table(run: Run) -> dict[str, Any] | None:
    """A line for each concept subspace, by the measure that leads."""
    lines = concept_lines(run)
    if not lines:
        return None
    nulls = {null: null_words(null) for line in lines for null in line.above}
    measure = str(lead_measure(subspaces(run)))
    return {"lines": lines, "nulls": nulls, "title": measure_words(measure).title}


def side_facts(run: Run, side: str) -> str:
    """What a side is, in a line."""
    about = run.info["sides"][side]
    layers = len(about.get("layers") or [])
    parts = [f"{layers} layer{'s' if layers != 1 else ''}"]
    for name, text in (("d_model", "width {}"), ("d_sae", "{} features a layer")):
        sizes = about.get(name)
        sizes = sorted(set(sizes.values() if isinstance(sizes, dict) else [sizes] if sizes else []))
        parts += (
            [text.format("–".join(f"{size:,}" for size in dict.fromkeys([sizes[0], sizes[-1]])))]
            if sizes
            else []
        )
    return f"{run.side_name(side)}: {', '.join(parts)}."


def config_text(run: Run) -> str:
    """The resolved configuration as YAML."""
    import yaml

    return yaml.safe_dump(run.info.get("config", {}), sort_keys=False, allow_unicode=True, width=100)


def facts(run: Run) -> list[tuple[str, str]]:
    """What was run, when, on what."""
    info = run.info
    seconds = info.get("seconds") or {}
    spent = ", ".join(
        f"{name} {value:.0f} s" for name, value in seconds.items() if isinstance(value, (int, float))
    )
    versions = ", ".join(f"{name} {version}" for name, version in (info.get("versions") or {}).items())
    tokens = "{:,} documents, {:,} tokens, {:,} kept".format(
        *(run.corpus.get(name, 0) for name in ("documents", "tokens", "kept_tokens"))
    )
    if "coverage_a" in run.corpus:
        shares = (f"{run.corpus[f'coverage_{side}']:.1%} of {run.side_name(side)}'s" for side in "ab")
        tokens += f"; different tokenizers, aligned by characters: units cover {' and '.join(shares)} tokens"
    found = {
        "As published": str(info.get("as_published") or "").removeprefix("as published: "),
        "Text": tokens,
        **{f"SAEs of {run.side_name(side)}": "; ".join(sae_lines(run, side)) for side in ("a", "b")},
        "Notes": "; ".join(str(n) for side in ("a", "b") for n in info["sides"][side].get("notes") or []),
        "Equal index": str((info.get("equal_index") or {}).get("warning") or ""),
        "Seed": str(info.get("seed", "")),
        "Finished": str(info.get("finished", "")),
        "Time": spent,
        "Versions": versions,
    }
    return [(name, value) for name, value in found.items() if value]


def _files(run: Run, picture: Picture, figures_beside: bool) -> list[str]:
    """The files of a picture that are there, or will be."""
    files = [f"{FOLDER}/{picture.name}.{suffix}" for suffix in ("png", "svg")]
    return [file for file in files if figures_beside or (run.folder / file).exists()]


def heat_map(picture: Picture, files: list[str]) -> dict[str, Any]:
    """A picture as tables of coloured cells, with the files that hold the same.

    Of rows of concepts the page shows the scores; what stands beside them is under the pointer and in the
    files.
    """
    panels = picture.panels if len(picture.rows) == 1 else [row[0] for row in picture.rows]
    scales = {id(panel.scale): panel.scale for panel in panels}.values()
    return {
        "title": picture.title,
        "subtitle": picture.subtitle,
        "panels": [_table(panel) for panel in panels],
        "bars": [_bar(scale, picture.marks if i == 0 else ()) for i, scale in enumerate(scales)],
        "files": files,
        "legend": picture.legend,
        "gaps": any(np.isnan(panel.grid.values).any() for panel in panels),
        "framed": any(panel.best for panel in panels),
    }


def _bar(scale: Scale, marks: tuple[tuple[float, str], ...]) -> dict[str, Any]:
    def places(named: Any) -> list[tuple[float, str]]:
        return [(round(100 * scale.position(value), 2), words) for value, words in named]

    ticks = places((value, scale.text(value)) for value in scale.ticks)
    return {"palette": scale.palette, "label": scale.label, "ticks": ticks, "marks": places(marks)}


def _table(panel: Panel) -> dict[str, Any]:
    rows = [
        (layer, [_cell(panel, row, column) for column in range(len(panel.grid.layers_b))])
        for row, layer in enumerate(panel.grid.layers_a)
    ]
    return {"title": panel.title, "columns": panel.grid.layers_b, "rows": rows}


def _cell(panel: Panel, row: int, column: int) -> dict[str, Any]:
    value = panel.grid.values[row, column]
    place = panel.scale.position(value)
    return {
        "text": panel.text(value),
        "shade": "x" if np.isnan(place) else f"{panel.scale.palette[0]}{level(place)}",
        "star": bool(panel.stars[row, column]),
        "best": panel.best == (row, column),
        "note": "" if panel.notes is None else panel.notes[row, column],
    }


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
