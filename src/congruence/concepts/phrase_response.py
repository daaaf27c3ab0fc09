"""How strongly features answer to phrases and to their words alone: is the unit the phrase or the word?"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from congruence.concepts.phrases import PhraseTexts
from congruence.errors import InputError
from congruence.records import TopTokens


@dataclass(frozen=True)
class PhraseNeed:
    """For each feature, on how many phrases it fires and how many of them it needs as a whole.

    Attributes:
        fires: (f,) phrases on which the feature fires.
        needs: (f,) of these, phrases on which it fires at least `ratio` times as strongly as on either word.
        ratio: the factor.
    """

    fires: Int[np.ndarray, "f"]
    needs: Int[np.ndarray, "f"]
    ratio: float

    @property
    def share(self) -> Float[np.ndarray, "f"]:
        """needs / fires; NaN for features that fire on no phrase."""
        with np.errstate(invalid="ignore"):
            return np.where(self.fires > 0, self.needs / self.fires, np.nan)

    def features(self, *, min_share: float = 0.5) -> Int[np.ndarray, "p"]:
        """Features that need the phrase on at least this share of the phrases they fire on."""
        return np.flatnonzero((self.fires > 0) & (self.needs >= min_share * self.fires))


def unit_responses(
    acts: sparse.csr_array, positions: Int[np.ndarray, "n"], document_offsets: np.ndarray, texts: PhraseTexts
) -> sparse.csr_array:
    """Response of each feature to each unit: its strongest activation inside the unit, averaged over the
    frames.

    Args:
        acts: (n, f) activations on the phrase texts.
        positions: (n,) unit under each token, from :func:`~congruence.concepts.phrases.unit_positions`.
        document_offsets: first row of each text, n at the end.
        texts: what was shown.

    Returns:
        (units, f); a feature that is silent in some frames counts 0 there.
    """
    n, n_features = cast(tuple[int, int], acts.shape)
    if n != len(positions):
        raise InputError(f"{n} rows of activations are not the {len(positions)} tokens of the texts")
    document = np.repeat(np.arange(len(texts.unit)), np.diff(document_offsets))
    rows = np.flatnonzero(positions >= 0)
    inside = sparse.coo_array(acts[rows])
    shape = (len(texts.unit), n_features)
    strongest = _group_max(document[rows][inside.row], inside.col, inside.data, shape)
    average = sparse.csr_array(
        (np.full(len(texts.unit), 1 / texts.frames), (texts.unit, np.arange(len(texts.unit)))),
        shape=(len(texts.units), len(texts.unit)),
    )
    return sparse.csr_array(average @ strongest)


def phrase_need(
    responses: sparse.csr_array,
    texts: PhraseTexts,
    *,
    ratio: float = 2.0,
    floor: Float[np.ndarray, "f"] | None = None,
) -> PhraseNeed:
    """Which features need the phrase: response(phrase) ≥ ratio · max(response(first), response(second)).

    Args:
        responses: (units, f) from :func:`unit_responses`.
        texts: what was shown.
        ratio: at least twice as strongly, by default.
        floor: (f,) response from which a feature counts as firing on a phrase; anything above 0, if None. A
            feature that answers a phrase with a trace of what it can do has no unit in it.
    """
    phrases = sparse.coo_array(responses[: len(texts.first)])
    least = 0.0 if floor is None else np.asarray(floor)[phrases.col]
    fires = (phrases.data > 0) & (phrases.data >= least)
    phrase, feature, strength = phrases.row[fires], phrases.col[fires], phrases.data[fires]
    words = np.maximum(
        _at(responses, texts.first[phrase], feature), _at(responses, texts.second[phrase], feature)
    )
    n_features = cast(tuple[int, int], responses.shape)[1]
    needed = feature[strength >= ratio * words]
    return PhraseNeed(
        np.bincount(feature, minlength=n_features), np.bincount(needed, minlength=n_features), ratio
    )


def active_features(responses: sparse.csr_array, texts: PhraseTexts) -> Int[np.ndarray, "p"]:
    """Features that fire inside any phrase: the members of a multi-token subspace as Son et al. have it."""
    phrases = sparse.coo_array(responses[: len(texts.first)])
    return np.unique(phrases.col[phrases.data > 0]).astype(np.int64)


def join_top_tokens(corpus: TopTokens, texts: TopTokens, n_corpus: int) -> TopTokens:
    """Top tokens over the corpus and the phrase texts together; the texts' rows follow the corpus's."""
    shifted = np.where(texts.positions >= 0, texts.positions + n_corpus, -1)
    values = np.hstack([corpus.values, texts.values])
    positions = np.hstack([corpus.positions, shifted])
    ids = np.hstack([corpus.token_ids, texts.token_ids])
    strength = np.where(positions >= 0, values, -np.inf)
    order = np.argsort(-strength, axis=1, kind="stable")[:, : corpus.values.shape[1]]
    return TopTokens(*(np.take_along_axis(part, order, axis=1) for part in (values, positions, ids)))


def phrase_rows(texts: PhraseTexts, document_offsets: np.ndarray) -> Bool[np.ndarray, "n"]:
    """(n,) true on the tokens of texts that show a phrase (those of single words left out)."""
    return np.repeat(texts.shows_phrase, np.diff(document_offsets))


def _group_max(
    group: np.ndarray, feature: np.ndarray, values: np.ndarray, shape: tuple[int, int]
) -> sparse.csr_array:
    """(groups, f) largest value of each group and feature; nothing where none is positive."""
    positive = values > 0
    key = group[positive].astype(np.int64) * shape[1] + feature[positive]
    order = np.argsort(key, kind="stable")
    key, values = key[order], values[positive][order].astype(np.float64)
    if not len(key):
        return sparse.csr_array(shape)
    starts = np.flatnonzero(np.r_[True, np.diff(key) > 0])
    row, column = np.divmod(key[starts], shape[1])
    return sparse.csr_array((np.maximum.reduceat(values, starts), (row, column)), shape=shape)


def _at(matrix: sparse.csr_array, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    if not len(rows):
        return np.zeros(0)
    return np.asarray(matrix[rows, columns]).ravel()
