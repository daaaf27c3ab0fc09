"""Numbers of the summary as a page shows them."""

import math
from collections.abc import Sequence

from congruence.synthetic.study.summary import Frame


def chapter(summary: Frame, name: str) -> Frame:
    """The rows of one chapter."""
    return summary[summary.chapter == name]


def order(values: Frame) -> list[str]:
    """Each value once, in order."""
    return [str(value) for value in dict.fromkeys(values)]


def value(table: Frame, quantity: str) -> float:
    """The mean of a quantity; NaN where there is none."""
    mine = table[table.quantity == quantity]
    return float(mine["mean"].iloc[0]) if len(mine) else math.nan


def two(table: Frame, subject: str, world: str, setting: str) -> str:
    """Precision and recall of a subject in a world, in words."""
    mine = table[(table.subject == subject) & (table.world == world) & (table.setting == setting)]
    return " / ".join(percent(value(mine, quantity)) for quantity in ("precision", "recall"))


def worlds_of(table: Frame) -> str:
    """How many there were, in words."""
    count = int(table.worlds.max())
    return f"{count} world{'s' if count > 1 else ''}"


def percent(value: float, digits: int = 0) -> str:
    """A share in words; – where there is none."""
    return "–" if not math.isfinite(value) else f"{100 * value:.{digits}f} %"


def number(value: float) -> str:
    """Two digits; – where there is none."""
    return "–" if not math.isfinite(value) else f"{value:.2f}".replace("-0.00", "0.00")


def table_of(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
