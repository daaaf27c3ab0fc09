"""The tables of a run for a paper (scores, best layer pairs, pairs, concepts) as Markdown, LaTeX or CSV."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from congruence.errors import InputError, unknown_name
from congruence.options import choice
from congruence.report.concepts import measures_of, subspaces
from congruence.run.results import Run
from congruence.view.numbers import ALPHA, format_p, visible
from congruence.view.verdict import star_words
from congruence.view.views import MeasureView, measure_views
from congruence.view.words import measure_words, null_words
from congruence.wording import format_score

FORMATS = {"markdown": "md", "latex": "tex", "csv": "csv"}
"""Formats with the ends of their files' names."""


@dataclass(frozen=True)
class PaperTable:
    """One table of texts.

    Attributes:
        name: stem of its file.
        caption: what it shows, what stars mean, what the scores were tested against.
        heads: of its columns.
        rows: texts, one for each head.
    """

    name: str
    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def paper_tables(run: Run) -> list[PaperTable]:
    """Every table of a run.

    ``best``: each measure at its best layer pair, with null, p, q and ceiling; ``scores_<measure>``: the grid
    with stars; ``pairs``: features and pairs of each layer pair; ``concepts_<measure>``: each concept.
    """
    views = measure_views(run)
    found = [_best(run, views), *(_scores(run, view) for view in views), _pairs(run)]
    return [*found, *_concepts(run)]


def written(table: PaperTable, form: str) -> str:
    """A table as text: "markdown", "latex" or "csv" (without the caption)."""
    choice("format", form, tuple(FORMATS))
    return {"markdown": _markdown, "latex": _latex, "csv": _csv}[form](table)


def latex(run: Run, name: str | None = None) -> str:
    """One of a run's tables for LaTeX; by default the best layer pair of every measure.

    Raises:
        InputError: it has no such table; the message lists those that it has.
    """
    there = {table.name: table for table in paper_tables(run)}
    wanted = "best" if name is None else str(name)
    near = [one for one in there if one == f"scores_{wanted}" or one.startswith(f"scores_{wanted}_")]
    if wanted not in there and not near:
        raise InputError(unknown_name("table", wanted, there))
    return written(there[wanted] if wanted in there else there[near[0]], "latex")


def _best(run: Run, views: Sequence[MeasureView]) -> PaperTable:
    rows = []
    for view in views:
        best = cast(Any, view.best)
        if best is None:
            continue
        interval = f"[{format_score(best.low)}, {format_score(best.high)}]" if np.isfinite(best.low) else "–"
        rows.append(
            (
                measure_words(view.measure).title, f"{best.layer_a}–{best.layer_b}",
                _starred(best.value, best.q),
                interval, f"{format_score(best.null_mean)} ({null_words(view.null).title})", format_p(best.p),
                format_p(best.q), format_score(view.ceiling_at(best)), f"{int(best.n):,}",
            )
        )  # fmt: skip
    sides = f"{run.side_name('a')} and {run.side_name('b')}"
    stars = "; ".join(dict.fromkeys(_stars(view) for view in views if _stars(view)))
    heads = ("measure", "layers", "score", "95% interval", "null mean", "p", "q", "ceiling", "pairs")
    caption = f"Best layer pair of {sides} by each measure. {stars}."
    return PaperTable("best", caption, heads, tuple(rows))


def _scores(run: Run, view: MeasureView) -> PaperTable:
    values, q = view.grid("value").values, view.grid("q").values
    rows = [
        (str(layer), *(_starred(v, p) for v, p in zip(values[i], q[i], strict=True)))
        for i, layer in enumerate(view.layers_a)
    ]
    sides = f"layers of {run.side_name('a')} (rows) and {run.side_name('b')} (columns)"
    drawn = f"{view.draws:,} draws of {view.null!r} ({null_words(view.null).title})"
    told = f" Tested against {drawn}; {_stars(view)}." if view.draws else " Not tested."
    caption = f"{measure_words(view.measure).title} of {sides}.{told}"
    return PaperTable(f"scores_{_stem(view.slug)}", caption, ("layer", *map(str, view.layers_b)), tuple(rows))


def _pairs(run: Run) -> PaperTable:
    cells = cast(Any, run.real_cells)
    rows = [
        (
            str(cell.layer_a), str(cell.layer_b), f"{cell.alive_a:,}", f"{cell.alive_b:,}",
            f"{cell.pairs_before:,}", format_score(cell.mean_r_before), f"{cell.pairs_after:,}",
            format_score(cell.mean_r_after),
        )
        for cell in cells.itertuples()
    ]  # fmt: skip
    heads = ("layer a", "layer b", "features a", "features b", "pairs", "mean r", "pairs kept", "mean r kept")
    steps = dict.fromkeys(str(step["step"]) for removed in run.real_cells.removed for step in removed)
    caption = (
        f"Features that fire and their pairs, {run.side_name('a')} (a) and {run.side_name('b')} (b), before "
        f"and after filtering ({', '.join(steps) or 'no filter'})."
    )
    return PaperTable("pairs", caption, heads, tuple(rows))


def _concepts(run: Run) -> list[PaperTable]:
    found = subspaces(run)
    tables = []
    for measure in measures_of(found):
        rows = []
        for subspace in (one for one in found if one.scored(measure)):
            best = cast(Any, subspace.usual(measure).best)
            mean = float(subspace.usual(measure).rows.value.mean())
            above = [f"{len(v.significant)}/{len(v.tested)}" for v in subspace.views[measure].values()]
            rows.append(
                (
                    subspace.name, f"{best.layer_a}–{best.layer_b}", f"{int(best.n):,}",
                    _starred(best.value, best.q), format_score(best.null_mean), format_p(best.p),
                    format_score(mean), ", ".join(above),
                )
            )  # fmt: skip
        if not rows:
            continue
        nulls = list(next(one for one in found if one.scored(measure)).views[measure])
        heads = (
            "concept",
            "best layers",
            "pairs",
            "score",
            "null mean",
            "p",
            "mean score",
            "pairs that stand",
        )
        caption = (
            f"{measure_words(measure).title} inside each concept at its best layer pair; *: q ≤ {ALPHA:g} "
            "over its layer pairs; the last column counts those that stand under the nulls "
            f"{', '.join(nulls)}."
        )
        tables.append(PaperTable(f"concepts_{_stem(measure)}", caption, heads, tuple(rows)))
    return tables


def _stars(view: MeasureView) -> str:
    return star_words(view).replace("★", "*:")


def _starred(value: float, q: float) -> str:
    return format_score(value) + ("*" if q <= ALPHA and np.isfinite(value) else "")


def _stem(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("_.")


def _markdown(table: PaperTable) -> str:
    def line(cells: Sequence[str]) -> str:
        return (
            "| " + " | ".join(_plain(cell).replace("|", "\\|").replace("*", "\\*") for cell in cells) + " |"
        )

    ruler = "|" + "|".join(" :-- " if i == 0 else " --: " for i in range(len(table.heads))) + "|"
    caption = _plain(table.caption).replace("*", "\\*")
    return "\n".join([line(table.heads), ruler, *map(line, table.rows), "", caption, ""])


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#",
    "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "≤": r"$\leq$", "×": r"$\times$", "–": "--", "√": r"$\surd$", "π": r"$\pi$",
    "²": r"$^2$", "−": r"$-$", "…": r"\dots{}",
}  # fmt: skip
"""What LaTeX wouldn't print as it is."""


def _latex(table: PaperTable) -> str:
    def line(cells: Sequence[str], escape: Callable[[str], str]) -> str:
        return " & ".join(map(escape, cells)) + r" \\"

    body = [line(row, lambda text: re.sub(r"\*$", "$^{*}$", _escaped(text))) for row in table.rows]
    caption = _escaped(table.caption).replace("*:", "$^{*}$:")
    tabular = rf"\begin{{tabular}}{{l{'r' * (len(table.heads) - 1)}}}"
    above = ["% needs \\usepackage{booktabs}", r"\begin{table}", r"\centering", tabular, r"\toprule"]
    below = [r"\bottomrule", r"\end{tabular}", rf"\caption{{{caption}}}"]
    label = rf"\label{{tab:{table.name.replace('_', '-')}}}"
    head = [line(table.heads, _escaped), r"\midrule"]
    return "\n".join([*above, *head, *body, *below, label, r"\end{table}", ""])


def _escaped(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _plain(text))


def _csv(table: PaperTable) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table.heads, *table.rows])
    return text.getvalue()


def _plain(text: str) -> str:
    """A text on one line; marks that can't be printed escaped, nothing cut."""
    return "".join(c if c.isprintable() else visible(c) for c in text)
