"""Folders for what can be made again: the user's cache, and where compiled kernels are kept."""

import logging
import os
import sys
import tempfile
from pathlib import Path

logger = logging.getLogger(__name__)

KERNELS, FONTS = "NUMBA_CACHE_DIR", "MPLCONFIGDIR"
_PACKAGE = Path(__file__).resolve().parent


def cache_folder() -> Path:
    """The user's cache folder for this package; `CONGRUENCE_CACHE` names another."""
    if named := os.environ.get("CONGRUENCE_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(base).expanduser() / "congruence"
    except RuntimeError:  # no home folder
        return Path(base) / "congruence"


def settle_kernel_cache() -> None:
    """Decide where compiled kernels are kept, before numba is imported.

    They lie beside their sources. Where the package can't be written, as in a container image or on a
    cluster, they go to the user's cache folder, and where that can't be written either, to a folder of this
    user alone below the machine's temporary one. `NUMBA_CACHE_DIR` comes before all of that.
    """
    if os.environ.get(KERNELS) or _package_is_writable():
        return
    folder = _first_writable([cache_folder() / "kernels", _temporary_folder("kernels")])
    if folder is None:
        return  # numba says what is missing when it is asked to compile
    os.environ[KERNELS] = str(folder)
    if "numba" in sys.modules:  # imported before: it has read the variable already
        sys.modules["numba"].config.CACHE_DIR = str(folder)


def settle_font_cache() -> None:
    """Decide where matplotlib keeps what it found out about fonts, before it is imported.

    That is its own folder, and where that can't be written one as above: else it warns, and looks anew each
    time. `MPLCONFIGDIR` comes before all of that.
    """
    if os.environ.get(FONTS) or sys.platform != "linux":
        return
    own = Path(os.path.expanduser(os.environ.get("XDG_CONFIG_HOME") or "~/.config")) / "matplotlib"
    found = _first_writable([own, cache_folder() / "fonts", _temporary_folder("fonts")])
    if found is not None and found != own:
        os.environ[FONTS] = str(found)


def kernels_line() -> str:
    """Where compiled kernels are kept, in words."""
    named = os.environ.get(KERNELS)
    return f"compiled kernels are kept in {named or f'{_PACKAGE}, beside their sources'}"


def _package_is_writable() -> bool:
    """Whether every folder of sources can hold its kernels."""
    folders = [_PACKAGE, *(Path(found) for found in os.scandir(_PACKAGE) if found.is_dir())]
    sources = [folder for folder in folders if (folder / "__init__.py").exists()]
    places = [kept if (kept := folder / "__pycache__").exists() else folder for folder in sources]
    return all(os.access(place, os.W_OK | os.X_OK) for place in places)


def _first_writable(folders: "list[Path | None]") -> Path | None:
    for folder in folders:
        if folder is None:
            continue
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError:
            continue
        if _is_ours_alone(folder):
            return folder
    return None


def _is_ours_alone(folder: Path) -> bool:
    """Whether no other user can put files there: what numba keeps is read back as code."""
    if os.name != "posix":
        return True
    state = folder.lstat()
    return (
        folder.is_dir()
        and not folder.is_symlink()
        and state.st_uid == os.getuid()
        and not state.st_mode & 0o022
    )


def _temporary_folder(what: str) -> Path | None:
    try:
        base = Path(tempfile.gettempdir())
    except OSError:  # not one can be written
        return None
    return base / f"congruence-{what}-{os.getuid() if os.name == 'posix' else 'user'}"
