"""`congruence prune DIR`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from congruence.run.prune import Stored

_NAMED = 3
"""Entries of one kind and use up to which each is named."""


@click.command()
@click.argument("run_dir", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--keep", multiple=True, metavar="KEY", help="Keep this configuration, too; 'all': every one.")
@click.option("--yes", is_flag=True, help="Remove what is listed as unused; without it nothing is removed.")
@click.option("-v", "--verbose", is_flag=True, help="Name everything.")
def command(run_dir: Path, *, keep: tuple[str, ...], yes: bool, verbose: bool) -> None:
    """List what lies in the run's folder DIR and who uses it, and remove what no configuration uses.

    The current configuration is kept, and those named by --keep. Unused are other configurations with their
    pictures, the activations and cells that only they used, what killed processes left, and what was set
    aside as not whole. Of several models the folders of all their pairs are looked through as well.
    """
    from contextlib import ExitStack

    from rich.console import Console

    from congruence.errors import StorageError
    from congruence.run.prune import folders_of, prune, stored_in
    from congruence.storage.lock import folder_lock

    if not run_dir.is_dir():
        raise StorageError(f"{run_dir} isn't a folder: name the folder that `congruence run --out` wrote")
    console = Console()
    with ExitStack() as locks:
        held = [locks.enter_context(folder_lock(place, wait=False)) for place in folders_of(run_dir)]
        alone = all(held)
        found = stored_in(run_dir, keep=keep, alone=alone)
        _show(console, run_dir, found, named=len(found) if verbose else _NAMED)
        unused = [one for one in found if not one.used_by]
        if not unused:
            console.print("Nothing is unused.")
        elif yes:
            console.print(f"Removed {_size(prune(found))}.", highlight=False)
        else:
            size = _size(sum(one.bytes for one in unused))
            console.print(
                f"Unused: {size}. Give --yes to remove it, --keep KEY to keep more.", highlight=False
            )


def _show(console: object, folder: Path, found: "Sequence[Stored]", *, named: int) -> None:
    from rich.console import Console
    from rich.table import Table

    assert isinstance(console, Console)
    groups: dict[tuple[str, tuple[str, ...]], list[Stored]] = {}
    for one in found:
        groups.setdefault((one.kind, one.used_by), []).append(one)
    table = Table(box=None, pad_edge=False)
    for name in ("what", "which", "size", "used by"):
        table.add_column(name, justify="right" if name == "size" else "left", overflow="fold")
    for (kind, used_by), group in groups.items():
        users = ", ".join(used_by) or "none: unused"
        if len(group) > named:
            table.add_row(kind, f"{len(group)} of them", _size(sum(one.bytes for one in group)), users)
            continue
        for one in group:
            which = f"{one.path.relative_to(folder)}{f' ({one.about})' if one.about else ''}"
            table.add_row(kind, which, _size(one.bytes), users)
    console.print(table)


def _size(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
