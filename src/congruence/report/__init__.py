"""What a run found, for people: figures, a report and a summary in the terminal. Reads results only."""

from congruence.careful import guard
from congruence.report.drawn import draw
from congruence.report.figures import write_figures
from congruence.report.html import write_report
from congruence.report.terminal import summary

__all__ = ["draw", "summary", "write_figures", "write_report"]

guard(globals())
