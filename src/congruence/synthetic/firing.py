"""Which concepts fire on which tokens, a block of documents at a time; the text that goes with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from congruence.filters import NON_CONCEPT_TOKENS
from congruence.rng import derive
from congruence.synthetic.options import WorldOptions
from congruence.synthetic.truth import Truth

BLOCK_TOKENS = 8192
SEGMENT = 20
ON_TOPIC = 0.75
SPREAD = 0.3
PUNCTUATION = 0.03
MARKED = 0.1
_MARKS = [mark for mark in NON_CONCEPT_TOKENS if mark]


@dataclass(frozen=True, eq=False)
class Block:
    """What happens on the tokens of some documents.

    Attributes:
        number: which block; start: its first token; tokens: how many.
        row, concept, intensity: (fires,) token within the block, concept and strength, ascending by token.
        token_ids: (tokens,) int64.
    """

    number: int
    start: int
    tokens: int
    row: Int[np.ndarray, " fires"]
    concept: Int[np.ndarray, " fires"]
    intensity: Float[np.ndarray, " fires"]
    token_ids: Int[np.ndarray, " tokens"]


@dataclass(frozen=True, eq=False)
class Firing:
    """The text of a world and the concepts that fire on it.

    A document has a topic (all topics are as frequent, up to one document), which three of four of its
    segments of twenty tokens follow; the others have any. A root fires on a token with probability
    rate · (1 − correlation + correlation · topics · [the token has its topic]); a child, where its parent
    fires, with probability rate of the child / rate of the parent. So the rates are those asked for.
    The number of candidates for each (concept, topic) is Poisson, and a token that is hit fires: independent
    Bernoulli draws at the cost of what fires.

    Attributes:
        options, truth: of the world.
    """

    options: WorldOptions
    truth: Truth

    @cached_property
    def document_offsets(self) -> Int[np.ndarray, " documents_plus_1"]:
        """First token of each document, and the number of tokens at the end."""
        step = self.options.document_tokens
        return np.append(np.arange(0, self.options.tokens, step), self.options.tokens).astype(np.int64)

    @cached_property
    def strings(self) -> list[str]:
        """The vocabulary: a few punctuation marks, then words."""
        words = self.options.vocabulary - len(_MARKS)
        return [*_MARKS, *(f" w{number}" for number in range(words))]

    @cached_property
    def own_token(self) -> Int[np.ndarray, " c"]:
        """The token of each concept: a word, of three in a hundred a punctuation mark."""
        rng = derive(self.options.seed, "own_token")
        count, marks = len(self.truth.rate), len(_MARKS)
        words = rng.integers(marks, self.options.vocabulary, size=count)
        return np.where(rng.random(count) < PUNCTUATION, rng.integers(marks, size=count), words)

    @cached_property
    def _document_topics(self) -> np.ndarray:
        rng = derive(self.options.seed, "document_topics")
        return rng.permutation(np.arange(self.options.documents) % self.options.topics)

    @property
    def documents_a_block(self) -> int:
        """Documents drawn together: about 8,192 tokens."""
        return max(1, BLOCK_TOKENS // self.options.document_tokens)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.options.documents // self.documents_a_block)

    def __iter__(self) -> Iterator[Block]:
        return (self.block(number) for number in range(self.blocks))

    def block(self, number: int) -> Block:
        """Block `number`; it depends on the options and its number alone."""
        rng = derive(self.options.seed, "block", number)
        first = number * self.documents_a_block
        bounds = self.document_offsets[first : first + self.documents_a_block + 1]
        topics = self._topics(bounds, self._document_topics[first : first + len(bounds) - 1], rng)
        row, concept = self._fires(topics, rng)
        intensity = np.exp(SPREAD * rng.standard_normal(len(row)))
        ids = self._text(len(topics), row, concept, intensity, rng)
        return Block(number, int(bounds[0]), len(topics), row, concept, intensity, ids)

    def _topics(self, bounds: np.ndarray, of_documents: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(tokens,) topic of every token."""
        lengths = np.diff(bounds)
        inside = np.arange(lengths.sum()) - np.repeat(bounds[:-1] - bounds[0], lengths)
        starts = inside % SEGMENT == 0
        any_topic = rng.integers(self.options.topics, size=starts.sum())
        own = np.repeat(of_documents, lengths)[starts]
        chosen = np.where(rng.random(len(own)) < ON_TOPIC, own, any_topic)
        return chosen[np.cumsum(starts) - 1]

    def _fires(self, topics: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Tokens and concepts, ascending by token, then concept."""
        truth, options = self.truth, self.options
        roots = np.flatnonzero(truth.parent < 0)
        order = np.argsort(topics, kind="stable")
        starts = np.searchsorted(topics[order], np.arange(options.topics + 1))
        rows, concepts = [], []
        for topic in range(options.topics):
            of_topic = order[starts[topic] : starts[topic + 1]]
            own = options.correlation * options.topics * (truth.topic[roots] == topic)
            chance = np.minimum(truth.rate[roots] * (1 - options.correlation + own), 1 - 1e-12)
            hits = rng.poisson(-np.log1p(-chance) * len(of_topic))
            if hits.any():
                rows.append(of_topic[rng.integers(len(of_topic), size=hits.sum())])
                concepts.append(np.repeat(roots, hits))
        found = _unique(rows, concepts, len(truth.rate))
        children = self._children(found, rng)
        return tuple(np.divmod(np.sort(np.concatenate([found, children])), len(truth.rate)))  # type: ignore[return-value]

    def _children(self, fires: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Codes token · c + concept of the children that fire, given those of the roots."""
        truth = self.truth
        count = len(truth.rate)
        row, concept = np.divmod(fires, count)
        children = np.flatnonzero(truth.parent >= 0)
        children = children[np.argsort(truth.parent[children], kind="stable")]
        bounds = np.searchsorted(truth.parent[children], np.arange(count + 1))
        times = np.diff(bounds)[concept]
        place = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        child = children[np.repeat(bounds[concept], times) + place]
        kept = rng.random(len(child)) < truth.rate[child] / truth.rate[truth.parent[child]]
        return (np.repeat(row, times) * count + child)[kept]

    def _text(
        self,
        tokens: int,
        row: np.ndarray,
        concept: np.ndarray,
        intensity: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Token ids: words by Zipf's law, a tenth punctuation; where concepts fire, the strongest's own."""
        words = self.options.vocabulary - len(_MARKS)
        weights = 1.0 / (5 + np.arange(words))
        ids = len(_MARKS) + rng.choice(words, size=tokens, p=weights / weights.sum())
        marks = np.flatnonzero(rng.random(tokens) < MARKED)
        ids[marks] = rng.integers(len(_MARKS), size=len(marks))
        order = np.lexsort((intensity, row))
        last = np.append(np.diff(row[order]) > 0, True) if len(row) else np.zeros(0, bool)
        strongest = order[last]
        strongest = strongest[rng.random(len(strongest)) < self.options.token_share]
        ids[row[strongest]] = self.own_token[concept[strongest]]
        return ids.astype(np.int64)


def _unique(rows: list[np.ndarray], concepts: list[np.ndarray], count: int) -> np.ndarray:
    """Each token and concept once, as codes token · c + concept."""
    codes = [row.astype(np.int64) * count + concept for row, concept in zip(rows, concepts, strict=True)]
    return np.unique(np.concatenate(codes)) if codes else np.zeros(0, np.int64)
