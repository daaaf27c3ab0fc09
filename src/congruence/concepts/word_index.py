"""For every token of a corpus, the word it lies in: made once, read by every concept and layer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int

from congruence.concepts.pieces import BARRIER
from congruence.concepts.words import fold, is_unspaced, joins, word_spans
from congruence.errors import InputError

CHUNK_TOKENS = 200_000
"""Documents are put together and searched for words some of them at a time."""


@dataclass(frozen=True)
class WordIndex:
    """The words of a corpus and where its tokens stand in them.

    Attributes:
        words: folded words, each once.
        occurrence: (n,) which word occurrence each token lies in, counted over the corpus; -1 for tokens
            without a letter or digit. A token that touches several lies in the one it shares most bytes with.
        whole: (n,) the token covers the whole of that word.
        word_of: (m,) index into `words` of each occurrence, in the order of the text.
        capital: (m,) the occurrence begins with a capital letter.
        joined: (m,) only a space, a line end or a hyphen parts the occurrence from the one before it.
    """

    words: tuple[str, ...]
    occurrence: Int[np.ndarray, "n"]
    whole: Bool[np.ndarray, "n"]
    word_of: Int[np.ndarray, "m"]
    capital: Bool[np.ndarray, "m"]
    joined: Bool[np.ndarray, "m"]

    @property
    def word(self) -> Int[np.ndarray, "n"]:
        """(n,) index into `words` of the word each token lies in, -1 where there is none."""
        if not len(self.word_of):
            return np.full(len(self.occurrence), -1, dtype=np.int32)
        return np.where(self.occurrence >= 0, self.word_of[self.occurrence], -1).astype(np.int32)

    @property
    def counts(self) -> Int[np.ndarray, "v"]:
        """(v,) how often each of `words` occurs."""
        return np.bincount(self.word_of, minlength=len(self.words))


def word_index(
    token_ids: Int[np.ndarray, "n"],
    document_offsets: Int[np.ndarray, "documents_plus_1"],
    pieces: Sequence[bytes],
    *,
    breaks: Bool[np.ndarray, "n"] | None = None,
) -> WordIndex:
    """Put the words of a corpus together from its tokens, and say which token lies in which.

    No word reaches over the border of two documents, a special token, or a break. About 3 s a million tokens.

    Args:
        token_ids: (n,) ids, document after document.
        document_offsets: (documents + 1,) first row of each document, n at the end.
        pieces: what each id stands for, from :func:`~congruence.concepts.pieces.token_pieces`.
        breaks: (n,) true where something was left out before the row (a masked token).

    Raises:
        InputError: an id has no piece, or the offsets don't cover the rows.
    """
    _check(token_ids, document_offsets, pieces)
    starts_here = np.zeros(len(token_ids) + 1, dtype=bool)
    starts_here[document_offsets] = True
    if breaks is not None:
        starts_here[:-1] |= breaks
    collector = _Collector(len(token_ids))
    for first, last in _chunks(document_offsets):
        parted = starts_here[first:last]
        chunk = [
            BARRIER + pieces[token] if part else pieces[token]
            for token, part in zip(token_ids[first:last], parted, strict=True)
        ]
        text = b"".join(chunk).decode("utf-8", errors="surrogateescape")
        end = np.cumsum([len(piece) for piece in chunk])
        # the barrier before a token counts as part of it: it holds no letter
        rows = np.arange(first, last)
        collector.add(rows, text, np.concatenate([[0], end[:-1]]), end, _byte_offsets(text))
    return collector.finish()


def word_index_of_texts(
    texts: Sequence[str], documents: Int[np.ndarray, "n"], spans: Int[np.ndarray, "n 2"]
) -> WordIndex:
    """The same from the texts themselves and the span of each token in them.

    To be preferred where they are at hand: a word that the last token of a document cuts short is still the
    word that stands in the text, and what a tokenizer leaves out (case, accents, spaces) doesn't matter.

    Args:
        texts: the documents.
        documents: (n,) document of each token; never decreases.
        spans: (n, 2) first and last + 1 character of each token in its document; those of tokens that stand
            for no text (padding, BOS) are empty, wherever they are, and lie in no word.

    Raises:
        InputError: a token lies outside its document.
    """
    _check_spans(texts, documents, spans)
    collector = _Collector(len(documents))
    offsets = np.concatenate([np.flatnonzero(np.diff(documents, prepend=-1)), [len(documents)]])
    for first, last in _chunks(offsets) if len(documents) else ():
        held = np.unique(documents[first:last]).tolist()
        text = "\x00".join([str(texts[document]) for document in held])
        lengths = np.array([len(texts[document]) + 1 for document in held])
        rows = first + np.flatnonzero(spans[first:last, 1] > spans[first:last, 0])
        base = (np.cumsum(lengths) - lengths)[np.searchsorted(held, documents[rows])]
        starts, ends = (base + spans[rows, edge] for edge in (0, 1))
        collector.add(rows, text, starts, ends, np.arange(len(text) + 1))
    return collector.finish()


class _Collector:
    """Word occurrences so far, chunk after chunk."""

    def __init__(self, n: int) -> None:
        self.vocabulary: dict[str, int] = {}
        self.forms: dict[str, int] = {}
        self.occurrence = np.full(n, -1, dtype=np.int32)
        self.whole = np.zeros(n, dtype=bool)
        self.word_of: list[int] = []
        self.capital: list[bool] = []
        self.joined: list[bool] = []

    def add(
        self, rows: np.ndarray, text: str, start: np.ndarray, end: np.ndarray, place_of: np.ndarray
    ) -> None:
        """Add the words of a text whose tokens, in order those of `rows`, lie at `start` to `end`.

        `place_of` (characters + 1,) turns characters into the units of `start` and `end`.
        """
        spans = _split_unspaced(list(word_spans(text)), text, place_of, end)
        self._place(rows, place_of[np.array(spans, dtype=np.int64).reshape(-1, 2)], start, end)
        self._describe(text, spans)

    def _place(
        self, rows: np.ndarray, spans: np.ndarray, token_start: np.ndarray, token_end: np.ndarray
    ) -> None:
        """Give each token the word it shares most with; ties go to the earlier word."""
        low = np.searchsorted(token_end, spans[:, 0], side="right")
        high = np.maximum(low, np.searchsorted(token_start, spans[:, 1], side="left"))
        word = np.repeat(np.arange(len(spans)), high - low)
        token = np.arange(len(word)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
        token += low[word]
        shared = np.minimum(token_end[token], spans[word, 1]) - np.maximum(token_start[token], spans[word, 0])
        word, token, shared = word[shared > 0], token[shared > 0], shared[shared > 0]
        order = np.lexsort((word, -shared, token))
        best = order[np.diff(token[order], prepend=-1) > 0]
        here = rows[token[best]]
        self.occurrence[here] = len(self.word_of) + word[best]
        self.whole[here] = shared[best] == (spans[:, 1] - spans[:, 0])[word[best]]

    def _describe(self, text: str, spans: list[tuple[int, int]]) -> None:
        before = -1
        for start, end in spans:
            form = text[start:end]
            if form not in self.forms:
                self.forms[form] = self.vocabulary.setdefault(fold(form), len(self.vocabulary))
            self.word_of.append(self.forms[form])
            self.capital.append(form[0].isupper())
            self.joined.append(before >= 0 and joins(text[before:start]))
            before = end

    def finish(self) -> WordIndex:
        return WordIndex(
            tuple(self.vocabulary),
            self.occurrence,
            self.whole,
            np.array(self.word_of, dtype=np.int32),
            np.array(self.capital, dtype=bool),
            np.array(self.joined, dtype=bool),
        )


def _byte_offsets(text: str) -> np.ndarray:
    """(characters + 1,) the byte at which each character starts; an escaped stray byte is one byte long."""
    codes = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype="<u4")
    lengths = 1 + (codes > 0x7F).astype(np.int64) + (codes > 0x7FF) + (codes > 0xFFFF)
    lengths[(codes >= 0xDC80) & (codes <= 0xDCFF)] = 1
    return np.concatenate([[0], np.cumsum(lengths)])


def _split_unspaced(
    spans: list[tuple[int, int]], text: str, place_of: np.ndarray, token_end: np.ndarray
) -> list[tuple[int, int]]:
    """Cut runs of scripts without spaces where tokens end, so that a token there is a word of its own."""
    if text.isascii():
        return spans
    pieces: list[tuple[int, int]] = []
    for start, end in spans:
        if is_unspaced(text[start]):
            low, high = np.searchsorted(token_end, place_of[[start, end]], side="right")
            cuts = np.searchsorted(place_of, token_end[low:high], side="left")
            edges = sorted({start, end, *(int(cut) for cut in cuts if start < cut < end)})
            pieces.extend(pairwise(edges))
        else:
            pieces.append((start, end))
    return pieces


def _chunks(document_offsets: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of rows that hold whole documents, of about :data:`CHUNK_TOKENS` rows or one document."""
    first = int(document_offsets[0])
    for here, after in pairwise(document_offsets.tolist()):
        if after - first > CHUNK_TOKENS and here > first:
            yield first, here
            first = here
    if document_offsets[-1] > first:
        yield first, int(document_offsets[-1])


def _check(token_ids: np.ndarray, document_offsets: np.ndarray, pieces: Sequence[bytes]) -> None:
    if len(document_offsets) < 1 or document_offsets[0] != 0 or document_offsets[-1] != len(token_ids):
        raise InputError(
            f"document_offsets must run from 0 to {len(token_ids)} (the number of rows), "
            f"not {document_offsets[:1].tolist()} to {document_offsets[-1:].tolist()}"
        )
    if len(token_ids) and not 0 <= token_ids.min() <= token_ids.max() < len(pieces):
        raise InputError(
            f"token ids run from {token_ids.min()} to {token_ids.max()}, but the tokenizer has {len(pieces)} "
            "tokens: pass the tokenizer the corpus was made with"
        )


def _check_spans(texts: Sequence[str], documents: np.ndarray, spans: np.ndarray) -> None:
    if spans.shape != (len(documents), 2):
        raise InputError(
            f"spans have shape {spans.shape}: give a first and a last for {len(documents)} tokens"
        )
    if not len(documents):
        return
    if documents.min() < 0 or documents.max() >= len(texts) or (np.diff(documents) < 0).any():
        raise InputError(f"documents must ascend from 0 to {len(texts) - 1}: pass those the texts belong to")
    longest = np.array([len(text) for text in texts])[documents]
    outside = np.flatnonzero((spans[:, 0] < 0) | (spans[:, 1] > longest))
    if len(outside):
        raise InputError(f"token {outside[0]} lies outside its document: pass the texts that it comes from")
