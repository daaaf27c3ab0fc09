"""The page of a run of several models: one HTML file that needs nothing beside it and runs no script."""

import base64
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from congruence.report.figures import FOLDER
from congruence.report.html import TEMPLATES, page_rules
from congruence.report.page import still_policy
from congruence.report.scales import level, score_scale
from congruence.report.several.trees import drawn_trees, render_tree, tree_name
from congruence.report.several.words import cycle_rows, sentences, title_of
from congruence.report.terminal import REPORT
from congruence.run.several.matrix import BEST, FEATURES, MATCHED, MEAN
from congruence.run.several.results import SHARED, ModelsRun
from congruence.storage import generations, write_text
from congruence.view.numbers import ALPHA, format_count, format_p, visible_list
from congruence.wording import format_score, percent

SHOWN = 100
"""Consensus features that the page names."""


def write_models_report(run: ModelsRun) -> Path:
    """Write ``report.html`` into the folder of a finished run of several models.

    One file; its policy allows its own style sheet and the pictures inside it, no script and no request.
    Names and tokens are escaped. The pairs' own reports are linked.

    Returns:
        The file written.

    Raises:
        StorageError: it can't be written.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(score=format_score, p=format_p, count=format_count, percent=percent)
    path = run.folder / REPORT
    write_text(path, environment.get_template("models.html.j2").render(**_context(run)))
    generations.show(run.folder, REPORT)
    return path


def _context(run: ModelsRun) -> dict[str, Any]:
    style = page_rules()
    told = sentences(run)
    consensus = run.consensus()
    return {
        "run": run,
        "style": style,
        "policy": still_policy(style),
        "claim": told[0],
        "sentences": told[1:],
        "models": [_model(run, name) for name in run.models],
        "measures": [_measure(run, measure) for measure in run.measures],
        "cycles": cycle_rows(run),
        "by_layer": run.info["cycles_by_layer"],
        "consensus": [_consensus(row) for row in consensus.head(SHOWN).to_dict("records")],
        "counts": run.info["consensus"],
        "total": len(consensus),
        "universality": run.info["universality"],
        "basis": " or ".join(run.info["basis"]),
        "pairs": [_pair(run, one) for one in run.info["pairs"]],
        "alpha": ALPHA,
        "config": _config(run),
        "facts": _facts(run),
    }


def _model(run: ModelsRun, name: str) -> dict[str, Any]:
    about = run.info["models"][name]
    layers = [str(layer) for layer in about.get("layers") or []]
    return {
        "name": name,
        "model": about.get("model"),
        "layers": ", ".join(layers),
        "width": about.get("d_model"),
    }


def _measure(run: ModelsRun, measure: str) -> dict[str, Any]:
    """A measure's matrices as coloured cells, with its tree."""
    kinds = [FEATURES] if measure == SHARED else [BEST, MEAN, MATCHED]
    heads = {
        BEST: "best layer pair", MEAN: "mean of all layer pairs", MATCHED: "mean of matched relative depths",
        FEATURES: "share of the row's features that have a counterpart in the column's model",
    }  # fmt: skip
    trees = dict(drawn_trees(run))
    tree = trees.get(measure)
    picture = None
    if tree is not None:
        content = base64.b64encode(render_tree(run, measure, tree)["svg"]).decode()
        names = [f"{FOLDER}/{tree_name(measure)}.{suffix}" for suffix in ("png", "svg")]
        files = [name for name in names if (run.folder / name).exists()]
        picture = {
            "source": f"data:image/svg+xml;base64,{content}",
            "order": ", ".join(tree.order),
            "files": files,
        }
    maps = [{"title": heads[of], "rows": _cells(run, measure, of)} for of in kinds]
    return {"label": measure, "title": title_of(measure), "maps": maps, "tree": picture}


def _cells(run: ModelsRun, measure: str, of: str) -> list[tuple[str, list[dict[str, Any]]]]:
    values = run.matrix(measure, of=of)
    about = {
        name: run.matrix(measure, name, of=of)
        for name in ("p", "p_max_t", "q", "ceiling", "layer_x", "layer_y")
    }
    scale = score_scale(values.to_numpy(np.float64), label="")
    found = []
    for x in run.models:
        row = []
        for y in run.models:
            value = float(values.loc[x, y])
            place = scale.position(value)
            q, p = float(about["q"].loc[x, y]), float(about["p"].loc[x, y])
            notes = [f"p = {format_p(p)}, q = {format_p(q)}"] if np.isfinite(p) else []
            if np.isfinite(ceiling := float(about["ceiling"].loc[x, y])):
                notes.append(f"ceiling {format_score(ceiling)}")
            if of == BEST and np.isfinite(value):
                layers = [int(about[name].loc[x, y]) for name in ("layer_x", "layer_y")]
                stored = layers if (x, y) in run.pairs else layers[::-1]
                notes.insert(0, f"layer {stored[0]} of {x}, {stored[1]} of {y}")
            shade = "x" if np.isnan(place) else f"{scale.palette[0]}{level(place)}"
            star = of == BEST and q <= ALPHA
            row.append({"text": format_score(value), "shade": shade, "star": star, "note": "; ".join(notes)})
        found.append((x, row))
    return found


def _consensus(row: Any) -> dict[str, Any]:
    members = [
        {**member, "tokens": dict.fromkeys(visible_list(list(member["top_tokens"])))}
        for member in row["members"]
    ]
    return {**row, "members": members}


def _pair(run: ModelsRun, one: dict[str, Any]) -> dict[str, Any]:
    x, y = one["models"]
    page = run.path / one["folder"] / REPORT
    rows: Any = run._table("matrix")
    mine = rows[
        (rows.model_x == x) & (rows.model_y == y) & (rows.measure == run.info["lead"]) & (rows.of == BEST)
    ]
    best = None if mine.empty else mine.iloc[0].to_dict()
    link = quote(f"{one['folder']}/{REPORT}") if page.exists() else ""
    return {"x": x, "y": y, "link": link, "folder": one["folder"], "best": best}


def _config(run: ModelsRun) -> str:
    import yaml

    return yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True, width=100)


def _facts(run: ModelsRun) -> list[tuple[str, str]]:
    versions = ", ".join(f"{name} {version}" for name, version in run.info["versions"].items())
    seconds = float((run.info.get("seconds") or {}).get("all", 0))
    found = {
        "Text": str(run.info.get("text") or ""), "Seed": str(run.config.get("seed", "")),
        "Finished": str(run.info["finished"]), "Time": f"{seconds:.0f} s", "Versions": versions,
    }  # fmt: skip
    return [(name, value) for name, value in found.items() if value]
