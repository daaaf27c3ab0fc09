"""Places that a command is given: folders, and URLs of object storage."""

from pathlib import Path
from typing import Any

import click

from congruence.errors import StorageError, quoted
from congruence.storage.objects import is_url, normal_url


class Folder(click.Path):
    """A folder to write into; no name isn't the working folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = str(value)
        if not text.strip() or not text.isprintable():
            raise StorageError(f"--out {quoted(text)} can't be written: name a folder")
        if is_url(text):
            return self.url(text)
        return super().convert(value, param, ctx)

    def url(self, text: str) -> Any:
        """What a URL stands for."""
        raise StorageError(f"--out {quoted(text, 200)} is a URL, which `congruence run` takes: name a folder")


class RunPlace(Folder):
    """A folder to write a run into, or a URL, as text."""

    def url(self, text: str) -> Any:
        """The URL."""
        return normal_url(text, "--out")


class RunDir(click.Path):
    """The folder of a finished run; from a URL it is fetched into one of this machine."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not is_url(value):
            return super().convert(value, param, ctx)
        from congruence.progress import shown
        from congruence.run.remote import fetch_run

        with shown(True):
            return fetch_run(value)
