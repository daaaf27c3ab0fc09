"""Trees of the models beside the matrix they come from, as PNG and SVG."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from congruence.caches import settle_font_cache
from congruence.report.figures import EMPTY, FOLDER, INK, MUTED, STYLE
from congruence.report.pictures import file_name
from congruence.report.scales import LIGHT, score_scale, shade, text_on
from congruence.report.several.words import title_of
from congruence.report.sheet import png, short, svg
from congruence.run.several.matrix import BEST, FEATURES
from congruence.run.several.results import SHARED, ModelsRun
from congruence.several import Clusters
from congruence.storage import generations, write_bytes
from congruence.wording import format_score

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL, _NAMES, _TREE, _HEAD = 0.62, 1.7, 1.6, 0.75


def tree_name(measure: str) -> str:
    """Name of a measure's picture, without a suffix."""
    return file_name(f"models_{measure}")


def drawn_trees(run: ModelsRun) -> list[tuple[str, Clusters]]:
    """Measures that have a tree, by the best layer pairs (`shared`: by all features)."""
    found = []
    for one in run.info["clusters"]:
        if one["of"] in (BEST, FEATURES):
            found.append((one["measure"], run.clusters(one["measure"], of=one["of"])))
    return found


def write_trees(run: ModelsRun) -> list[Path]:
    """Draw the tree and matrix of every measure below ``figures/``; PNG before SVG."""
    paths = []
    for measure, tree in drawn_trees(run):
        for suffix, content in render_tree(run, measure, tree).items():
            paths.append(run.folder / FOLDER / f"{tree_name(measure)}.{suffix}")
            write_bytes(paths[-1], content)
    generations.show(run.folder, FOLDER)
    return paths


def render_tree(run: ModelsRun, measure: str, tree: Clusters) -> dict[str, bytes]:
    """The picture as {"png": …, "svg": …}, the same bytes each time."""
    settle_font_cache()
    import matplotlib

    with matplotlib.rc_context(cast(Any, STYLE)):
        figure = _figure(run, measure, tree)
        return {"png": png(figure), "svg": svg(figure)}


def _figure(run: ModelsRun, measure: str, tree: Clusters) -> "Figure":
    from matplotlib.figure import Figure

    size = max(_CELL * len(tree.order), 1.2)
    width, height = _TREE + _NAMES + size + 0.3, _HEAD + size + _NAMES * 0.55
    figure = Figure(figsize=(width, height))
    figure.text(
        0.12 / width, 1 - 0.3 / height, short(title_of(measure), width - 0.3, 11), fontsize=11, color=INK
    )
    told = (
        "each model's features that have a counterpart"
        if measure == SHARED
        else "best layer pair of every two"
    )
    figure.text(0.12 / width, 1 - 0.52 / height, told, fontsize=8, color=MUTED)
    bottom = _NAMES * 0.55 / height
    left = figure.add_axes((0.15 / width, bottom, (_TREE - 0.2) / width, size / height))
    right = figure.add_axes(((_TREE + _NAMES) / width, bottom, size / width, size / height))
    _tree(left, tree)
    _cells(right, run, measure, tree)
    return figure


def _tree(axes: "Axes", tree: Clusters) -> None:
    """Joins from the right, where the models are, to the left; the leaves lie on the rows of the matrix."""
    row = {name: float(number) for number, name in enumerate(tree.order)}
    nodes = [(row[name], 0.0) for name in tree.models]
    for one, other, distance, _ in tree.linkage:
        (y_one, x_one), (y_other, x_other) = nodes[int(one)], nodes[int(other)]
        axes.plot(
            [x_one, distance, distance, x_other], [y_one, y_one, y_other, y_other], color=INK, linewidth=1.2
        )
        nodes.append(((y_one + y_other) / 2, distance))
    furthest = max((distance for _, _, distance, _ in tree.linkage), default=1.0) or 1.0
    axes.set_xlim(furthest * 1.06, -furthest * 0.02)
    axes.set_ylim(len(tree.order) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_xlabel("distance of the join", fontsize=7.5, color=MUTED)
    axes.tick_params(labelsize=7, colors=MUTED)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)


def _cells(axes: "Axes", run: ModelsRun, measure: str, tree: Clusters) -> None:
    values = run.matrix(measure).loc[list(tree.order), list(tree.order)].to_numpy(np.float64)
    scale = score_scale(values, label="")
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            place = scale.position(float(value))
            colour = EMPTY if np.isnan(place) else shade(LIGHT["score"], place)
            axes.add_patch(_box(j, i, colour))
            if i != j:
                told = format_score(float(value), 2)
                axes.text(j, i, told, ha="center", va="center", fontsize=8, color=text_on(colour))
    names = [short(name, _NAMES - 0.2, 8.5) for name in tree.order]
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names, fontsize=8.5)
    lower = [short(name, 1.1, 8.5) for name in tree.order]
    axes.set_xticks(range(len(names)), lower, fontsize=8.5, rotation=35, ha="right", rotation_mode="anchor")
    axes.tick_params(length=0, colors=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _box(column: int, row: int, colour: str) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, facecolor=colour, linewidth=0)
