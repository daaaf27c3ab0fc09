"""Tokens of two tokenizers on the same text, grouped into units that both can be cut into."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from congruence.errors import ModelError
from congruence.models.tokens import Tokens

Side = Literal["a", "b"]


@dataclass(frozen=True)
class Groups:
    """Which tokens of one side each unit holds: `rows[offsets[u]:offsets[u + 1]]`, in text order."""

    offsets: Int[np.ndarray, " offsets"]
    rows: Int[np.ndarray, " members"]

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True)
class Alignment:
    """Units of text that both tokenizers see, and the tokens of each side in them.

    A unit is the shortest stretch of text that is a whole number of tokens on both sides: where one
    segmentation is coarser, its tokens are the units.

    Attributes:
        groups_a, groups_b: the kept tokens of each side in each unit.
        document_offsets: first unit of each document that has one, and the number of units at the end.
        unit_ids: (units,) index into `unit_strings`; the same for both sides, to stand for token ids.
        unit_strings: the distinct texts of units, in order of appearance, without white space around them.
        coverage_a, coverage_b: share of each side's kept tokens that lie in a unit.
        one_to_one: share of units that are a single token on both sides.
    """

    groups_a: Groups
    groups_b: Groups
    document_offsets: Int[np.ndarray, " document_offsets"]
    unit_ids: Int[np.ndarray, " units"]
    unit_strings: tuple[str, ...]
    coverage_a: float
    coverage_b: float
    one_to_one: float

    def __len__(self) -> int:
        return len(self.groups_a)


def align_tokens(tokens_a: Tokens, tokens_b: Tokens) -> Alignment:
    """Align the kept tokens of two tokenizations of the same documents by the characters they cover.

    White space beside a token doesn't matter, as tokenizers differ in which side of a word it goes to; a
    token that is white space alone is a unit where both sides have one at the same place.

    Raises:
        ModelError: the documents differ, a tokenizer tells no character offsets, or nothing aligns.
    """
    if tokens_a.texts != tokens_b.texts:
        raise ModelError("the two sides were tokenized from different documents: give both the same corpus")
    spans_a, documents_a, rows_a = _text_tokens(tokens_a, "a")
    spans_b, documents_b, rows_b = _text_tokens(tokens_b, "b")
    parts: list[tuple[Groups, Groups]] = []
    strings: list[str] = []
    counts: list[int] = []
    for index in np.intersect1d(documents_a, documents_b).tolist():
        in_a, in_b = _range(documents_a, index), _range(documents_b, index)
        text = tokens_a.texts[index]
        a, b = align_spans(spans_a[in_a], spans_b[in_b], text)
        strings += _unit_texts(spans_a[in_a], a, text)
        parts.append((_moved(a, rows_a[in_a]), _moved(b, rows_b[in_b])))
        counts.append(len(a))
    if not strings:
        raise ModelError("no token of one side covers the same text as tokens of the other: nothing aligns")
    groups_a = _concatenated([a for a, _ in parts])
    groups_b = _concatenated([b for _, b in parts])
    codes: dict[str, int] = {}
    unit_ids = np.array([codes.setdefault(string, len(codes)) for string in strings], dtype=np.int32)
    single = (np.diff(groups_a.offsets) == 1) & (np.diff(groups_b.offsets) == 1)
    return Alignment(
        groups_a=groups_a,
        groups_b=groups_b,
        document_offsets=np.append(0, np.cumsum([count for count in counts if count])).astype(np.int64),
        unit_ids=unit_ids,
        unit_strings=tuple(codes),
        coverage_a=len(groups_a.rows) / tokens_a.n,
        coverage_b=len(groups_b.rows) / tokens_b.n,
        one_to_one=float(single.mean()),
    )


def align_spans(
    spans_a: Int[np.ndarray, "na 2"], spans_b: Int[np.ndarray, "nb 2"], text: str
) -> tuple[Groups, Groups]:
    """Units of one text: the token indices of each side in them, in the order of the text.

    Positions are counted in characters that aren't white space. A position bounds units if a token of
    either side starts or ends there and no token of either side reaches across it.

    Args:
        spans_a, spans_b: first and last + 1 character of each token.
        text: what the spans index.

    Source: ours; where one side's tokens are unions of the other's, the units are that side's tokens.
    """
    ink = np.append(0, np.cumsum([not character.isspace() for character in text])).astype(np.int64)
    a, b = ink[spans_a], ink[spans_b]
    across = _across(a, len(ink)) | _across(b, len(ink))
    edges = _distinct(np.concatenate([a.ravel(), b.ravel()]))
    edges = edges[~across[edges]]
    keys_a, keys_b = _unit_keys(a, edges, across), _unit_keys(b, edges, across)
    units = _distinct(_bearing(keys_a, a))
    units = units[np.isin(units, _bearing(keys_b, b))]
    return _grouped(keys_a, units), _grouped(keys_b, units)


def _distinct(values: np.ndarray) -> np.ndarray:
    """np.unique by sorting; on such nearly ordered numbers its hash table is ten times slower."""
    ordered = np.sort(values, kind="stable")
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def _across(spans: np.ndarray, length: int) -> np.ndarray:
    """(length,) whether a token starts before each position and ends after it."""
    change = np.zeros(length + 1, dtype=np.int64)
    inner = spans[spans[:, 1] > spans[:, 0] + 1]
    np.add.at(change, inner[:, 0] + 1, 1)
    np.add.at(change, inner[:, 1], -1)
    return np.cumsum(change)[:length] > 0


def _unit_keys(spans: np.ndarray, edges: np.ndarray, across: np.ndarray) -> np.ndarray:
    """A number for the unit of each token that grows along the text: odd for ink, even for white space."""
    start = spans[:, 0]
    blank = (spans[:, 1] == start) & ~across[start]
    bound = edges[np.maximum(np.searchsorted(edges, start, side="right") - 1, 0)]
    return np.where(blank, 2 * start, 2 * bound + 1)


def _bearing(keys: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """Units that a side has a token of its own in: one with ink, or white space between units."""
    return keys[(spans[:, 1] > spans[:, 0]) | (keys % 2 == 0)]


def _grouped(keys: np.ndarray, units: np.ndarray) -> Groups:
    order = np.argsort(keys, kind="stable")
    order = order[np.isin(keys[order], units)]
    offsets = np.searchsorted(keys[order], units, side="left")
    return Groups(np.append(offsets, len(order)).astype(np.int64), order.astype(np.int64))


def _text_tokens(tokens: Tokens, side: Side) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spans, documents and rows of the kept tokens that aren't padding."""
    if tokens.kept_spans is None:
        raise ModelError(
            f"the tokenizer of side {side} tells no character offsets: aligning needs a fast tokenizer"
        )
    rows = np.flatnonzero(tokens.attention_mask[tokens.keep])
    return tokens.kept_spans[rows], tokens.documents[rows], rows


def _range(documents: np.ndarray, index: int) -> slice:
    return slice(*np.searchsorted(documents, [index, index + 1]))


def _unit_texts(spans: np.ndarray, groups: Groups, text: str) -> list[str]:
    if not len(groups):
        return []
    starts = np.minimum.reduceat(spans[groups.rows, 0], groups.offsets[:-1])
    stops = np.maximum.reduceat(spans[groups.rows, 1], groups.offsets[:-1])
    texts = [text[start:stop] for start, stop in zip(starts.tolist(), stops.tolist(), strict=True)]
    return [piece.strip() or piece for piece in texts]


def _moved(groups: Groups, rows: np.ndarray) -> Groups:
    return Groups(groups.offsets, rows[groups.rows])


def _concatenated(parts: list[Groups]) -> Groups:
    sizes = np.concatenate([np.diff(part.offsets) for part in parts])
    return Groups(
        np.append(0, np.cumsum(sizes)).astype(np.int64), np.concatenate([part.rows for part in parts])
    )
