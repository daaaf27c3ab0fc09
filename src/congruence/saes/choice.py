"""Of the SAEs of a layer, those that read at the hook asked for; and how a choice is put to the user."""

from congruence.hook_names import HookPoint, parse_hook_name
from congruence.saes.entry import SaeEntry
from congruence.saes.ids import LAYER, SHOWN, canonical, for_any_layer, some


def at_hook(entries: list[SaeEntry], hook: str | HookPoint | None, layer: int) -> list[SaeEntry]:
    """Entries that read at a hook; those that don't say where they read, where none says that hook.

    Args:
        entries: SAEs of one layer.
        hook: a kind (`mlp_out`), a hook name of any dialect or a module path, in which ``{layer}`` may stand;
            None: the residual stream's where there are any, else all.
        layer: what ``{layer}`` stands for.
    """
    if hook is None:
        residual = [entry for entry in entries if entry.hook_point and entry.hook_point.kind == "resid_post"]
        return residual or entries
    name = str(hook).replace(LAYER, str(layer))
    point = hook if isinstance(hook, HookPoint) else parse_hook_name(name)
    kind = point.kind if point else name
    exact = [e for e in entries if e.hook_name == name or (e.hook_point and e.hook_point.kind == kind)]
    return exact or [entry for entry in entries if entry.hook_name is None]


def in_words(hook: str | HookPoint, layer: int) -> str:
    """A hook as a message names it: its kind, or the path with the layer filled in."""
    name = str(hook).replace(LAYER, str(layer))
    point = hook if isinstance(hook, HookPoint) else parse_hook_name(name)
    return point.kind if point else name


def which(name: str, fitting: list[SaeEntry], layer: int) -> str:
    """The choice that is to be made, and how it is written down."""
    ids = [entry.sae_id for entry in fitting]
    told = [f"{one.sae_id} ({one.hook_name})" if _several_places(fitting) else one.sae_id for one in fitting]
    nearest = canonical(ids)
    rule = ""
    if len(nearest) < len(ids) and nearest:
        folder = for_any_layer(nearest[0], layer).rpartition("/")[0]
        rule = f", or {folder}/canonical (the average L0 nearest to 100)"
    all_of_them = f" (`congruence saes {name} --layer {layer}` shows all)" if len(ids) > SHOWN else ""
    return f": {some(told)}{all_of_them}; name one by sae_id, such as {for_any_layer(ids[0], layer)}{rule}"


def _several_places(entries: list[SaeEntry]) -> bool:
    return len({entry.hook_name for entry in entries}) > 1


def line_for(entry: SaeEntry) -> str:
    """What names one SAE in a side's section, or a crosscoder as the run's pairing, to be pasted."""
    if entry.pairing is not None:
        return f"pairing: {{method: crosscoder, path: {_quoted(entry.pairing)}}}"
    layer = "" if entry.layer is None else f", layers: [{entry.layer}]"
    return f"saes: {_quoted(entry.where)}{layer}{_hook(entry)}"


def lines_for_all(entries: list[SaeEntry]) -> list[str]:
    """What names the SAEs of several layers in a line each: one for each id that differs by its layer alone.

    Empty where an SAE tells no layer, or one is a crosscoder.
    """
    if any(entry.pairing is not None for entry in entries):
        return []
    by_pattern: dict[tuple[str, str, str], list[SaeEntry]] = {}
    for entry in entries:
        if entry.layer is None:
            return []
        pattern = (entry.path, for_any_layer(entry.sae_id, entry.layer), _hook(entry))
        by_pattern.setdefault(pattern, []).append(entry)
    lines = []
    for (path, pattern, hook), found in by_pattern.items():
        layers = sorted({entry.layer for entry in found if entry.layer is not None})
        one_a_layer = len(layers) == len(entries)
        if LAYER not in pattern and not one_a_layer:
            lines += [line_for(entry) for entry in found]
            continue
        named = "" if one_a_layer or pattern == "." else f"/{pattern}"
        lines.append(f"saes: {_quoted(f'{path}{named}')}, layers: {layers}{hook}")
    return list(dict.fromkeys(lines))


def _hook(entry: SaeEntry) -> str:
    """The side's hook, where it isn't the usual one."""
    point = entry.hook_point
    if entry.hook_name is None or (point and point.kind == "resid_post"):
        return ""
    named = point.kind if point else entry.hook_name.replace(f".{entry.layer}.", f".{LAYER}.")
    return f", hook: {_quoted(named)}"


def _quoted(text: str) -> str:
    """As a YAML value inside braces."""
    plain = all(letter.isalnum() or letter in "/._-~" for letter in text)
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
