"""YAML and JSON that people write, read strictly: a key written twice is an error, and numbers are numbers.

YAML 1.1 as PyYAML reads it takes ``1e-3`` for text, ``010`` for eight, ``1:30`` for ninety and the last of
two equal keys for the right one. Here a number may have an exponent without a point, leading zeros mean
nothing (octal is ``0o10``), and dates and times of day are text. ``yes``, ``no``, ``on`` and ``off`` stay
true and false.
"""

import json
import re
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path
from typing import Any

from congruence.errors import InputError, quoted

LARGEST = 16 * 2**20
"""Bytes of the largest file of settings or keywords that is read."""
MOST_VALUES = 1_000_000
"""Values that a file may stand for once its aliases are written out."""

_INT = re.compile(r"^[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)$")
_FLOAT = re.compile(
    r"^[-+]?([0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|\.[0-9][0-9_]*([eE][-+]?[0-9]+)?|\.(inf|Inf|INF))$"
    r"|^\.(nan|NaN|NAN)$"
)


def read_strict(path: Path, what: str, error: type[InputError], *, remedy: str) -> Any:
    """What a YAML or (by its ending) JSON file holds.

    Args:
        path: the file.
        what: begins the message, e.g. ``config run.yaml``.
        error: what to raise.
        remedy: what to give where there is no such file.

    Raises:
        error: the file is missing, a folder, too large, not UTF-8, not YAML or JSON, or has a key twice.
    """
    text = read_text(path, what, error, remedy=remedy)
    return parse_strict(text, what, error, is_json=path.suffix.lower() == ".json")


def read_text(path: Path, what: str, error: type[InputError], *, remedy: str) -> str:
    """The text of a small file in UTF-8, with or without a byte-order mark."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise error(f"{what} is larger than {LARGEST // 2**20} MiB: {remedy}")
        return raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise error(f"{what} doesn't exist: {remedy}") from None
    except IsADirectoryError:
        raise error(f"{what} is a folder: {remedy}") from None
    except UnicodeDecodeError as broken:
        raise error(f"{what} can't be read: byte {broken.start} isn't UTF-8: save it as UTF-8 text") from None
    except (OSError, ValueError) as broken:
        reason = getattr(broken, "strerror", None) or str(broken)
        raise error(f"{what} can't be read ({reason}): {remedy}") from None


def parse_strict(text: str, what: str, error: type[InputError], *, is_json: bool = False) -> Any:
    """The same from a text."""
    kind = "JSON" if is_json else "YAML"
    try:
        return _json(text) if is_json else _yaml(text)
    except RecursionError:
        raise error(
            f"{what} is nested too deeply to be read: write fewer brackets inside each other"
        ) from None
    except Twice as broken:
        raise error(f"{what}: {broken}: leave one out") from None
    except ValueError as broken:
        reason = " ".join(str(broken).split())
        if "digits" in reason:
            reason = "a number has thousands of digits: put it in quotes, or write fewer"
        raise error(f"{what} isn't valid {kind}: {reason[:160]}") from None


class Twice(ValueError):
    """A key is written twice."""


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object of its pairs, for `object_pairs_hook`, each key once.

    Raises:
        Twice: it has a key twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        again = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise Twice(f"the key {quoted(again)} is written twice")
    return found


def _json(text: str) -> Any:
    def refuse(word: str) -> Any:
        raise ValueError(f"{word} isn't a number: write a finite one")

    return json.loads(text, object_pairs_hook=once, parse_constant=refuse)


def _yaml(text: str) -> Any:
    import yaml

    try:
        return _loader()(text).get_single_data()
    except yaml.MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        hint = "put text with { } [ ] : or # in quotes"
        raise ValueError(f"{where}{broken.problem or broken.context}: {hint}") from None
    except (TypeError, LookupError, AttributeError, OverflowError):
        raise ValueError("a value doesn't fit its tag (!!): remove the tag") from None
    except yaml.YAMLError as broken:
        raise ValueError(str(broken).split("\n")[0]) from None


@cache
def _loader() -> Callable[[str], Any]:
    """PyYAML's safe loader with other numbers, no dates, and each key once."""
    import yaml

    class Strict(yaml.SafeLoader):
        yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own, which its class methods add to
            first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in _OTHER]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

        def get_single_data(self) -> Any:
            node = self.get_single_node()
            if node is None:
                return None
            if _size(node, {}) > MOST_VALUES:
                raise ValueError(f"its aliases stand for more than {MOST_VALUES:,} values: write fewer")
            return self.construct_document(node)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            if isinstance(node, yaml.MappingNode):
                _each_once(self, node)
            return super().construct_mapping(node, deep=deep)

        def construct_yaml_int(self, node: Any) -> int:
            digits = str(self.construct_scalar(node)).replace("_", "")
            sign, digits = (-1 if digits[0] == "-" else 1), digits.lstrip("+-")
            base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 10)
            return sign * int(digits[2:] if base != 10 else digits, base)

        def construct_yaml_float(self, node: Any) -> float:
            word = str(self.construct_scalar(node)).replace("_", "").lower()
            return float(word.replace(".inf", "inf").replace(".nan", "nan"))

    Strict.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
    for first in "-+0123456789":  # before the floats, which whole numbers would pass for
        Strict.yaml_implicit_resolvers.setdefault(first, []).insert(0, ("tag:yaml.org,2002:int", _INT))
    Strict.add_constructor("tag:yaml.org,2002:int", Strict.construct_yaml_int)
    Strict.add_constructor("tag:yaml.org,2002:float", Strict.construct_yaml_float)
    return Strict


_OTHER = ("int", "float", "timestamp")


def _each_once(loader: Any, node: Any) -> None:
    """Refuse a mapping that has a key twice, naming both lines."""
    import yaml

    lines: dict[Hashable, int] = {}
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(
                None, None, "a list or mapping can't be a key", key_node.start_mark
            )
        if key in lines:
            both = f"line {line}" if lines[key] == line else f"line {lines[key]} and again on line {line}"
            name = "null" if key is None else quoted(key)
            raise Twice(f"the key {name} is written twice, on {both}")
        lines[key] = line


def _size(node: Any, known: dict[int, int]) -> int:
    """Values that a node stands for once its aliases are written out."""
    if id(node) in known:
        if not known[id(node)]:
            raise ValueError("an alias holds itself: write the value out")
        return known[id(node)]
    if not isinstance(node.value, list):
        return 1
    known[id(node)] = 0
    parts = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
    known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]
