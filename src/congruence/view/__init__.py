"""What a finished run has to show, as plain data: the same answers for a report's file and the explorer."""

from congruence.careful import guard
from congruence.view.answers import Answers
from congruence.view.cells import CellKey
from congruence.view.embedded import embedded, embedded_text
from congruence.view.matches import Query

__all__ = ["Answers", "CellKey", "Query", "embedded", "embedded_text"]

guard(globals())
