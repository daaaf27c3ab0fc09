"""What is worth a line although nothing is wrong: SAEs whose files name another model than the side's."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

from congruence.activations import KnownSae
from congruence.config.saes import Given
from congruence.config.sections import SideConfig
from congruence.models.hub_cache import snapshot_of

_CACHED = re.compile(r"models--(.+)")


def notes_of(side: str, config: SideConfig, saes: Iterable[KnownSae]) -> tuple[str, ...]:
    """One line where SAEs of a side say that they were trained on another model; none where all fit.

    Args:
        side: "a" or "b".
        config: its section.
        saes: its SAEs.
    """
    stated = [str(named) for sae in saes if (named := sae.about.get("model"))]
    known = _names(config)
    other = [named for named in stated if not same_model(named, known)]
    if not other:
        return ()
    named = ", ".join(dict.fromkeys(other))
    return (
        f"{side}: {len(other)} of {len(stated)} SAEs say that their model is {named}, this one is "
        f"{config.label}: right if these are the same weights",
    )


def same_model(named: str, names: Iterable[str]) -> bool:
    """Whether a model's name in an SAE's metadata can be one of those it goes by here.

    >>> same_model("gpt2-small", ["openai-community/gpt2"]), same_model("gemma-2-2b", ["gemma-2-2b-it"])
    (True, False)
    """
    return _plain(named) in {_plain(name) for name in names}


def _plain(name: str) -> str:
    last = name.rstrip("/").rpartition("/")[2].lower()
    last = re.sub(r"[^a-z0-9.]+", "-", last).removeprefix("meta-").removesuffix("-hf")
    return "gpt2" if last == "gpt2-small" else last


def _names(config: SideConfig) -> list[str]:
    """Every name that a side's model goes by: the user's, its path's, and the one its own files state."""
    names = [config.name or "", config.label]
    if isinstance(config.model, Given):
        return [*names, str(getattr(getattr(config.model.value, "config", None), "_name_or_path", ""))]
    names.append(config.model)
    names += [
        found[1].replace("--", "/") for part in Path(config.model).parts if (found := _CACHED.match(part))
    ]
    folder = Path(config.model).expanduser()
    try:
        stated = json.loads((snapshot_of(folder) / "config.json").read_text(encoding="utf-8"))
        names.append(str(stated.get("_name_or_path") or ""))
    except (OSError, ValueError, AttributeError):
        pass  # a Hub id, or a folder whose config the model's own loading complains of
    return names
