"""Which features belong to a concept: by their top tokens, and by where their activation falls."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from congruence.errors import InputError
from congruence.records import TopTokens


@dataclass(frozen=True)
class Rule:
    """When a feature belongs to a concept.

    Attributes:
        top_k: strongest tokens looked at (5 as published).
        min_hits: how many of them must lie on a keyword (1 as published).
        min_mass: least share of the feature's whole activation that falls on keywords (0 as published).
    """

    top_k: int = 5
    min_hits: int = 1
    min_mass: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.min_hits <= self.top_k or not 0 <= self.min_mass <= 1:
            raise InputError(
                f"membership needs 1 <= min_hits <= top_k and 0 <= min_mass <= 1, "
                f"not min_hits={self.min_hits}, top_k={self.top_k}, min_mass={self.min_mass}"
            )


PUBLISHED = Rule()
"""Lan et al. 2024: any of the top five."""


@dataclass(frozen=True)
class Members:
    """How the features of one layer stand to one concept.

    Attributes:
        features: those that belong, ascending.
        hits: (f,) how many of each feature's top tokens lie on a keyword.
        mass: (f,) share of each feature's activation that falls on keywords; NaN where it never fires, or
            where it wasn't asked for.
        keyword: (f, k) keyword under each top token, -1 for none.
    """

    features: Int[np.ndarray, "p"]
    hits: Int[np.ndarray, "f"]
    mass: Float[np.ndarray, "f"]
    keyword: Int[np.ndarray, "f k"]

    def without(self, keyword: int, rule: Rule) -> Int[np.ndarray, "p"]:
        """The features that still belong if one keyword is struck off the list (mass aside)."""
        left = np.count_nonzero((self.keyword >= 0) & (self.keyword != keyword), axis=1)
        return self.features[left[self.features] >= rule.min_hits]


def concept_members(
    top: TopTokens,
    positions: Int[np.ndarray, "n"],
    *,
    rule: Rule = PUBLISHED,
    mass: Float[np.ndarray, "f"] | None = None,
    exclude: Bool[np.ndarray, "f"] | None = None,
) -> Members:
    """The features that belong to a concept. Lan et al. 2024, section 3.

    Args:
        top: top tokens of each feature of a layer.
        positions: (n,) keyword under each token, from
            :func:`~congruence.concepts.keyword_positions.keyword_positions`.
        rule: the thresholds.
        mass: (f,) from :func:`concept_mass`; needed where the rule has a least share.
        exclude: (f,) features that never belong (those that fire on punctuation, say).

    Raises:
        InputError: the rule asks for more top tokens than there are, or for a mass that isn't given.
    """
    if top.positions.shape[1] < rule.top_k:
        raise InputError(
            f"top_k={rule.top_k}, but {top.positions.shape[1]} top tokens were kept: "
            "raise top_tokens or lower top_k"
        )
    if rule.min_mass > 0 and mass is None:
        raise InputError(f"min_mass={rule.min_mass} needs mass: pass concept_mass(...)")
    rows = top.positions[:, : rule.top_k]
    keyword = np.where(rows >= 0, positions[rows], -1)
    hits = np.count_nonzero(keyword >= 0, axis=1)
    belongs = hits >= rule.min_hits
    shares = np.full(len(hits), np.nan) if mass is None else mass
    if rule.min_mass > 0:
        belongs &= shares >= rule.min_mass
    if exclude is not None:
        belongs &= ~exclude
    return Members(np.flatnonzero(belongs), hits, shares, keyword)


def concept_mass(
    acts: Iterable[sparse.csr_array] | sparse.csr_array, positions: Int[np.ndarray, "c n"]
) -> Float[np.ndarray, "c f"]:
    """Share of each feature's activation that falls on the keywords of each concept.

    mass[c, f] = Σ_{t on c} acts[t, f] / Σ_t acts[t, f], activations below zero counted as none; NaN for
    features that never fire. One pass over the activations.

    Args:
        acts: (n, f) CSR matrix, or its blocks of rows in order.
        positions: (c, n) keyword under each token for each concept, -1 for none.

    Raises:
        InputError: the activations have another number of rows than `positions`.
    """
    blocks: Iterable[Any] = [acts] if sparse.issparse(acts) else acts
    on = np.ascontiguousarray((positions >= 0).T)
    falls: Any = 0.0
    total: Any = 0.0
    start = 0
    for block in blocks:
        rows: Any = sparse.csr_array(block)
        stop = start + len(rows.indptr) - 1
        if stop > len(on):
            break
        rows.sum_duplicates()
        data = rows.data if rows.data.dtype.kind == "f" else rows.data.astype(np.float64)
        falls = falls + _on_keywords(rows.indptr, rows.indices, data, on[start:stop], rows.shape[1])
        total = total + _sums_above_0(rows.indices, data, rows.shape[1])
        start = stop
    if start != len(on):
        raise InputError(f"activations and keyword positions differ in rows: {len(on)} positions are needed")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, falls / total, np.nan)


@numba.njit(nogil=True, cache=True)
def _on_keywords(indptr, indices, data, on, features):
    """(c, f) sums of activations above 0 on the tokens that are `on` (n, c) keywords of each concept."""
    falls = np.zeros((on.shape[1], features))
    for row in range(len(on)):
        for c in range(on.shape[1]):
            if on[row, c]:
                for p in range(indptr[row], indptr[row + 1]):
                    if not data[p] <= 0:  # NaN counts, and shows
                        falls[c, indices[p]] += np.float64(data[p])
    return falls


@numba.njit(nogil=True, cache=True)
def _sums_above_0(indices, data, features):
    """(f,) sums of each feature's activations above 0, in their own precision, token by token."""
    total = np.zeros(features, data.dtype)
    for p in range(len(data)):
        if not data[p] <= 0:
            total[indices[p]] += data[p]
    return total.astype(np.float64)
