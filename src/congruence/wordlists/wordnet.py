"""WordNet as arrays: which synsets a word has, how often each is meant, and what lies below it.

WordNet 3.0, copyright 2006 by Princeton University; its licence is in congruence/assets/wordnet/LICENSE.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int

from congruence.concepts.words import fold

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
    lexname: Int[np.ndarray, "synsets"]
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
