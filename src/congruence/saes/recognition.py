"""What the files of one SAE are: of the formats that their names fit, the one whose contents agree."""

from dataclasses import dataclass, replace

import torch

from congruence.errors import SaeError
from congruence.saes.entry import SaeEntry
from congruence.saes.formats import Found, SaeFiles, SaeFormat
from congruence.saes.near_misses import not_that
from congruence.saes.sae import Sae
from congruence.saes.sources import LocalFolder
from congruence.saes.stated import stated
from congruence.saes.tensors import check_fetched


@dataclass(frozen=True)
class Unreadable:
    """Files that look like an SAE and can't be read; they don't hide the SAEs beside them."""

    files: SaeFiles
    problem: str

    @property
    def sae_id(self) -> str:
        return self.files.sae_id

    def describe(self) -> SaeEntry:
        """A line of the listing that says why."""
        name, layer = self.files.source.name, self.files.layer_from_name()
        return SaeEntry(name, self.sae_id, "?", layer=layer, problem=self.problem, files=lambda: self)

    def read(self) -> Sae:
        raise SaeError(self.problem)

    def decoder(self) -> torch.Tensor | None:
        raise SaeError(self.problem)

    def key(self) -> str:
        raise SaeError(self.problem)

    def names(self) -> list[str]:
        raise SaeError(self.problem)


def recognise(
    files: SaeFiles, formats: list[SaeFormat], may_be_something_else: bool
) -> Found | Unreadable | None:
    """The files with their format.

    Args:
        files: of one SAE, by their names.
        formats: those that the names fit.
        may_be_something_else: whether the names are so common that other contents are no mistake: None then.
    """
    try:
        _check_fetched(files, formats)
    except SaeError as error:
        return Unreadable(files, str(error))
    try:
        fitting = [one for one in formats if one.accepts(files)]
    except SaeError as error:
        return None if may_be_something_else else Unreadable(files, str(error))
    if len(fitting) == 1:
        return Found(fitting[0], files)
    if fitting:
        named = "; ".join(f"{one.name} ({one.looks_for})" for one in fitting)
        return Unreadable(
            files, f"{files.label} fits several SAE formats: {named}; leave the files of one of them there"
        )
    return None if may_be_something_else else Unreadable(files, not_that(files, formats))


def _check_fetched(files: SaeFiles, formats: list[SaeFormat]) -> None:
    """Refuse an SAE of which Git has left a pointer in place of a file.

    Raises:
        SaeError: one of its files is a Git LFS pointer.
    """
    if not isinstance(files.source, LocalFolder):
        return
    names = {name for one in formats for name in one.reads if files.has(name)}
    for name in sorted(names | ({""} if files.sae_id in files.source.files else set())):
        check_fetched(files.path(name))


def described(one: Found | Unreadable) -> SaeEntry:
    """The line of a listing, with what name and config say besides; where there is nothing to say, why."""
    if isinstance(one, Unreadable):
        return one.describe()
    try:
        entry = replace(one.describe(), problem=one.refused())
        return replace(entry, **stated(one.files, entry, one.format.reads))
    except SaeError as error:
        return Unreadable(one.files, str(error)).describe()
