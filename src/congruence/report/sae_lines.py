"""The SAEs of a run in words, from run.json: one line a side for the terminal, one a layer for the report."""

from collections.abc import Iterable
from typing import Any

from congruence.run.results import Run


def saes_of(run: Run, side: str) -> dict[str, dict[str, Any]]:
    """run.json's record of a side's SAEs by layer; empty in a run that has none or kept no record."""
    found = run.info["sides"][side].get("saes")
    records = found if isinstance(found, dict) else {}
    return {str(layer): about for layer, about in records.items() if isinstance(about, dict)}


def sae_line(run: Run, side: str) -> str:
    """All SAEs of a side in a line: source, architecture, features, L0 and FVU; "" where there are none."""
    records = saes_of(run, side)
    if not records:
        return ""
    several = records.values()
    sources = list(dict.fromkeys(_short(str(about.get("source", "?"))) for about in several))
    where = sources[0] if len(sources) == 1 else f"{sources[0]} to {sources[-1]}"
    rules = ", ".join(dict.fromkeys(str(about.get("architecture", "?")) for about in several))
    figures = [_range("{:,} features", (about.get("d_sae") for about in several))]
    figures += [_range("L0 {:.3g}", (about.get("l0") for about in several))]
    figures += [_range("FVU {:.2f}", (about.get("fvu") for about in several))]
    return f"SAEs of {run.side_name(side)}: {where}; " + ", ".join(filter(None, [rules, *figures]))


def sae_lines(run: Run, side: str) -> list[str]:
    """One line a layer: id, format, hook, architecture, features, L0, FVU and key."""
    return [_line(layer, about) for layer, about in saes_of(run, side).items()]


def _short(source: str) -> str:
    """The last two parts of a path; a Hub id as it is."""
    parts = source.rstrip("/").split("/")
    return source if len(parts) <= 2 else "…/" + "/".join(parts[-2:])


def _line(layer: str, about: dict[str, Any]) -> str:
    name = about.get("sae_id")
    name = about.get("source", "?") if name in (None, ".") else name
    parts = [str(about[key]) for key in ("format", "hook_name", "architecture") if about.get(key)]
    for key, text in (
        ("d_sae", "{:,} features"),
        ("l0", "L0 {:.3g}"),
        ("fvu", "FVU {:.2f}"),
        ("key", "key {}"),
    ):
        parts += [text.format(about[key])] if about.get(key) is not None else []
    return f"layer {layer}: {name} ({', '.join(parts)})"


def _range(text: str, values: Iterable[Any]) -> str:
    """The smallest and the largest of some numbers, once where they read alike."""
    numbers = sorted(value for value in values if isinstance(value, int | float))
    if not numbers:
        return ""
    low, high = text.format(numbers[0]), text.format(numbers[-1])
    word, _, rest = text.partition("{")
    shown = rest.partition("}")[0]
    return low if low == high else f"{word}{('{' + shown + '}').format(numbers[0])}–{high.removeprefix(word)}"
