"""Which SAEs a source holds, and of which format each is: from the files alone."""

from collections import defaultdict
from dataclasses import dataclass

from congruence.errors import SaeError
from congruence.saes.entry import SaeEntry
from congruence.saes.formats import FORMATS, SaeFiles, SaeFormat
from congruence.saes.ids import meant, natural_order, some
from congruence.saes.sources import Source


@dataclass(frozen=True)
class Found:
    """One SAE of a source, with the format that reads it."""

    format: SaeFormat
    files: SaeFiles

    @property
    def sae_id(self) -> str:
        return self.files.sae_id

    def describe(self) -> SaeEntry:
        return self.format.describe(self.files)


def find_all(source: Source, wanted: str | None = None) -> list[Found]:
    """The SAEs of a source, or those that `wanted` stands for (see `ids.meant`), in natural order.

    Raises:
        SaeError: a folder fits several formats, or no format.
    """
    for alone in (False, True):
        formats_of = _by_names(source, alone=alone)
        ids = meant(formats_of, wanted, source.files)
        uncertain = alone and len(ids) > 1
        found = [_recognise(SaeFiles(source, sae_id), formats_of[sae_id], uncertain) for sae_id in ids]
        if known := [one for one in found if one is not None]:
            return known
    raise SaeError(_nothing(source, wanted, sorted(_by_names(source, alone=False), key=natural_order)))


def find_one(source: Source, wanted: str | None = None) -> Found:
    """The only SAE that `wanted` stands for; where several do, one that is the source's own folder.

    Raises:
        SaeError: there are several, or none.
    """
    found = find_all(source, wanted)
    own = [one for one in found if one.sae_id == "."] or found
    if len(own) > 1:
        raise SaeError(
            f"{source.name} holds {len(own)} SAEs ({some(one.sae_id for one in own)}): "
            "name one by sae_id, or list them with `congruence saes`"
        )
    return own[0]


def _by_names(source: Source, *, alone: bool) -> dict[str, list[SaeFormat]]:
    """Ids of what may be SAEs, with the formats that their file names fit."""
    formats_of: dict[str, list[SaeFormat]] = defaultdict(list)
    for one in map(FORMATS.get, FORMATS.names()):
        if one.only_if_alone == alone:
            for sae_id in one.ids(source.files):
                formats_of[sae_id].append(one)
    return formats_of


def _recognise(files: SaeFiles, formats: list[SaeFormat], may_be_something_else: bool) -> Found | None:
    try:
        fitting = [one for one in formats if one.accepts(files)]
    except SaeError:
        if may_be_something_else:
            return None
        raise
    if len(fitting) == 1:
        return Found(fitting[0], files)
    if fitting:
        named = "; ".join(f"{one.name} ({one.looks_for})" for one in fitting)
        raise SaeError(
            f"{files.label} fits several SAE formats: {named}; leave the files of one of them there"
        )
    if may_be_something_else:
        return None
    named = "; ".join(f"{one.name} ({one.looks_for})" for one in formats)
    raise SaeError(f"{files.label} was looked at as {named}, but its contents aren't that")


def _nothing(source: Source, wanted: str | None, ids: list[str]) -> str:
    if ids:
        return f"{source.name} holds no SAE {wanted!r}: it holds {some(ids)}"
    looked = "; ".join(f"{name} ({FORMATS.get(name).looks_for})" for name in FORMATS.names())
    found = some(sorted(source.files, key=natural_order)) or "nothing"
    return f"{source.name} holds no SAE: looked for {looked}; found {found}"
