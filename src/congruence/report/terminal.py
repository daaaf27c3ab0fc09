"""The summary in the terminal: the grid, the answer and where the rest lies."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from congruence.report.colours import LIGHT, shade, text_on
from congruence.report.measures import note_for
from congruence.report.numbers import ALPHA, format_score
from congruence.report.read import FinishedRun, read_run
from congruence.report.scales import score_scale
from congruence.report.terminal_concepts import concept_rows
from congruence.report.verdict import Verdict, verdict
from congruence.report.views import MeasureView, headline, measure_views

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.style import Style
    from rich.text import Text

REPORT = "report.html"
_CELL = 6
_PLAIN = str.maketrans({"×": "x", "–": "-", "≤": "<=", "√": "sqrt", "π": "pi", "²": "2", "…": "..."})


def summary(run_dir: str | Path) -> "Summary":
    """What a person wants to know at the end of a run, for `rich.console.Console.print`.

    The grid of the headline measure with the significant cells marked, the best layer pair with its score,
    null, p and ceiling, the numbers of pairs, and where the report lies. Reads well at 80 columns, in
    colour or without.

    Args:
        run_dir: folder of a finished run.

    Raises:
        StorageError: `run_dir` isn't a finished run.
    """
    run = read_run(run_dir)
    views = measure_views(run)
    view = headline(views) if views else None
    return Summary(run, view, verdict(run, view) if view else None)


@dataclass(frozen=True)
class Summary:
    """A rich renderable; see :func:`summary`."""

    run: FinishedRun
    view: MeasureView | None
    answer: Verdict | None

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        for line in self._lines(options.max_width):
            yield _encodable(line, options.encoding)

    def _lines(self, width: int) -> Iterator["Text"]:
        from rich.text import Text

        yield Text(f"{self.run.side_name('a')} × {self.run.side_name('b')}", style="bold")
        if self.view is not None and self.answer is not None:
            yield Text(f"{note_for(self.view.measure).title} of each layer pair", style="dim")
            yield Text("")
            yield from _grid(self.run, self.view, width)
            yield Text("")
            for number, sentence in enumerate(self.answer.sentences):
                yield Text(sentence, style="bold" if number == 0 else "")
            yield Text("")
        yield from concept_rows(self.run)
        yield from _counts(self.run)
        yield from _places(self.run)


def _grid(run: FinishedRun, view: MeasureView, width: int) -> Iterator["Text"]:
    from rich.text import Text

    label = max(len(str(layer)) for layer in view.layers_a) + 2
    fitting = max(1, (width - label) // _CELL)
    cells = _cells(view)
    blocks = np.array_split(np.arange(len(view.layers_b)), -(-len(view.layers_b) // fitting))
    for number, columns in enumerate(blocks):
        if number:
            yield Text("")
        heading = "".join(f"{view.layers_b[column]:>{_CELL - 1}} " for column in columns)
        yield Text(f"{'':>{label}}{heading}", style="bold", no_wrap=True)
        for layer, row in zip(view.layers_a, cells, strict=True):
            yield Text.assemble(
                (f"{layer:>{label - 1}} ", "bold"), *(row[column] for column in columns), no_wrap=True
            )
    yield Text(f"rows: layers of {run.side_name('a')}; columns: layers of {run.side_name('b')}", style="dim")
    yield Text(f"*: q ≤ {ALPHA:g} over {len(view.tested)} layer pairs; >: best; –: no score", style="dim")


def _cells(view: MeasureView) -> list[list[tuple[str, "Style"]]]:
    values, stars, best = view.grid("value"), view.grid("q").values <= ALPHA, view.best
    scale = score_scale(values.values, label="")
    chosen = np.zeros(values.values.shape, dtype=bool)
    if best is not None:
        chosen[view.layers_a.index(int(best.layer_a)), view.layers_b.index(int(best.layer_b))] = True
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


def _counts(run: FinishedRun) -> Iterator["Text"]:
    from rich.text import Text

    before, after = run.pair_counts()
    tokens = run.corpus.get("kept_tokens")
    read = f" over {tokens:,} tokens" if tokens else ""
    yield Text(f"{before:,} pairs of features matched{read}, {after:,} kept by the filters.")
    if "coverage_a" in run.corpus:
        shares = " and ".join(
            f"{run.corpus[f'coverage_{side}']:.1%} of {run.side_name(side)}'s" for side in "ab"
        )
        yield Text(f"The tokenizers differ: tokens were aligned by characters and cover {shares} tokens.")
    doubted = int((run.results.warnings != "").sum())
    if doubted:
        share = f"{doubted:,} of {len(run.results):,} scores"
        yield Text(f"{share} come with a warning: the report lists them.", style="yellow")


def _places(run: FinishedRun) -> Iterator["Text"]:
    from rich.text import Text

    for name, path in (("report", run.path / REPORT), ("figures", run.path / "figures")):
        if path.exists():
            yield Text.assemble((f"{name:<8}", "bold"), str(path))


def _encodable(line: "Text", encoding: str) -> "Text":
    if encoding.lower().startswith("utf"):
        return line
    plain = line.copy()
    plain.plain = line.plain.translate(_PLAIN).encode(encoding, "replace").decode(encoding)
    return plain
