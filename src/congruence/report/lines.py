"""Lines of text that a terminal shows in colour, and any stream as plain text."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

_PLAIN = str.maketrans({"×": "x", "–": "-", "≤": "<=", "√": "sqrt", "π": "pi", "²": "2", "…": "..."})


class Lines:
    """A rich renderable made of lines; its string is them without colour, 80 columns wide."""

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=80, color_system=None, file=io.StringIO(), legacy_windows=False)
        with console.capture() as captured:
            console.print(self)
        return captured.get()

    def __repr__(self) -> str:
        return str(self)

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        for line in self._lines(options.max_width):
            yield encodable(line, options.encoding)

    def _lines(self, width: int) -> Iterator["Text"]:
        raise NotImplementedError


def encodable(line: "Text", encoding: str) -> "Text":
    """A line as a terminal of that encoding can show it."""
    if encoding.lower().startswith("utf"):
        return line
    plain = line.copy()
    plain.plain = line.plain.translate(_PLAIN).encode(encoding, "replace").decode(encoding)
    return plain
