"""The summary in the terminal: the grid, the answer and where the rest lies."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from congruence.report.concepts import ConceptLine, concept_lines, lead_measure, subspaces
from congruence.report.function import function_lines
from congruence.report.lines import Lines
from congruence.report.sae_lines import sae_line
from congruence.report.scales import LIGHT, score_scale, shade, text_on
from congruence.report.transfer import transfer_line
from congruence.run.results import Run, load_run
from congruence.storage import generations
from congruence.view.numbers import ALPHA
from congruence.view.shared import shared_words
from congruence.view.verdict import Verdict, star_words, verdict
from congruence.view.views import MeasureView, headline, measure_views
from congruence.view.words import measure_words, null_words
from congruence.wording import format_score

if TYPE_CHECKING:
    from rich.style import Style
    from rich.text import Text

REPORT = "report.html"
_CELL, _MOST_LAYERS = 6, 12


def summary(run_dir: str | Path | Run) -> "Summary":
    """What a person wants to know at the end of a run, for `rich.console.Console.print`.

    The answer first: the best layer pair with its score, null, p and ceiling; then the grid of the headline
    measure with the significant cells marked (beyond 12 layers a side, those that reach highest), the
    numbers of pairs, and where the report lies. Reads well at 80 columns, in colour or without.

    Args:
        run_dir: a finished run, or its folder.

    Raises:
        StorageError: `run_dir` isn't a finished run.
    """
    run = run_dir if isinstance(run_dir, Run) else load_run(run_dir)
    views = measure_views(run)
    view = headline(views) if views else None
    return Summary(run, view, verdict(run, view) if view else None)


@dataclass(frozen=True, repr=False)
class Summary(Lines):
    """A rich renderable; see :func:`summary`."""

    run: Run
    view: MeasureView | None
    answer: Verdict | None

    def _lines(self, width: int) -> Iterator["Text"]:
        from rich.text import Text

        yield Text(f"{self.run.side_name('a')} × {self.run.side_name('b')}", style="bold")
        if self.view is not None and self.answer is not None:
            for number, sentence in enumerate(self.answer.sentences):
                yield Text(sentence, style="bold" if number == 0 else "")
            yield Text("")
            yield Text(f"{measure_words(self.view.measure).title} of each layer pair", style="dim")
            yield Text("")
            yield from _grid(self.run, self.view, width)
            yield Text("")
        yield from concept_rows(self.run)
        if line := transfer_line(self.run):
            yield Text(line)
            yield Text("")
        for line in function_lines(self.run):
            yield Text(line)
            yield Text("")
        if line := self.run.info.get("as_published"):
            yield Text(f"{line[:1].upper()}{line[1:]}", style="yellow")
        yield from _saes(self.run)
        yield from _equal_index(self.run)
        yield from _counts(self.run)
        yield from (Text(sentence) for sentence in shared_words(self.run))
        yield from _places(self.run)


def _grid(run: Run, view: MeasureView, width: int) -> Iterator["Text"]:
    from rich.text import Text

    label = max(len(str(layer)) for layer in view.layers_a) + 2
    fitting = max(1, (width - label) // _CELL)
    cells, values = _cells(view), view.grid("value").values
    rows, shown = _highest(values), _highest(values.T)
    for number, columns in enumerate(np.array_split(shown, -(-len(shown) // fitting))):
        if number:
            yield Text("")
        heading = "".join(f"{view.layers_b[column]:>{_CELL - 1}} " for column in columns)
        yield Text(f"{'':>{label}}{heading}", style="bold", no_wrap=True)
        for row in rows:
            yield Text.assemble(
                (f"{view.layers_a[row]:>{label - 1}} ", "bold"), *(cells[row][column] for column in columns),
                no_wrap=True,
            )  # fmt: skip
    part_a, part_b = _part(len(rows), len(view.layers_a)), _part(len(shown), len(view.layers_b))
    yield Text(
        f"rows: {part_a}layers of {run.side_name('a')}; columns: {part_b}layers of {run.side_name('b')}",
        style="dim",
    )
    stars = star_words(view).replace("★", "*:")
    yield Text("; ".join(filter(None, [stars, ">: best", "–: no score"])), style="dim")


def _highest(values: np.ndarray) -> np.ndarray:
    """Rows of a grid that fit the terminal: all, or those whose highest score is among the highest."""
    top = np.where(np.isfinite(values), values, -np.inf).max(axis=1)
    return np.sort(np.argsort(-top, kind="stable")[:_MOST_LAYERS])


def _part(shown: int, total: int) -> str:
    return "" if shown == total else f"{shown} of {total} (highest scores) "


def _cells(view: MeasureView) -> list[list[tuple[str, "Style"]]]:
    values, stars, best = view.grid("value"), view.grid("q").values <= ALPHA, view.best
    scale = score_scale(values.values, label="")
    chosen = np.zeros(values.values.shape, dtype=bool)
    if best is not None:
        chosen[view.place(best)] = True
    return [
        [_cell(v, scale.position(v), bool(star), bool(here)) for v, star, here in zip(*row, strict=True)]
        for row in zip(values.values, stars, chosen, strict=True)
    ]


def _cell(value: float, place: float, star: bool, chosen: bool) -> tuple[str, "Style"]:
    from rich.style import Style

    text = f"{'>' if chosen else ' '}{format_score(value, 2):>4}{'*' if star else ' '}"
    if np.isnan(place):
        return text, Style(dim=True)
    background = shade(LIGHT["score"], place)
    return text, Style(color=text_on(background), bgcolor=background, bold=chosen)


def concept_rows(run: Run) -> Iterator["Text"]:
    """A line for each concept subspace: pairs, score, and layer pairs that stand under each null."""
    from rich.text import Text

    lines = concept_lines(run)
    if not lines:
        return
    nulls = list(dict.fromkeys(null for line in lines for null in line.above))
    width = min(max(len(line.name) for line in lines), 28)
    title = measure_words(str(lead_measure(subspaces(run)))).title
    yield Text(f"Concept subspaces: {title}", style="bold")
    upper, lower = zip(*(_two_lines(null) for null in nulls), strict=True)
    if any(upper):
        heads = "".join(f"{part:>{_wide(null)}}" for part, null in zip(upper, nulls, strict=True))
        yield Text(f"{'':<{width}}  {'':>7} {'':>6}{heads}", style="bold", no_wrap=True)
    heads = "".join(f"{part:>{_wide(null)}}" for part, null in zip(lower, nulls, strict=True))
    yield Text(f"{'':<{width}}  {'pairs':>7} {'score':>6}{heads}", style="bold", no_wrap=True)
    for line in lines:
        yield Text(_concept_row(line, nulls, width), no_wrap=True)
    tested = max((number for line in lines for _, number in line.above.values()), default=0)
    named = "; ".join(f"{null}, {null_words(null).title}" for null in nulls)
    unclear = list(dict.fromkeys(reason for line in lines for reason in line.unclear.values()))
    yield Text(
        f"pairs: fewest-most of a layer pair; score: mean; then layer pairs of {tested} with q ≤ {ALPHA:g} "
        f"under each null: {named}" + "".join(f"; ?: {reason}" for reason in unclear[:1]),
        style="dim",
    )
    yield Text("")


def _two_lines(null: str) -> tuple[str, str]:
    """A null's name for the head of a column: a long one is broken at its first underline."""
    first, joint, rest = null.partition("_")
    return (first + joint, rest) if len(null) > 8 and rest else ("", null)


def _wide(null: str) -> int:
    return max(map(len, _two_lines(null))) + 2


def _concept_row(line: ConceptLine, nulls: list[str], width: int) -> str:
    low, high = line.pairs
    pairs = str(low) if low == high else f"{low}-{high}"
    start = f"{line.name[:width]:<{width}}  {pairs:>7} "
    if line.reason:
        return f"{start}     - {line.reason}"
    shown = {null: "?" if null in line.unclear else str(count) for null, (count, _) in line.above.items()}
    return f"{start}{format_score(line.score):>6}" + "".join(
        f"{shown.get(null, '-'):>{_wide(null)}}" for null in nulls
    )


def _saes(run: Run) -> Iterator["Text"]:
    from rich.text import Text

    for side in ("a", "b"):
        if line := sae_line(run, side):
            yield Text(line)
        for note in run.info["sides"][side].get("notes") or []:
            yield Text(str(note), style="yellow")
    if given := run.info.get("in_memory"):
        told = f"{', '.join(map(str, given))} were objects in memory: no command can repeat this run."
        yield Text(told, style="yellow")


def _equal_index(run: Run) -> Iterator["Text"]:
    from rich.text import Text

    if told := (run.info.get("equal_index") or {}).get("warning"):
        yield Text(f"{told[:1].upper()}{told[1:]}.", style="yellow")


def _counts(run: Run) -> Iterator["Text"]:
    from rich.text import Text

    before, after = run.pair_counts
    tokens = run.corpus.get("kept_tokens")
    read = f" over {tokens:,} tokens" if tokens else ""
    yield Text(f"{before:,} pairs of features matched{read}, {after:,} kept by the filters.")
    if "coverage_a" in run.corpus:
        shares = " and ".join(
            f"{run.corpus[f'coverage_{side}']:.1%} of {run.side_name(side)}'s" for side in "ab"
        )
        yield Text(f"The tokenizers differ: tokens were aligned by characters and cover {shares} tokens.")
    doubted = sum(1 for texts in run.results.warnings if texts)
    if doubted:
        share = f"{doubted:,} of {len(run.results):,} scores"
        yield Text(f"{share} come with a warning: the report lists them.", style="yellow")


def _places(run: Run) -> Iterator["Text"]:
    from rich.text import Text

    shown = generations.public(run.folder)
    for name, path in (("report", shown / REPORT), ("figures", shown / "figures")):
        if path.exists():
            # a path is one word to copy, however narrow the terminal is
            yield Text.assemble((f"{name:<8}", "bold"), str(path), no_wrap=True, overflow="ignore")
