"""Measures of likeness between two sets of paired rows: arrays in, a score out."""

from congruence.careful import guard
from congruence.metrics.base import (
    METRICS,
    Laws,
    Measure,
    Metric,
    Prepared,
    is_answerable,
    measure_of,
    metric,
)
from congruence.metrics.cka import linear_cka, rbf_cka
from congruence.metrics.heldout_cca import heldout_cca
from congruence.metrics.heldout_r2 import heldout_r2
from congruence.metrics.knn import jaccard_knn, mutual_knn
from congruence.metrics.lists import DecoderRows, ListProducts, OfProducts, score_lists
from congruence.metrics.mean_cosine import mean_cosine
from congruence.metrics.mppc import mppc
from congruence.metrics.pc1 import pc1_correlation
from congruence.metrics.procrustes import procrustes
from congruence.metrics.pw_mcc import pw_mcc
from congruence.metrics.pwcca import pwcca
from congruence.metrics.rsa import rsa
from congruence.metrics.svcca import cca, svcca
from congruence.metrics.translation_accuracy import translation_accuracy

__all__ = [
    "METRICS",
    "DecoderRows",
    "Laws",
    "ListProducts",
    "Measure",
    "Metric",
    "OfProducts",
    "Prepared",
    "cca",
    "heldout_cca",
    "heldout_r2",
    "is_answerable",
    "jaccard_knn",
    "linear_cka",
    "mean_cosine",
    "measure_of",
    "metric",
    "mppc",
    "mutual_knn",
    "pc1_correlation",
    "procrustes",
    "pw_mcc",
    "pwcca",
    "rbf_cka",
    "rsa",
    "score_lists",
    "svcca",
    "translation_accuracy",
]

guard(
    globals(), ("DecoderRows", "is_answerable", "measure_of", "metric", "score_lists")
)  # measures check what they are given
