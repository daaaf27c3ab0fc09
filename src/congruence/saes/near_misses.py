"""Why nothing here is an SAE: what lies there, what is missing beside it, how it can be read all the same."""

import re
from collections.abc import Collection
from pathlib import PurePosixPath

from congruence.errors import SaeError
from congruence.saes.formats import FORMATS, SaeFiles, SaeFormat
from congruence.saes.ids import natural_order, some
from congruence.saes.plain import SUFFIXES, looks_plain
from congruence.saes.sources import Source

_PART = re.compile(r"-\d+-of-\d+\.\w+$")
_OF_OTHERS = re.compile(r"(pytorch_)?model|optimizer|state\.|scheduler|training_|rng_")
"""Begins the names of what a language model or a trainer has beside."""
_BY_SHAPES = "saes: {{path: {}, activation: relu, hook: …}} reads an SAE of your own by its shapes"


def nothing_there(source: Source, wanted: str | None, ids: list[str]) -> str:
    """The line for a source without an SAE of that name.

    Args:
        source: where was looked.
        wanted: what was asked for; None for any SAE.
        ids: the SAEs that are there.
    """
    if ids:
        return f"{source.where} holds no SAE {wanted!r}: it holds {some(ids)}"
    files = sorted(source.files, key=natural_order)
    below = wanted or ""
    near = [file for file in files if file.startswith(below)] or files
    weights = [file for file in near if PurePosixPath(file).suffix in SUFFIXES]
    mine = [file for file in weights if not _OF_OTHERS.match(PurePosixPath(file).name)]
    by_shapes = f"; {_BY_SHAPES.format(f'{source.where}/{mine[0]}')}" if mine else ""
    if parts := [file for file in weights if _PART.search(file)]:
        return (
            f"{source.where} holds weights in parts, as language models have them, {some(parts)}: an SAE "
            "lies in one file: name its folder, or join its parts"
        )
    if told := _half_there(source.files, near):
        return f"{source.where}: {told}{by_shapes}"
    name = f"{source.where} holds no SAE" + (f" {wanted!r}" if wanted else "")
    hint = "`congruence list formats` shows the files that each format needs"
    hint += by_shapes
    return f"{name}, but {some(near)}: {hint}" if files else f"{name}: it is empty"


def not_that(files: SaeFiles, formats: list[SaeFormat]) -> str:
    """The line for files whose names fit formats and whose contents don't."""
    if any(not one.only_if_alone for one in formats):
        named = "; ".join(f"{one.name} ({one.looks_for})" for one in formats)
        return f"{files.label} was looked at as {named}, but its contents aren't that"
    if told := _half_there(files.source.files, [files.sae_id]):
        return f"{files.source.where}: {told}"
    if files.sae_id not in files.source.files:  # a folder
        return nothing_there(files.source, None if files.sae_id == "." else files.sae_id, [])
    try:
        tensors = files.tensors()
    except SaeError as error:
        return str(error)
    holds = some(sorted(tensors)) or "nothing"
    hint = _BY_SHAPES.format(files.label) if looks_plain(tensors) else "name the SAE's own folder or file"
    return f"{files.label} holds {holds}, which is no known SAE format: {hint}"


def half_there(files: frozenset[str], known: Collection[str]) -> dict[str, str]:
    """Folders with an SAE's weights and no config, or a training that isn't finished, and what is missing.

    Args:
        files: all files of a source.
        known: ids of the SAEs that are whole; what lies in or below them is left out.
    """
    found: dict[str, str] = {}
    for file in sorted(files, key=natural_order):
        folder = str(PurePosixPath(file).parent)
        inside = any(one in (".", folder) or folder.startswith(f"{one}/") for one in known)
        if not inside and folder not in found and (told := _half_there(files, [file])):
            found[folder] = told
    return found


def _half_there(files: frozenset[str], near: list[str]) -> str:
    """What is missing beside the weights or the config of a format, if one of them is there."""
    for file in near:
        path = PurePosixPath(file)
        for one in map(FORMATS.get, FORMATS.names()):
            weights = [name for name in one.reads if not name.endswith(".json")]
            missing = [name for name in one.reads if str(path.parent / name) not in files]
            if path.name in weights and missing:
                return (
                    f"{file} lies there, but no {' and no '.join(missing)} beside it ({one.name} needs both)"
                )
    configs = [file for file in near if PurePosixPath(file).name == "cfg.json"]
    if configs:
        return f"{configs[0]} lies there, but no weights beside it (sae_weights.safetensors, sae.safetensors)"
    for file in near:
        path = PurePosixPath(file)
        if path.parent.name == "checkpoints" and str(path.parent.parent / "config.json") in files:
            return (
                f"{path.parent.parent}/config.json and {file} lie there, but no ae.pt: the training isn't "
                f"finished; a copy of {path.name} named ae.pt beside the config is read"
            )
    return ""
