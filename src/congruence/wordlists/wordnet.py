"""WordNet as arrays: which synsets a word has, how often each is meant, and what lies below it.

WordNet 3.0, copyright 2006 by Princeton University; its licence is in congruence/assets/wordnet/LICENSE.
"""

import functools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt8

from congruence.concepts.words import fold
from congruence.errors import InputError

SYSTEM_FOLDERS = ("/usr/share/wordnet", "/usr/local/WordNet-3.0/dict", "/opt/homebrew/share/wordnet/dict")
NLTK_FOLDERS = ("~/nltk_data", "/usr/share/nltk_data", "/usr/local/share/nltk_data", "/usr/lib/nltk_data")
PARTS = (("noun", "n", 1), ("verb", "v", 2))
HYPONYM = "~"
_ARRAYS = (
    "sense_start", "sense_synset", "sense_count", "sense_rank", "lexname", "hyponym_start", "hyponyms",
    "member_start", "members", "offset",
)  # fmt: skip
LEXNAMES = (
    "adj.all", "adj.pert", "adv.all", "noun.Tops", "noun.act", "noun.animal", "noun.artifact",
    "noun.attribute", "noun.body", "noun.cognition", "noun.communication", "noun.event", "noun.feeling",
    "noun.food", "noun.group",
    "noun.location", "noun.motive", "noun.object", "noun.person", "noun.phenomenon", "noun.plant",
    "noun.possession", "noun.process", "noun.quantity", "noun.relation", "noun.shape", "noun.state",
    "noun.substance", "noun.time", "verb.body", "verb.change", "verb.cognition", "verb.communication",
    "verb.competition", "verb.consumption", "verb.contact", "verb.creation", "verb.emotion", "verb.motion",
    "verb.perception", "verb.possession", "verb.social", "verb.stative", "verb.weather", "adj.ppl",
)  # fmt: skip
"""Names of WordNet's lexicographer files, by number: a synset's supersense."""


@dataclass(frozen=True)
class Sense:
    """One meaning of a word.

    Attributes:
        synset: index of the synset in the table.
        pos: "n" or "v".
        rank: 1 for the first sense of its part of speech, and so on.
        count: times it was tagged in WordNet's texts.
        supersense: e.g. "noun.time".
    """

    synset: int
    pos: str
    rank: int
    count: int
    supersense: str


@dataclass(frozen=True)
class WordNet:
    """The nouns and verbs of WordNet.

    Attributes:
        source: where the table was read from.
        lemmas: words and collocations ("ice cream"), sorted by their folded form.
        sense_start: (lemmas + 1,) first sense of each lemma.
        sense_synset, sense_count, sense_rank: (senses,) the senses of each lemma, nouns first, by rank.
        lexname: (synsets,) index into :data:`LEXNAMES`.
        hyponym_start, hyponyms: the synsets directly below each synset, in compressed rows.
        member_start, members: the lemmas of each synset, first word first, in compressed rows.
        offset: (synsets,) byte offset of the synset in WordNet's own files: its usual name.
    """

    source: str
    lemmas: list[str]
    sense_start: Int[np.ndarray, "lemmas_plus_1"]
    sense_synset: Int[np.ndarray, "senses"]
    sense_count: Int[np.ndarray, "senses"]
    sense_rank: Int[np.ndarray, "senses"]
    lexname: UInt8[np.ndarray, "synsets"]
    hyponym_start: Int[np.ndarray, "synsets_plus_1"]
    hyponyms: Int[np.ndarray, "edges"]
    member_start: Int[np.ndarray, "synsets_plus_1"]
    members: Int[np.ndarray, "members"]
    offset: Int[np.ndarray, "synsets"]

    def senses(self, word: str) -> list[Sense]:
        """The noun and verb senses of a word, whatever its case; none where WordNet doesn't have it."""
        return [
            self._sense(row)
            for lemma in self._rows.get(fold(word), ())
            for row in range(self.sense_start[lemma], self.sense_start[lemma + 1])
        ]

    def below(self, synset: int, *, depth: int) -> dict[int, int]:
        """Synsets at most `depth` steps of hyponymy below one, each with its distance; itself left out."""
        distance = {synset: 0}
        frontier = [synset]
        for step in range(1, depth + 1):
            frontier = [s for parent in frontier for s in self._children(parent) if s not in distance]
            distance.update(dict.fromkeys(frontier, step))
        return {s: step for s, step in distance.items() if step}

    def words(self, synset: int) -> list[str]:
        """The words of a synset, as written: "Berlin", "ice cream"."""
        span = slice(self.member_start[synset], self.member_start[synset + 1])
        return [self.lemmas[index] for index in self.members[span]]

    def name(self, synset: int) -> str:
        """A synset's first word, part of speech and offset: "emotion.n@7480068"."""
        return f"{self.words(synset)[0].replace(' ', '_')}.{self.pos(synset)}@{self.offset[synset]}"

    def pos(self, synset: int) -> str:
        """ "n" or "v"."""
        return LEXNAMES[self.lexname[synset]][0]

    def supersense(self, synset: int) -> str:
        """The name of the lexicographer file the synset stands in."""
        return LEXNAMES[self.lexname[synset]]

    def _children(self, synset: int) -> list[int]:
        return self.hyponyms[self.hyponym_start[synset] : self.hyponym_start[synset + 1]].tolist()

    def _sense(self, row: int) -> Sense:
        synset = int(self.sense_synset[row])
        rank, count = int(self.sense_rank[row]), int(self.sense_count[row])
        return Sense(synset, self.pos(synset), rank, count, self.supersense(synset))

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for index, lemma in enumerate(self.lemmas):
            rows.setdefault(fold(lemma), []).append(index)
        return rows


@functools.lru_cache(maxsize=2)
def load_wordnet(source: str = "packaged") -> WordNet:
    """WordNet's nouns and verbs; by default the same ones on every machine.

    Args:
        source: "packaged" for WordNet 3.0 in congruence; a folder that holds data.noun; or "installed": this
            machine's copy, the first of WNHOME, Debian's wordnet-base and NLTK's.

    Raises:
        InputError: the folder doesn't hold WordNet's files, or none is installed.
    """
    if source == "packaged":
        return _packaged()
    if source != "installed":
        return read_wordnet(source)
    folder = next(_installed(), None)
    if folder is None:
        raise InputError("no WordNet is installed here: name its folder, or use the packaged one")
    return read_wordnet(folder)


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
