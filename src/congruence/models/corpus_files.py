"""Which files of a folder hold the documents of a corpus: data before prose about it, and one split."""

import logging
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from congruence.errors import CorpusError
from congruence.models.corpus_text import COMPRESSIONS, format_suffix
from congruence.models.hub_cache import snapshot_of
from congruence.models.readers import SUFFIXES, MissingColumnError, ReadOptions, documents_of

log = logging.getLogger(__name__)

_ABOUT = re.compile(
    r"(readme|licen[cs]e)([-_.].*)?"
    r"|copying|notice|authors|changelog|citation|contributing|code_of_conduct|security|requirements",
    re.IGNORECASE,
)
"""Names, without the suffix, of files about a corpus rather than of it."""

_SPLITS = {
    "train": "train", "training": "train", "validation": "validation", "valid": "validation",
    "val": "validation", "dev": "validation", "eval": "validation", "test": "test", "testing": "test",
}  # fmt: skip
"""How a split is written in file names, as `datasets` reads them -> its name."""


def corpus_files(path: Path, options: ReadOptions, split: str | None) -> list[Path]:
    """The files to read, in the order of their names.

    In a folder, files of rows (.jsonl, .parquet and so on) that have the text column are the corpus, and
    where there are none, its text files; README, LICENSE and the like never are. Of several splits one is
    taken: `split`, else train. Links are followed, and files read by the name they have in the folder.

    Args:
        path: a file or a folder.
        options: how the files are read.
        split: which split of a folder.

    Raises:
        CorpusError: there is no such file, or no such split.
    """
    if path.is_file():
        return [path]
    path = snapshot_of(path)
    files = sorted(_visible(path))
    usable = [file for file in files if format_suffix(file) in SUFFIXES and not _ABOUT.fullmatch(_stem(file))]
    if not usable:
        raise CorpusError(
            f"corpus folder {str(path)!r} holds no {', '.join(SUFFIXES)} file: {_contents(files)}"
        )
    text = [file for file in usable if SUFFIXES[format_suffix(file)] == "text"]
    data = _with_column([file for file in usable if file not in set(text)], path, options, bool(text))
    chosen = _one_split(data or text, path, split, every=not data)
    left = [file for file in usable if file not in set(chosen)]
    if left:
        log.warning("corpus %s: %d file(s) are left out, e.g. %s", path, len(left), left[0].relative_to(path))
    return chosen


def _visible(folder: Path) -> Iterator[Path]:
    """All files below a folder but hidden ones; a folder that is reached twice is walked once."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files = (Path(place, name) for name in names if not name.startswith("."))
        yield from (file for file in files if file.is_file() or file.is_symlink())


def _with_column(files: list[Path], folder: Path, options: ReadOptions, have_text: bool) -> list[Path]:
    """Files of rows that have the text column; one is looked at for all whose names differ in digits only."""
    verdicts: dict[str, bool] = {}
    first_error: CorpusError | None = None
    for file in files:
        shards = re.sub(r"\d+", "#", str(file.relative_to(folder)))
        if shards not in verdicts:
            try:
                next(documents_of(file, options), None)
                verdicts[shards] = True
            except MissingColumnError as error:
                verdicts[shards] = False
                first_error = first_error or error
    found = [file for file in files if verdicts[re.sub(r"\d+", "#", str(file.relative_to(folder)))]]
    if not found and not have_text and first_error is not None:
        raise first_error
    return found


def _one_split(files: list[Path], folder: Path, split: str | None, *, every: bool) -> list[Path]:
    """Files of one split, where they are of several; with `every`, only if each of them names one."""
    of = {file: _split_of(file.relative_to(folder)) for file in files}
    names = {name for name in of.values() if name is not None}
    if split is None:
        if len(names) < 2 or (every and None in of.values()):
            return files
        chosen = next(name for name in ("train", "validation", "test") if name in names)
        log.info("corpus %s: split %s of %s", folder, chosen, ", ".join(sorted(names)))
    else:
        chosen = _SPLITS.get(split, split)
        if chosen not in names and (names or split != "train"):
            known = ", ".join(sorted(names)) or "no splits"
            raise CorpusError(f"corpus folder {str(folder)!r} has no split {split!r}: it has {known}")
        if not names:
            return files
    return [file for file in files if of[file] == chosen]


def _split_of(path: Path) -> str | None:
    """The split that a file's name, or a folder's above it, tells: `data/train-00000-of-00001.parquet`."""
    for part in (_stem(path), *reversed(path.parts[:-1])):
        words = [word for word in re.split(r"[^a-z]+", part.lower()) if word]
        found = next((_SPLITS[word] for word in words if word in _SPLITS), None)
        if found is not None:
            return found
    return None


def _stem(file: Path) -> str:
    name = Path(file.name)
    return Path(name.stem).stem if name.suffix.lower() in COMPRESSIONS else name.stem


def _contents(files: list[Path]) -> str:
    kinds = Counter(file.suffix or file.name for file in files)
    return ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(4)) or "it is empty"
