"""The concepts' part of the summary in the terminal."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from congruence.report.concepts import ConceptLine, concept_lines, lead_measure, subspaces
from congruence.report.measures import note_for
from congruence.report.numbers import ALPHA, format_score
from congruence.report.read import FinishedRun

if TYPE_CHECKING:
    from rich.text import Text

_SHORT = {"size_matched": "matched", "unrelated_keywords": "words"}


def concept_rows(run: FinishedRun) -> Iterator["Text"]:
    """A line for each concept subspace: pairs, score, and layer pairs that stand under each null."""
    from rich.text import Text

    lines = concept_lines(run)
    if not lines:
        return
    nulls = list(dict.fromkeys(null for line in lines for null in line.above))
    width = min(max(len(line.name) for line in lines), 28)
    title = note_for(str(lead_measure(subspaces(run)))).title
    yield Text(f"Concept subspaces: {title}", style="bold")
    heads = "".join(f"{_SHORT.get(null, null):>9}" for null in nulls)
    yield Text(f"{'':<{width}}  {'pairs':>7} {'score':>6}{heads}", style="bold", no_wrap=True)
    for line in lines:
        yield Text(_row(line, nulls, width), no_wrap=True)
    tested = max((number for line in lines for _, number in line.above.values()), default=0)
    yield Text(
        f"pairs: fewest-most of a layer pair; score: mean; then layer pairs of {tested} with q ≤ {ALPHA:g} "
        f"under each null: {_legend(nulls)}",
        style="dim",
    )
    yield Text("")


def _row(line: ConceptLine, nulls: list[str], width: int) -> str:
    low, high = line.pairs
    pairs = str(low) if low == high else f"{low}-{high}"
    start = f"{line.name[:width]:<{width}}  {pairs:>7} "
    if line.reason:
        return f"{start}     - {line.reason}"
    counts = "".join(f"{line.above[null][0] if null in line.above else '-':>9}" for null in nulls)
    return f"{start}{format_score(line.score):>6}{counts}"


def _legend(nulls: list[str]) -> str:
    words = {
        "pairing": "pairs shuffled",
        "subset": "random features",
        "size_matched": "as many pairs of the whole space",
        "unrelated_keywords": "features of other words",
    }
    return "; ".join(f"{_SHORT.get(null, null)}, {words[null]}" for null in nulls if null in words)
