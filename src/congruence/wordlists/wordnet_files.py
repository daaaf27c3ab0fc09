"""Reading WordNet: the copy in the package, or the files of a system or NLTK installation."""

import functools
import os
from collections.abc import Iterable, Iterator
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from congruence.errors import InputError
from congruence.wordlists.wordnet import WordNet

SYSTEM_FOLDERS = ("/usr/share/wordnet", "/usr/local/WordNet-3.0/dict", "/opt/homebrew/share/wordnet/dict")
NLTK_FOLDERS = ("~/nltk_data", "/usr/share/nltk_data", "/usr/local/share/nltk_data", "/usr/lib/nltk_data")
PARTS = (("noun", "n", 1), ("verb", "v", 2))
HYPONYM = "~"
_ARRAYS = (
    "sense_start", "sense_synset", "sense_count", "sense_rank", "lexname", "hyponym_start", "hyponyms",
    "member_start", "members", "offset",
)  # fmt: skip


@functools.lru_cache(maxsize=2)
def load_wordnet(source: str = "auto") -> WordNet:
    """WordNet's nouns and verbs.

    Args:
        source: "packaged" for the table in congruence; a folder that holds data.noun; or "auto": a system
            copy (WNHOME, Debian's wordnet-base), else NLTK's, else the packaged one.

    Raises:
        InputError: the folder doesn't hold WordNet's files.
    """
    if source == "packaged":
        return _packaged()
    if source != "auto":
        return read_wordnet(source)
    folder = next(_installed(), None)
    return _packaged() if folder is None else read_wordnet(folder)


def read_wordnet(folder: str | Path) -> WordNet:
    """WordNet from its own files: data.noun, index.noun, data.verb, index.verb and cntlist.rev.

    Raises:
        InputError: a file is missing, or isn't as wndb(5WN) describes.
    """
    folder = Path(folder)
    try:
        synsets = [synset for name, pos, _ in PARTS for synset in _synsets(folder / f"data.{name}", pos)]
        index = {(pos, offset): row for row, (pos, offset, _, _, _) in enumerate(synsets)}
        senses = _senses(folder, index)
    except OSError as error:
        raise InputError(f"{folder} doesn't hold WordNet ({error.strerror}: {error.filename})") from None
    except (ValueError, IndexError, KeyError) as error:
        raise InputError(
            f"{folder} holds WordNet files that can't be read ({error}): install it again"
        ) from None
    return _assemble(str(folder), synsets, index, senses)


def save_table(wordnet: WordNet, path: Path) -> None:
    """Write the compact table that the package carries."""
    arrays: dict[str, Any] = {name: getattr(wordnet, name) for name in _ARRAYS}
    text = "\n".join(wordnet.lemmas).encode()
    np.savez_compressed(path, lemmas=np.frombuffer(text, dtype=np.uint8), **arrays)


def _packaged() -> WordNet:
    with resources.files("congruence").joinpath("assets/wordnet/wordnet-3.0.npz").open("rb") as handle:
        table = np.load(handle, allow_pickle=False)
        lemmas = table["lemmas"].tobytes().decode().split("\n")
        return WordNet("WordNet 3.0, packaged", lemmas, **{name: table[name] for name in _ARRAYS})


def _installed() -> Iterator[Path]:
    home = os.environ.get("WNHOME")
    system = [Path(home), Path(home) / "dict"] if home else []
    system += [Path(folder) for folder in SYSTEM_FOLDERS]
    paths = [part for part in os.environ.get("NLTK_DATA", "").split(os.pathsep) if part]
    nltk = [Path(path).expanduser() / "corpora" / "wordnet" for path in (*paths, *NLTK_FOLDERS)]
    for folder in chain(system, nltk):
        if all((folder / name).is_file() for name in ("data.noun", "data.verb", "index.noun", "index.verb")):
            yield folder


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", errors="replace") as handle:
        yield from (line for line in handle if not line.startswith(" "))


def _synsets(path: Path, pos: str) -> Iterator[tuple[str, int, int, list[str], list[int]]]:
    """(pos, offset, lexicographer file, words, offsets of hyponyms) of each line of a data file."""
    for line in _lines(path):
        fields = line.split(" | ", 1)[0].split(" ")
        words = int(fields[3], 16)
        at = 4 + 2 * words
        pointers = (fields[at + 1 + 4 * i : at + 5 + 4 * i] for i in range(int(fields[at])))
        below = [int(target) for symbol, target, kind, _ in pointers if symbol == HYPONYM and kind == pos]
        lemmas = [word.replace("_", " ") for word in fields[4:at:2]]
        yield pos, int(fields[0]), int(fields[1]), lemmas, below


def _senses(folder: Path, index: dict[tuple[str, int], int]) -> dict[str, list[tuple[int, int, int]]]:
    """(synset, rank, count) of each sense of each lower-case lemma, nouns first."""
    counts = _tag_counts(folder / "cntlist.rev")
    senses: dict[str, list[tuple[int, int, int]]] = {}
    for name, pos, number in PARTS:
        for line in _lines(folder / f"index.{name}"):
            fields = line.split()
            offsets = fields[len(fields) - int(fields[2]) :]
            rows = senses.setdefault(fields[0].replace("_", " "), [])
            for rank, offset in enumerate(offsets, start=1):
                rows.append((index[pos, int(offset)], rank, counts.get((fields[0], number, rank), 0)))
    return senses


def _tag_counts(path: Path) -> dict[tuple[str, int, int], int]:
    """{(lemma, part of speech, rank): times tagged}; empty where the file isn't there."""
    counts = {}
    for key, rank, count in (line.split() for line in _lines(path)) if path.is_file() else ():
        lemma, _, rest = key.partition("%")
        counts[lemma, int(rest[0]), int(rank)] = int(count)
    return counts


def _assemble(
    source: str,
    synsets: list[tuple[str, int, int, list[str], list[int]]],
    index: dict[tuple[str, int], int],
    senses: dict[str, list[tuple[int, int, int]]],
) -> WordNet:
    """The arrays; of the spellings of a word, the first in alphabetical order carries its senses."""
    spelling: dict[str, int] = {}
    written = sorted(
        {word for synset in synsets for word in synset[3]}, key=lambda word: (word.lower(), word)
    )
    rows = []
    for position, word in enumerate(written):
        first = spelling.setdefault(word.lower(), position) == position
        rows.append(senses.get(word.lower(), []) if first else [])
    lemma_of = {word: position for position, word in enumerate(written)}
    flat = list(chain.from_iterable(rows))
    column = np.array(flat, dtype=np.int32).reshape(-1, 3)
    below = [[index[pos, target] for target in targets] for pos, _, _, _, targets in synsets]
    members = [[lemma_of[word] for word in words] for _, _, _, words, _ in synsets]
    return WordNet(
        source=source,
        lemmas=written,
        sense_start=_starts(rows),
        sense_synset=column[:, 0],
        sense_rank=column[:, 1].astype(np.int16),
        sense_count=column[:, 2],
        lexname=np.array([lexname for _, _, lexname, _, _ in synsets], dtype=np.uint8),
        hyponym_start=_starts(below),
        hyponyms=np.fromiter(chain.from_iterable(below), dtype=np.int32),
        member_start=_starts(members),
        members=np.fromiter(chain.from_iterable(members), dtype=np.int32),
        offset=np.array([offset for _, offset, _, _, _ in synsets], dtype=np.int32),
    )


def _starts(rows: Iterable[list]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
