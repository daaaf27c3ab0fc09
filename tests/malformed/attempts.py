"""One malformed input: what is given to the package, and what a good refusal of it looks like."""

import contextlib
import io
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from congruence.errors import CongruenceError
from congruence.recipes.demo import demo_folder

DEMO = demo_folder()
LONGEST = 420
"""Characters of a message, the paths in it included."""
NAN, INF = float("nan"), float("inf")


class Computed(BaseException):
    """Something was computed from the input; no handler of the package may swallow it."""


@dataclass(frozen=True)
class Attempt:
    """One input.

    Attributes:
        kind: of what, e.g. "configuration".
        name: which one.
        act: gives it to the package, in an empty folder; returns what a command printed on standard error.
        says: what the message must hold.
        refused: it must be; else it may be taken, so long as nothing breaks.
    """

    kind: str
    name: str
    act: Callable[[Path], "Ended"]
    says: tuple[str, ...] = ()
    refused: bool = True

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


@dataclass(frozen=True)
class Ended:
    """How it ended: the exit code of a command (0 and 2 of a call), and what it said."""

    code: int
    said: str


def command(*arguments: object) -> Ended:
    """A command line in this process."""
    from congruence.cli.main import main

    logger = logging.getLogger("congruence")
    level, handlers, code = logger.level, list(logger.handlers), 0
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    finally:
        logger.setLevel(level)
        logger.handlers[:] = handlers
    return Ended(code, err.getvalue())


def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> Ended:
    """A call from Python."""
    try:
        function(*arguments, **options)
    except CongruenceError as error:
        return Ended(2, f"error: {error}")
    return Ended(0, "")


def fault(attempt: Attempt, folder: Path) -> str:
    """What is wrong with how an input was met; "" where nothing is."""
    try:
        ended = attempt.act(folder)
    except Computed:
        return "taken: what can be known before computing wasn't said" if attempt.refused else ""
    except BaseException as error:  # whatever escapes is a fault
        return f"escaped: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
    if ended.code == 0:
        return "taken without a word" if attempt.refused else ""
    if ended.code != 2:
        return f"exit code {ended.code}: {ended.said[-300:]}"
    return _fault_of_words(ended.said, attempt.says)


def _fault_of_words(said: str, says: tuple[str, ...]) -> str:
    lines = said.strip().split("\n")
    start = next((i for i, line in enumerate(lines) if line.lower().startswith("error:")), None)
    if start is None or "Traceback" in said:
        return f"no line that begins with error: {said[-300:]!r}"
    message = "\n".join(lines[start:])
    if "\n" in message:
        return f"{len(lines) - start} lines: {message[:300]!r}"
    if len(message) > LONGEST:
        return f"{len(message)} characters: {message[:300]!r}"
    if not message.isprintable():
        return f"characters that can't be printed: {ascii(message)[:300]}"
    missing = [word for word in says if word not in message]
    if missing:
        return f"doesn't name {missing[0]!r}: {message!r}"
    if " " not in message.partition(":")[2].strip() or ":" not in message.partition(":")[2] + ":":
        return f"no remedy: {message!r}"
    return ""


def base_config() -> dict[str, Any]:
    """A small valid comparison of the demo's models."""
    side = {
        size: {"model": str(DEMO / size), "saes": str(DEMO / "saes" / size), "layers": [2]}
        for size in ("small", "large")
    }
    corpus = {"path": str(DEMO / "text" / "comparison.jsonl"), "documents": 12, "max_tokens": 32}
    return {"a": side["small"], "b": side["large"], "corpus": corpus, "null": {"draws": 20}}


def run_text(text: str | bytes, folder: Path) -> Ended:
    """`congruence run` of a configuration's text."""
    path = folder / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return command("run", path, "--out", folder / "out", "--no-progress", "--no-pictures")


def run_config(config: Any, folder: Path) -> Ended:
    """`congruence run` of a configuration."""
    return run_text(yaml.safe_dump(config), folder)


def changed(config: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a configuration with the value at a path of keys set."""
    head, _, rest = path.partition(".")
    if not rest:
        return {**config, head: value}
    inner = config.get(head)
    return {**config, head: changed(inner if isinstance(inner, dict) else {}, rest, value)}
