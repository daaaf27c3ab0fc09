"""One error tree. A message names the thing, its value and the remedy; the CLI prints it and exits 2."""

import difflib
import signal
from collections.abc import Iterable


class CongruenceError(Exception):
    """Anything the user can mend. Shown as one line, without a traceback."""


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


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """The one-line message for a name that isn't on a list, with the nearest one that is."""
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {kind} {name!r}: {hint}known are {', '.join(names)}"
