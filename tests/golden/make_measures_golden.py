"""Golden values of the measures from independent implementations; run to write data/measures.json.

Needs rsatoolbox and calibrated-similarity, which the tests don't:

    pip install rsatoolbox==0.3.2 calibrated-similarity==0.1.1 scikit-learn scipy
    python tests/golden/make_measures_golden.py

The values under "published" are outputs of the code of Lan et al. 2024 on the same inputs; that code is
not repeated here, they are carried over from the file as it is.
"""

import itertools
import json
from pathlib import Path

import numpy as np
import torch
from calibrated_similarity import calibrate, calibrate_layers
from rsatoolbox.data import Dataset
from rsatoolbox.rdm import calc_rdm, compare
from scipy import linalg
from scipy.spatial import procrustes
from scipy.spatial.distance import pdist
from scipy.stats import kendalltau, spearmanr
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.metrics.pairwise import cosine_similarity, linear_kernel, rbf_kernel
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import KernelCenterer

from congruence.metrics.splits import halves
from congruence.significance import permutations_for

DATA = Path(__file__).parent / "data" / "measures.json"
CASES = (
    {"seed": 11, "n": 40, "d1": 6, "d2": 9, "mix": 0.5},
    {"seed": 12, "n": 90, "d1": 12, "d2": 12, "mix": 0.8},
    {"seed": 13, "n": 24, "d1": 60, "d2": 50, "mix": 0.5},
)
DRAWS = 99


def inputs(seed, n, d1, d2, mix):
    """The generator of the published golden file: a shared part of rank 8, noise, unit rows."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 8))
    x = mix * shared @ rng.normal(size=(8, d1)) + rng.normal(size=(n, d1))
    y = mix * shared @ rng.normal(size=(8, d2)) + rng.normal(size=(n, d2))
    return x / np.linalg.norm(x, axis=1, keepdims=True), y / np.linalg.norm(y, axis=1, keepdims=True)


def canonical(x, y):
    """Canonical correlations as cosines of the angles between column spaces (scipy)."""
    return np.cos(linalg.subspace_angles(x - x.mean(0), y - y.mean(0)))


def svcca(x, y, variance=None, k=None):
    """scikit-learn's PCA, then scipy's subspace angles."""
    a, b = (PCA(n_components=k or variance, svd_solver="full").fit_transform(side) for side in (x, y))
    return float(canonical(a, b).mean()), a.shape[1], b.shape[1]


def pwcca(x, y):
    """By the generalised eigenproblem S_xy S_yy⁻¹ S_yx a = ρ² S_xx a."""
    x, y = x - x.mean(0), y - y.mean(0)
    cross = x.T @ y
    rho2, axes = linalg.eigh(cross @ np.linalg.solve(y.T @ y, cross.T), x.T @ x)
    variates = x @ axes
    variates /= np.linalg.norm(variates, axis=0)
    weights = np.abs(variates.T @ x).sum(axis=1)
    count = min(x.shape[1], y.shape[1])
    weights, rho = weights[-count:], np.sqrt(np.clip(rho2[-count:], 0, None))
    return float(weights @ rho / weights.sum())


def rsa(x, y):
    """rsatoolbox where it has the distance, scipy's pdist where not."""
    out = {}
    names = {"spearman": "spearman", "pearson": "corr", "kendall": "tau-b"}
    for compared, method in names.items():
        a, b = (calc_rdm(Dataset(side), method="correlation") for side in (x, y))
        out[f"correlation/{compared}"] = float(compare(a, b, method=method)[0, 0])
    a, b = (calc_rdm(Dataset(side), method="euclidean") for side in (x, y))
    out["euclidean/spearman"] = float(compare(a, b, method="spearman")[0, 0])
    out["euclidean/pearson"] = float(np.corrcoef(pdist(x), pdist(y))[0, 1])
    out["cosine/spearman"] = float(spearmanr(pdist(x, "cosine"), pdist(y, "cosine")).statistic)
    out["cosine/kendall"] = float(kendalltau(pdist(x, "cosine"), pdist(y, "cosine")).statistic)
    return out


def hsic_unbiased(k, kernel):
    """Song et al. 2012, eq. 5, term by term."""
    n = len(k)
    k, kernel = k - np.diag(np.diag(k)), kernel - np.diag(np.diag(kernel))
    ones = np.ones(n)
    trace = np.trace(k @ kernel)
    sums = (ones @ k @ ones) * (ones @ kernel @ ones) / ((n - 1) * (n - 2))
    return (trace + sums - 2 / (n - 2) * ones @ k @ kernel @ ones) / (n * (n - 3))


def cka_from(k, kernel, debiased):
    if debiased:
        hsic = hsic_unbiased
    else:
        center = KernelCenterer().fit_transform

        def hsic(a, b):
            return float((center(a) * center(b)).sum())

    return float(hsic(k, kernel) / np.sqrt(hsic(k, k) * hsic(kernel, kernel)))


def rbf(side, bandwidth=1.0):
    return rbf_kernel(side, gamma=1 / (2 * (bandwidth * np.median(pdist(side))) ** 2))


def knn(x, y, k, metric):
    near = [
        NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(side).kneighbors()[1]
        for side in (x, y)
    ]
    shared = np.array([len(set(a) & set(b)) for a, b in zip(*near, strict=True)])
    return {"mutual": float((shared / k).mean()), "jaccard": float((shared / (2 * k - shared)).mean())}


def padded(x, y):
    width = max(x.shape[1], y.shape[1])
    return (np.pad(side, ((0, 0), (0, width - side.shape[1]))) for side in (x, y))


def translation_accuracy(x, y, k):
    """The polar factor M(MᵀM)^(−1/2) by a pseudo-inverse, scikit-learn's cosine neighbours."""
    (split,) = halves(len(x), 1, 0)
    x, y = (side - side[split.fit].mean(0) for side in (x, y))
    cross = x[split.fit].T @ y[split.fit]
    values, axes = linalg.eigh(cross.T @ cross)
    determined = values > values[-1] * 1e-14
    rotation = cross @ (axes[:, determined] / np.sqrt(values[determined])) @ axes[:, determined].T
    search = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(y[split.held])
    found = search.kneighbors(x[split.held] @ rotation, return_distance=False)
    return float(np.mean([i in row for i, row in enumerate(found)]))


def heldout_r2(x, y):
    """scikit-learn's RidgeCV by leave-one-out and its variance-weighted R²."""
    (split,) = halves(len(x), 1, 0)
    x = x - x[split.fit].mean(0)
    alphas = np.logspace(-6, 3, 19) * np.linalg.norm(x[split.fit], 2) ** 2
    ridge = RidgeCV(alphas=alphas).fit(x[split.fit], y[split.fit])
    return float(r2_score(y[split.held], ridge.predict(x[split.held]), multioutput="variance_weighted"))


def heldout_cca(x, y, k):
    """scikit-learn's PCA on the fit half, the canonical directions of its scores by whitening."""
    (split,) = halves(len(x), 1, 0)
    scores = []
    for side in (x, y):
        pca = PCA(n_components=k, whiten=True, svd_solver="full").fit(side[split.fit])
        scores.append((pca.transform(side[split.fit]), pca.transform(side[split.held])))
    p, _, qt = np.linalg.svd(scores[0][0].T @ scores[1][0])
    a, b = scores[0][1] @ p, scores[1][1] @ qt.T
    return float(np.mean([np.corrcoef(a[:, c], b[:, c])[0, 1] for c in range(k)]))


def pw_mcc(x, y):
    """Every permutation of seven rows."""
    cosines = np.abs(cosine_similarity(x[:7], y[:7]))
    return max(float(cosines[range(7), order].mean()) for order in itertools.permutations(range(7)))


def mppc(x, y):
    return float(np.corrcoef(x.T, y.T)[: x.shape[1], x.shape[1] :].max(axis=1).mean())


def correlation_rdm_similarity(x, y):
    a, b = (pdist(side.double().numpy(), "correlation") for side in (x, y))
    return float(np.corrcoef(a, b)[0, 1])


def null_calibrated(x, y):
    """calibrated-similarity with our permutations, so that only the arithmetic is compared."""
    layers_x, layers_y = [x, x[:, :5]], [y, y[:, :5]]
    out = {}
    order = iter(permutations_for(7, DRAWS, len(x)))
    as_tensors = [[torch.tensor(side) for side in layers] for layers in (layers_x, layers_y)]
    found = calibrate(
        as_tensors[0][0],
        as_tensors[1][0],
        correlation_rdm_similarity,
        K=DRAWS,
        perm_fn=lambda n, device: torch.tensor(next(order)),
    )
    out["one"] = dict(zip(("score", "p", "threshold"), map(float, found), strict=True))
    for aggregate in ("max", "mean"):
        order = iter(permutations_for(7, DRAWS, len(x)))
        found = calibrate_layers(
            *as_tensors,
            correlation_rdm_similarity,
            agg=aggregate,
            K=DRAWS,
            perm_fn=lambda n, device, order=order: torch.tensor(next(order)),
        )
        out[aggregate] = dict(zip(("score", "p", "threshold"), map(float, found), strict=True))
    return out


def expected(case):
    """All reference values on the inputs of one case."""
    x, y = inputs(**case)
    k = min(case["d1"], case["d2"])
    out = {"rsa": rsa(x, y), "mppc": mppc(x, y), "pw_mcc_of_7": pw_mcc(x[:, :k], y[:, :k])}
    out["linear_cka"] = {str(d): cka_from(linear_kernel(x), linear_kernel(y), d) for d in (True, False)}
    out["rbf_cka"] = {str(d): cka_from(rbf(x), rbf(y), d) for d in (True, False)}
    out["rbf_cka_half"] = cka_from(rbf(x, 0.5), rbf(y, 0.5), True)
    out["procrustes"] = float(np.sqrt(1 - procrustes(*padded(x, y))[2]))
    out["knn"] = {
        f"{metric}/{k}": knn(x, y, k, metric) for metric in ("cosine", "euclidean") for k in (3, 10)
    }
    out["mean_cosine"] = float(np.diag(cosine_similarity(x[:, :k], y[:, :k])).mean())
    out["translation_accuracy"] = {str(k): translation_accuracy(x, y, k) for k in (1, 3, 10)}
    out["svcca"] = dict(zip(("value", "k_a", "k_b"), svcca(x, y, variance=0.7), strict=True))
    out["svcca_3"] = svcca(x, y, k=3)[0]
    out["heldout_r2"] = heldout_r2(x, y)
    out["heldout_cca_3"] = heldout_cca(x, y, 3)
    if case["n"] > case["d1"] + case["d2"]:
        out["cca"] = float(canonical(x, y).mean())
        out["pwcca"] = pwcca(x, y)
        out["null_calibrated"] = null_calibrated(x, y)
    return {**case, "expected": out}


if __name__ == "__main__":
    kept = json.loads(DATA.read_text())["published"] if DATA.exists() else None
    golden = {"published": kept, "cases": [expected(case) for case in CASES]}
    DATA.write_text(json.dumps(golden, indent=1) + "\n")
