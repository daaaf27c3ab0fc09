"""Names of SAEs in a source: which of them a user means, in which order they stand, how they are shown."""

import re
from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase

from congruence.hook_names import parse_hook_name

SHOWN = 8
_LAYERS = (
    re.compile(r"(?<![a-z])(?:layers?|blocks)[._-]?(\d+)", re.IGNORECASE),
    re.compile(r"(?<![a-z])L(\d+)(?:R|M|A|TC)(?![a-z])", re.IGNORECASE),
)


def meant(ids: Collection[str], wanted: str | None, files: Collection[str] = ()) -> list[str]:
    """The ids that `wanted` stands for, in natural order: all of them for None, none where nothing fits.

    The first of these that fits any: the id itself, a glob, a file of the SAE, a folder above, the hook point
    in either dialect, and a name ending in `canonical` (see :func:`canonical`).

    >>> meant(["layers.1", "layers.10"], "blocks.1.hook_resid_post")
    ['layers.1']
    """
    ids = sorted(ids, key=natural_order)
    if wanted is None:
        return ids
    wanted = wanted.removeprefix("./").rstrip("/") or "."
    for fits in _rules(wanted, files):
        if found := [sae_id for sae_id in ids if fits(sae_id)]:
            return found
    return canonical(ids, wanted)


def _rules(wanted: str, files: Collection[str]) -> tuple[Callable[[str], bool], ...]:
    hook = parse_hook_name(wanted)
    return (
        lambda sae_id: sae_id == wanted,
        lambda sae_id: fnmatchcase(sae_id, wanted),
        lambda sae_id: wanted in files and (wanted.rpartition("/")[0] or ".") == sae_id,
        lambda sae_id: sae_id.startswith(f"{wanted}/"),
        lambda sae_id: hook is not None and hook == parse_hook_name(sae_id.rpartition("/")[2]),
    )


def canonical(ids: Iterable[str], wanted: str = "*canonical") -> list[str]:
    """What a name ending in `canonical` stands for: of Gemma Scope's SAEs in a folder, the L0 nearest to 100.

    >>> canonical(["layer_3/width_16k/average_l0_14", "layer_3/width_16k/average_l0_71"])
    ['layer_3/width_16k/average_l0_71']
    """
    if not wanted.endswith("canonical"):
        return []
    pattern = wanted.removesuffix("canonical") + "average_l0_*"
    best: dict[str, str] = {}
    for sae_id in (one for one in ids if fnmatchcase(one, pattern)):
        folder = sae_id.rpartition("/")[0]
        best[folder] = min(best.get(folder, sae_id), sae_id, key=_far_from_100)
    return list(best.values())


def _far_from_100(sae_id: str) -> int:
    return abs(int(re.findall(r"\d+", sae_id)[-1]) - 100)


def natural_order(sae_id: str) -> list[tuple[int, str]]:
    """A sort key that puts layer 10 after layer 9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", sae_id)]


def some(names: Iterable[str]) -> str:
    """The first few of some names, and how many more there are."""
    listed = list(names)
    rest = f", and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + rest


def layer_in(text: str) -> int | None:
    """The last layer that a path or id names.

    >>> layer_in("layer_3/width_16k/average_l0_71"), layer_in("Llama3_1-8B-Base-L15R-8x"), layer_in("ae.pt")
    (3, 15, None)
    """
    found = next((matches for pattern in _LAYERS if (matches := pattern.findall(text))), None)
    return int(found[-1]) if found else None
