"""One error tree. A message names the thing, its value and the remedy; the CLI prints it and exits 2."""

import difflib
import re
import signal
from collections.abc import Iterable


class CongruenceError(Exception):
    """Anything the user can mend. Shown as one line, without a traceback."""

    def __init__(self, message: object = "") -> None:
        text = shortened(str(message))  # values in it may have lines, as arrays do
        super().__init__(text if "\n" not in text else " ".join(text.split()))


class InputError(CongruenceError, ValueError):
    """An argument, array or file that can't be used as it is."""


class ConfigError(InputError):
    """A run's configuration is wrong."""


class CorpusError(InputError):
    """A corpus is missing, empty or too short."""


class ModelError(InputError):
    """A language model can't be loaded, or a hook point isn't in it."""


class SaeError(InputError):
    """An SAE file is missing, broken, unknown, or doesn't fit its model."""


class StorageError(CongruenceError):
    """A stored artefact can't be written, or was written by something else."""


class Stopped(BaseException):
    """A signal asked the process to end: like KeyboardInterrupt, only the outermost caller catches it."""

    def __init__(self, number: int) -> None:
        self.number, self.name = int(number), signal.Signals(number).name
        super().__init__(f"stopped by {self.name}")


_UNBROKEN = 300
"""Characters without a space that a message shows whole: longer than paths are."""
_LONG = re.compile(rf"\S{{{_UNBROKEN + 1},}}")


def shortened(message: str) -> str:
    """A message in which what was given without a space for hundreds of characters is cut in its middle.

    >>> len(shortened("no SAE at " + 5000 * "x"))
    130
    """
    return _LONG.sub(lambda found: f"{found[0][:80]}...{found[0][-37:]}", message)


_LISTED = 300
"""Characters of the known names that a message lists."""


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """The one-line message for a name that isn't on a list, with the nearest one that is."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name)[:100], names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    listed = ", ".join(names)
    if len(listed) > _LISTED:
        kept = listed[:_LISTED].rpartition(", ")[0]
        listed = f"{kept} and {len(names) - kept.count(', ') - 1} more"
    return f"unknown {kind} {quoted(name)}: {hint}known are {listed}"


def quoted(value: object, most: int = 60) -> str:
    """A value as a message shows it: on one line, what can't be printed escaped, a long one cut.

    >>> quoted([1.5] * 100, 12)
    '[1.5, 1.5...'
    """
    try:
        text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, or a value that holds itself
        text = f"a {type(value).__name__}"
    text = " ".join(text.split()).encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= most else text[: most - 3] + "..."
