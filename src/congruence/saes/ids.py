"""Names of SAEs in a source: which of them a user means, in which order they stand, how they are shown."""

import re
from collections.abc import Callable, Collection, Iterable
from fnmatch import translate

from congruence.hook_names import parse_hook_name

SHOWN = 8
_LETTERS = 300
"""Characters of names that a message lists, one name at least."""
LAYER = "{layer}"
_LAYERS = (
    re.compile(r"(?<![a-z])(?:layers?|blocks)[._-]?(\d+)", re.IGNORECASE),
    re.compile(r"(?<![a-z])L(\d+)(?:R|M|A|TC)(?![a-z])", re.IGNORECASE),
)
_BARE_L = re.compile(r"(?<![A-Za-z0-9])L(\d+)(?![A-Za-z0-9])")
"""A layer in a name such as topk_L10_mixed, which is believed where the layer is known: L0 is also a norm."""


def meant(ids: Collection[str], wanted: str | None, files: Collection[str] = ()) -> list[str]:
    """The ids that `wanted` stands for, in natural order: all of them for None, none where nothing fits.

    The first of these that fits any: the id itself, a glob, a file of the SAE, a folder above, the hook point
    in either dialect, and a name ending in `canonical` (see :func:`canonical`). ``{layer}`` stands for any
    layer.

    >>> meant(["layers.1", "layers.10"], "blocks.1.hook_resid_post")
    ['layers.1']
    >>> meant(["layer_1/final", "layer_1/500", "layer_x/final"], "layer_{layer}/final")
    ['layer_1/final']
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
    hook = parse_hook_name(wanted.replace(LAYER, "0"))
    whole, above = (_pattern(name) for name in (wanted, f"{wanted}/*"))
    named = {file.rpartition("/")[0] or "." for file in files if file == wanted or whole.fullmatch(file)}

    def same_hook(sae_id: str) -> bool:
        found = parse_hook_name(sae_id.rpartition("/")[2])
        if hook is None or found is None:
            return False
        return found.kind == hook.kind if LAYER in wanted else found == hook

    return (
        lambda sae_id: sae_id == wanted,
        lambda sae_id: whole.fullmatch(sae_id) is not None,
        lambda sae_id: sae_id in named,
        lambda sae_id: sae_id.startswith(f"{wanted}/") or above.fullmatch(sae_id) is not None,
        same_hook,
    )


def _pattern(wanted: str) -> re.Pattern[str]:
    """A glob in which ``{layer}`` stands for a number, the same wherever it occurs."""
    first, *rest = wanted.split(LAYER)
    parts = [f"(?:{translate(first)[4:-3]})"]
    for number, part in enumerate(rest):
        parts.append("(?P<layer>[0-9]+)" if number == 0 else "(?P=layer)")
        parts.append(f"(?:{translate(part)[4:-3]})")
    return re.compile("".join(parts), re.DOTALL)


def layer_by(wanted: str | None, sae_id: str, files: Collection[str] = ()) -> int | None:
    """The layer that ``{layer}`` of a pattern stands for in one of the ids that it fits.

    >>> layer_by("layer_{layer}/final", "layer_12/final"), layer_by("final", "final")
    (12, None)
    """
    if wanted is None or LAYER not in wanted:
        return None
    wanted = wanted.removesuffix("canonical") + "*" if wanted.endswith("canonical") else wanted
    inside = [file for file in files if (file.rpartition("/")[0] or ".") == sae_id]
    for name in (wanted, f"{wanted}/*"):
        pattern = _pattern(name)
        for candidate in (sae_id, *inside):
            if found := pattern.fullmatch(candidate):
                return int(found["layer"])
    return None


def canonical(ids: Iterable[str], wanted: str = "*canonical") -> list[str]:
    """What a name ending in `canonical` stands for: of Gemma Scope's SAEs in a folder, the L0 nearest to 100.

    >>> canonical(["layer_3/width_16k/average_l0_14", "layer_3/width_16k/average_l0_71"])
    ['layer_3/width_16k/average_l0_71']
    """
    if not wanted.endswith("canonical"):
        return []
    pattern = _pattern(wanted.removesuffix("canonical") + "average_l0_*")
    best: dict[str, str] = {}
    for sae_id in (one for one in ids if pattern.fullmatch(one)):
        folder = sae_id.rpartition("/")[0]
        best[folder] = min(best.get(folder, sae_id), sae_id, key=_far_from_100)
    return list(best.values())


def _far_from_100(sae_id: str) -> int:
    return abs(int(re.findall(r"\d+", sae_id)[-1]) - 100)


def natural_order(sae_id: str) -> list[tuple[int, str]]:
    """A sort key that puts layer 10 after layer 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", sae_id)]


def some(names: Iterable[str]) -> str:
    """The first few of some names, and how many more there are."""
    listed = list(names)
    shown = listed[:SHOWN]
    while len(shown) > 1 and len(", ".join(shown)) > _LETTERS:
        shown.pop()
    rest = f", and {len(listed) - len(shown)} more" if len(listed) > len(shown) else ""
    return ", ".join(shown) + rest


def layer_in(text: str) -> int | None:
    """The last layer that a path or id names.

    >>> layer_in("layer_3/width_16k/average_l0_71"), layer_in("Llama3_1-8B-Base-L15R-8x"), layer_in("ae.pt")
    (3, 15, None)
    """
    found = next((matches for pattern in _LAYERS if (matches := pattern.findall(text))), None)
    return int(found[-1]) if found else None


def for_any_layer(sae_id: str, layer: int) -> str:
    """An id with its layer as ``{layer}``, as a configuration may name it for every layer.

    >>> for_any_layer("layer_2/width_16k/average_l0_71", 2), for_any_layer("best/final", 2)
    ('layer_{layer}/width_16k/average_l0_71', 'best/final')
    >>> for_any_layer("topk_L10_mixed", 10), for_any_layer("topk_L0_50", 10)
    ('topk_L{layer}_mixed', 'topk_L0_50')
    """
    for pattern in (*_LAYERS, _BARE_L):
        for found in pattern.finditer(sae_id):
            if int(found[1]) == layer:
                return sae_id[: found.start(1)] + LAYER + sae_id[found.end(1) :]
    return sae_id
