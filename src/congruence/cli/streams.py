"""Standard output and error that may break without taking the work with them."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any

_OF_FILES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors by which a file that output goes to is cut short."""


class Forgiving:
    """A stream whose first error silences it: a closed pipe or terminal, or a full disk under a log.

    What isn't written here goes to the stream it stands for.

    Attributes:
        lost: why what was printed into a file isn't whole, as on a full disk; "" where it is, or where a
            reader has gone, who wanted no more.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._broken = False
        self.lost = ""

    def write(self, text: str) -> int:
        """Write where that works."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush where that works."""
        self._try(self._stream.flush)

    def _try(self, do: Any) -> None:
        if self._broken:
            return
        try:
            do()
        except UnicodeEncodeError:
            raise
        except (OSError, ValueError) as error:
            self._broken = True
            if getattr(error, "errno", None) in _OF_FILES:
                self.lost = str(getattr(error, "strerror", error))
            with contextlib.suppress(OSError, ValueError, AttributeError):  # what is buffered goes nowhere
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def lost_output() -> str:
    """Why the file that standard output goes to is cut short; "" where it isn't."""
    sys.stdout.flush()
    return getattr(sys.stdout, "lost", "")


@contextlib.contextmanager
def forgiving_streams() -> Iterator[None]:
    """Both standard streams forgive, for this block; where one was closed at the start it goes nowhere."""
    before = sys.stdout, sys.stderr
    with contextlib.ExitStack() as stack:
        whole = [s if s is not None else stack.enter_context(open(os.devnull, "w")) for s in before]
        sys.stdout, sys.stderr = Forgiving(whole[0]), Forgiving(whole[1])  # type: ignore[assignment]
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            sys.stdout, sys.stderr = before
