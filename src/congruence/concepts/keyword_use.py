"""Which keywords carry a concept: what matched features fire on, and which words are overrepresented."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from congruence.concepts.keywords import Concept


@dataclass(frozen=True)
class KeywordUse:
    """How a concept's keywords are spread over its matched features (Lan et al. 2024, table 3).

    Attributes:
        concept: whose keywords.
        features_a, features_b: (keywords,) matched features of each side that have the keyword among their
            top tokens; a feature with several keywords counts for each.
        pairs: (keywords,) pairs whose two features share the keyword.
        corpus_count: (keywords,) occurrences in the corpus.
        ratio: (keywords,) share of features (both sides) over share of occurrences; NaN for those that don't
            occur. Above 1: overrepresented.
        p: (keywords,) two-sided binomial p of that share, each feature a draw by corpus frequency; a guide,
            since features aren't independent draws.
    """

    concept: Concept
    features_a: Int[np.ndarray, "keywords"]
    features_b: Int[np.ndarray, "keywords"]
    pairs: Int[np.ndarray, "keywords"]
    corpus_count: Int[np.ndarray, "keywords"]
    ratio: Float[np.ndarray, "keywords"]
    p: Float[np.ndarray, "keywords"]

    def ranked(self) -> Int[np.ndarray, "keywords"]:
        """Keywords by number of features, most first; those without features left out."""
        total = self.features_a + self.features_b
        order = np.argsort(-total, kind="stable")
        return order[total[order] > 0]


def keyword_use(
    concept: Concept,
    keyword_a: Int[np.ndarray, "p k"],
    keyword_b: Int[np.ndarray, "p k"],
    corpus_count: Int[np.ndarray, "keywords"],
) -> KeywordUse:
    """Count the keywords under the top tokens of paired features.

    Args:
        concept: the keywords.
        keyword_a, keyword_b: (p, k) keyword under each top token of each pair's features, -1 for none.
        corpus_count: occurrences of each keyword, from
            :func:`~congruence.concepts.keyword_positions.keyword_counts`.
    """
    on_a, on_b = _incidence(keyword_a, len(concept)), _incidence(keyword_b, len(concept))
    features = on_a.sum(axis=0) + on_b.sum(axis=0)
    ratio, p = _overrepresentation(features, corpus_count)
    return KeywordUse(
        concept, on_a.sum(axis=0), on_b.sum(axis=0), (on_a & on_b).sum(axis=0), corpus_count, ratio, p
    )


def _incidence(keyword: np.ndarray, n_keywords: int) -> np.ndarray:
    """(p, keywords) bool: the feature has the keyword among its top tokens."""
    on = np.zeros((len(keyword), n_keywords + 1), dtype=bool)
    np.put_along_axis(on, np.where(keyword >= 0, keyword, n_keywords), True, axis=1)
    return on[:, :n_keywords]


def _overrepresentation(features: np.ndarray, corpus_count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    ratio, p = np.full(len(features), np.nan), np.full(len(features), np.nan)
    occurrences, total = int(corpus_count.sum()), int(features.sum())
    if not occurrences or not total:
        return ratio, p
    present = np.flatnonzero(corpus_count)
    expected = corpus_count[present] / occurrences
    ratio[present] = features[present] / total / expected
    p[present] = _two_sided(features[present], total, expected)
    return ratio, p


def _two_sided(count: np.ndarray, total: int, expected: np.ndarray) -> np.ndarray:
    """Binomial p of each count: the probability of all counts that aren't likelier, as scipy's binomtest."""
    from scipy.stats import binom  # slow to import

    mass = binom.pmf(np.arange(total + 1), total, expected[:, None])
    own = np.take_along_axis(mass, count[:, None], axis=1)
    return np.minimum(np.where(mass <= own * (1 + 1e-7), mass, 0.0).sum(axis=1), 1.0)
