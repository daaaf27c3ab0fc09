"""What is wrong with a configuration, in one line of the configuration's own words."""

import unicodedata
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from congruence.errors import ConfigError, quoted, unknown_name

FREE = frozenset({"separator", "frames", "phrases", "lists", "tokens"})
"""Keys whose text is compared with text, and may hold anything but half a character."""
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

_REMEDIES = {
    "string_type": 'write text, in quotes where YAML reads something else (name: "no", revision: "70")',
    "int_type": "use a whole number",
    "int_parsing": "use a whole number",
    "int_parsing_size": "use a smaller whole number",
    "int_from_float": "use a whole number",
    "float_type": "use a number",
    "float_parsing": "use a number",
    "finite_number": "use a finite number",
    "bool_type": "use true or false",
    "bool_parsing": "use true or false",
    "list_type": "write a list, such as [a, b]",
    "dict_type": "write keys with their values",
    "mapping_type": "write keys with their values",
}


def describe(error: ValidationError, model: type[BaseModel], called: Mapping[str, str] | None = None) -> str:
    """The first of pydantic's errors as one line, with the nearest known key for an unknown one.

    Args:
        error: what was raised.
        model: the section that was read.
        called: what the user calls the sections of it that have another name there.
    """
    called = called or {}
    first = min(error.errors(), key=lambda item: item["type"] not in {"extra_forbidden", "invalid_key"})
    loc = tuple(part for part in first["loc"] if not _is_union_branch(part))
    told = tuple(called.get(str(part), part) if place == 0 else part for place, part in enumerate(loc))
    where = ".".join(quoted(part, 160 if place == 0 else 40).strip("'") for place, part in enumerate(told))
    if first["type"] in {"extra_forbidden", "invalid_key"}:
        section, key = _section(model, loc[:-1]), loc[-1]
        key = first["input"] if first["type"] == "invalid_key" else key
        inside = f" in {'.'.join(map(str, told[:-1]))}" if len(loc) > 1 else ""
        several = ["models"] if called and len(loc) == 1 else []  # which stand in place of a and b
        return unknown_name("key", key, [*_keys(section), *several]) + inside
    if first["type"] == "missing":
        return f"{where} is missing: add it"
    value = first.get("input")
    message = _remedy(first, _field(model, loc), _section(model, loc))
    if not where:
        return message
    return f"{where} is empty: {message}" if value is None else f"{where} = {quoted(value)}: {message}"


def _remedy(first: Any, field: Any, section: type[BaseModel]) -> str:
    """What to write instead."""
    kind, context = first["type"], first.get("ctx", {})
    if kind in {"greater_than_equal", "greater_than", "less_than_equal", "less_than"}:
        why = f" ({field.description})" if field is not None and field.description else ""
        return f"use {_bounds(field, context)}{why}"
    if kind == "string_too_long":
        return f"use at most {context['max_length']} characters"
    if kind == "literal_error":
        return f"use {context['expected']}"
    if kind in {"model_type", "model_attributes_type"}:
        keys = _keys(section)
        return f"write {{{keys[0]}: …}} with the keys {', '.join(keys[:6])}{', …' if len(keys) > 6 else ''}"
    if kind in _REMEDIES:
        default = field is not None and not field.is_required() and first.get("input") is None
        return _REMEDIES[kind] + (", or leave it out for the default" if default else "")
    return first["msg"].removeprefix("Value error, ")


def _bounds(field: Any, context: Mapping[str, Any]) -> str:
    """The range of a number's field in words; the bound that was passed where the field isn't known."""
    ends = {"ge": "from", "gt": "above", "le": "to", "lt": "and below"}
    kinds = {name: bound for rule in getattr(field, "metadata", ()) for name, bound in vars_of(rule)}
    kinds = kinds or {name: context[name] for name in ends if name in context}
    annotation = getattr(field, "annotation", None)
    real = float in (annotation, *get_args(annotation))
    whole = not real and all(isinstance(bound, int) for bound in kinds.values())
    words = " ".join(f"{ends[name]} {bound:,}" for name, bound in kinds.items())
    return f"{'a whole number' if whole else 'a number'} {words}"


def vars_of(rule: Any) -> Iterator[tuple[str, Any]]:
    """The bounds that a rule of a field holds, lower ones first."""
    for name in ("ge", "gt", "le", "lt"):
        if getattr(rule, name, None) is not None:
            yield name, getattr(rule, name)


def check_text(value: Any, origin: str, *, key: str = "", free: bool = False) -> None:
    """Refuse text that can't be written to a file, a picture or a terminal, wherever it stands.

    Args:
        value: what a configuration holds: mappings, lists and plain values.
        origin: begins the message.
        key: where `value` stands.
        free: only lone surrogates are refused.

    Raises:
        ConfigError: a lone surrogate, a control character, or a mark that turns the direction of writing.
    """
    if isinstance(value, str):
        if bad := next((one for one in value if _unwritable(one, free=free)), None):
            where = f"{key} = {quoted(value)}" if key else quoted(value)
            raise ConfigError(
                f"{origin}: {where} holds U+{ord(bad):04X}, which can't be written: leave that character out"
            )
    elif isinstance(value, Mapping):
        for name, item in value.items():
            check_text(name, origin, key=f"a key of {key}" if key else "a key")
            inner = f"{key}.{name}" if key else str(name)
            check_text(item, origin, key=inner, free=free or name in FREE)
    elif isinstance(value, list | tuple):
        for item in value:
            check_text(item, origin, key=key, free=free)


def _unwritable(character: str, *, free: bool) -> bool:
    if character.isascii() and character.isprintable():
        return False
    kind = unicodedata.category(character)
    return kind == "Cs" or (not free and (kind in {"Cc", "Zl", "Zp"} or character in _DIRECTION))


def _is_union_branch(part: Any) -> bool:
    return isinstance(part, str) and (any(mark in part for mark in "[]()") or part in {"str", "int"})


def _keys(section: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def _field(model: type[BaseModel], location: tuple[Any, ...]) -> Any:
    """The field that a location ends at, or None."""
    names = [part for part in location if isinstance(part, str)]
    if not names or len(names) < len(location):
        return None
    section = _section(model, tuple(names[:-1]))
    named = {field.alias or name: field for name, field in section.model_fields.items()}
    return named.get(names[-1])


def _section(model: type[BaseModel], location: tuple[Any, ...]) -> type[BaseModel]:
    for part in location:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        for candidate in _within(annotation):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
    return model


def _within(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        if argument is not NoneType:
            yield from _within(argument)
