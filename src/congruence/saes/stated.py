"""What an SAE's name and config say beside its shapes: its model, and how many features fire."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

from congruence.saes.entry import SaeEntry

_L0 = re.compile(r"(?:average_l0|l0)[_-](\d+(?:\.\d+)?)", re.IGNORECASE)
_MODEL_KEYS = ("model_name", "lm_name", "model_from_pretrained_path", "model")
_SECTIONS = ("metadata", "trainer", "sae")


@runtime_checkable
class Files(Protocol):
    """The files of one SAE."""

    @property
    def label(self) -> str: ...

    def has(self, name: str) -> bool: ...

    def config(self, name: str) -> dict[str, Any]: ...


def stated(files: Files, entry: SaeEntry, reads: Iterable[str]) -> dict[str, Any]:
    """`l0` and `model` of a listing line, as far as its config or path says.

    Args:
        files: its files.
        entry: its line so far; what it says already stays.
        reads: names of the files that its format opens.
    """
    sections: list[Mapping[str, Any]] = []
    for name in reads:
        if name.endswith(".json") and files.has(name):
            config = files.config(name)
            sections += [config, *(part for key in _SECTIONS if isinstance(part := config.get(key), dict))]
    return {
        "l0": entry.l0 if entry.l0 is not None else _l0(files.label, entry, sections),
        "model": entry.model or _model(sections),
    }


def _l0(label: str, entry: SaeEntry, sections: list[Mapping[str, Any]]) -> float | None:
    counted = [section["l0"] for section in sections if "l0" in section]
    if entry.architecture in ("topk", "batchtopk", "matryoshka", "groupmax", "transcoder", "skip_transcoder"):
        counted += [section["k"] for section in sections if "k" in section]
        kwargs = [section.get("activation_fn_kwargs") for section in sections]
        counted += [found["k"] for found in kwargs if isinstance(found, dict) and "k" in found]
    for value in counted:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(f"{value:.6g}")
    found = _L0.findall(label)
    return float(found[-1]) if found else None


def _model(sections: list[Mapping[str, Any]]) -> str | None:
    named = (section.get(key) for section in sections for key in _MODEL_KEYS)
    return next((name for name in named if isinstance(name, str) and name), None)
