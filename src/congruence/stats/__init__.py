"""Correlating features over tokens: moments, co-activation, best partners, top tokens."""

from congruence.careful import guard
from congruence.stats.correlation import correlate, prepare_pair
from congruence.stats.documents import bootstrap_weights, half_masks, half_weights, halves_of_documents
from congruence.stats.graph import CorrelationGraph, correlation_graph, full_correlation
from congruence.stats.moments import Moments, MomentsState
from congruence.stats.null import BestNull, best_r_null
from congruence.stats.pair_correlations import pair_correlations, pair_similarities
from congruence.stats.prepared import PreparedActs, layer_statistics, of_features, prepare, rolled
from congruence.stats.records import BestPartners, Correlation, EngineChoice
from congruence.stats.top_tokens import top_tokens

__all__ = [
    "BestNull",
    "BestPartners",
    "Correlation",
    "CorrelationGraph",
    "EngineChoice",
    "Moments",
    "MomentsState",
    "PreparedActs",
    "best_r_null",
    "bootstrap_weights",
    "correlate",
    "correlation_graph",
    "full_correlation",
    "half_masks",
    "half_weights",
    "halves_of_documents",
    "layer_statistics",
    "of_features",
    "pair_correlations",
    "pair_similarities",
    "prepare",
    "prepare_pair",
    "rolled",
    "top_tokens",
]

guard(globals())
