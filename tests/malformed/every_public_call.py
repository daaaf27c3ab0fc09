"""Every public function and class, called with what it can't take. Run by itself: prints what is wrong.

    python tests/malformed/every_public_call.py

In a process of its own a crash is seen, and no checks of types but the package's stand before the code.
"""

import importlib
import inspect
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

PACKAGES = (
    "", "activations", "concepts", "config", "filters", "function", "matching", "metrics", "models",
    "nulls", "recipes", "report", "run", "saes", "several", "significance", "stats", "synthetic", "transfer",
    "view", "wordlists",
)  # fmt: skip
"""Public packages; training is left out: it loads sae-lens."""
ASKS_THE_HUB = (
    "load_model",
    "find_model",
    "load_sae",
    "find_sae",
    "list_saes",
    "Catalogue",
    "load_crosscoder",
    "find_crosscoder",
    "load_dataset_corpus",
)
"""For these a word is the id of something to download."""
MADE_BY_OTHERS = ("Prepared", "Null", "Sae")
"""Protocols, and classes to derive from."""

SLOW = ("ask_for_lists",)
"""These open a connection."""

SHORT: dict[str, Any] = {
    "None": None, "'x'": "x", "NaN": np.full((6, 3), np.nan), "three axes": np.ones((2, 2, 2)),
}  # fmt: skip
ALL = SHORT | {
    "3": 3, "[]": [], "{}": {},
    "-1": -1, "one axis": np.ones(4), "lists": [[1.0, 2.0], [3.0, 4.0]], "an object": object(), "bytes": b"x",
    "objects": np.full((3, 3), None), "words": np.full((3, 3), "a"), "huge": 2**70, "nan": float("nan"),
    "no rows": np.ones((0, 3)), "complex": np.full((3, 3), 1j), "text\n": "a\nb", "a set": {1}, "large": np.full(3, 2**62),
}  # fmt: skip
LONGEST_SECONDS = 20


def public() -> Iterator[tuple[str, Any]]:
    """Every public function and class once, by the name people call it by."""
    seen: set[int] = set()
    for name in PACKAGES:
        package = importlib.import_module("congruence" + (name and f".{name}"))
        for label in package.__all__:
            thing = getattr(package, label)
            named = inspect.isroutine(inspect.unwrap(thing)) or isinstance(thing, type)
            if named and id(thing) not in seen and label not in MADE_BY_OTHERS:
                seen.add(id(thing))
                yield f"{package.__name__}.{label}", thing


def call(function: Any, value: Any) -> Any:
    """The function of the same value for everything that it needs, or for its first argument."""
    parameters = list(inspect.signature(function).parameters.values())
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    needed = [p for p in plain if p.default is p.empty] or plain[:1]
    given = [value for p in needed if p.kind is not p.KEYWORD_ONLY]
    return function(*given, **{p.name: value for p in needed if p.kind is p.KEYWORD_ONLY})


def fault(function: Any, value: Any) -> str:
    """What is wrong with how a value was met; "" where nothing is."""
    from congruence.errors import CongruenceError

    try:
        call(function, value)
    except CongruenceError as error:
        said = str(error)
        if "\n" in said or not said.isprintable() or len(said) > 600:
            return f"no single short line: {said[:300]!r}"
    except BaseException as error:  # whatever else escapes is a fault
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return ""


def attempts(values: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """What is tried, the function and the value."""
    for name, function in public():
        for label, value in values.items():
            last = name.rpartition(".")[2]
            if last not in SLOW and not (isinstance(value, str | bytes) and last in ASKS_THE_HUB):
                yield f"{name}({label})", function, value


def main() -> None:
    warnings.simplefilter("ignore")
    tried, started = 0, time.perf_counter()
    for name, function, value in attempts(ALL):
        tried += 1
        print(f"at {name}", file=sys.stderr, flush=True)
        signal.alarm(LONGEST_SECONDS)
        if why := fault(function, value):
            print(f"{name}: {why}", flush=True)
        signal.alarm(0)
    print(f"{tried} calls in {time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
