"""Measures of likeness between two sets of paired rows: arrays in, a score out."""

from congruence.metrics.cca import cca
from congruence.metrics.heldout_cca import heldout_cca
from congruence.metrics.heldout_r2 import heldout_r2
from congruence.metrics.jaccard_knn import jaccard_knn
from congruence.metrics.linear_cka import linear_cka
from congruence.metrics.mean_cosine import mean_cosine
from congruence.metrics.mppc import mppc
from congruence.metrics.mutual_knn import mutual_knn
from congruence.metrics.pc1 import pc1_correlation
from congruence.metrics.procrustes import procrustes
from congruence.metrics.pw_mcc import pw_mcc
from congruence.metrics.pwcca import pwcca
from congruence.metrics.rbf_cka import rbf_cka
from congruence.metrics.registry import METRICS, Laws, Metric, Prepared, metric
from congruence.metrics.rsa import rsa
from congruence.metrics.svcca import svcca
from congruence.metrics.translation_accuracy import translation_accuracy

__all__ = [
    "METRICS",
    "Laws",
    "Metric",
    "Prepared",
    "cca",
    "heldout_cca",
    "heldout_r2",
    "jaccard_knn",
    "linear_cka",
    "mean_cosine",
    "metric",
    "mppc",
    "mutual_knn",
    "pc1_correlation",
    "procrustes",
    "pw_mcc",
    "pwcca",
    "rbf_cka",
    "rsa",
    "svcca",
    "translation_accuracy",
]
