"""Every measure against the published code or an independent implementation (make_measures_golden.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from congruence import metrics
from congruence.metrics import METRICS
from congruence.significance import calibrated, calibrated_grid, test_cells

GOLDEN = json.loads((Path(__file__).parent / "data" / "measures.json").read_text())
NAMES = METRICS.names()
EXACT = {"rel": 0, "abs": 1e-9}


def inputs(case):
    """As the published golden file makes them."""
    rng = np.random.default_rng(case["seed"])
    n, d1, d2, mix = case["n"], case["d1"], case["d2"], case["mix"]
    shared = rng.normal(size=(n, 8))
    x = mix * shared @ rng.normal(size=(8, d1)) + rng.normal(size=(n, d1))
    y = mix * shared @ rng.normal(size=(8, d2)) + rng.normal(size=(n, d2))
    return x / np.linalg.norm(x, axis=1, keepdims=True), y / np.linalg.norm(y, axis=1, keepdims=True)


@pytest.mark.parametrize("case", GOLDEN["published"]["cases"], ids=lambda case: str(case["seed"]))
def test_published_numbers(case):
    x, y = inputs(case)
    assert float(metrics.pc1_correlation(x, y)) == pytest.approx(case["published_svcca"], abs=1e-6)
    assert float(metrics.rsa(x, y)) == pytest.approx(case["published_rsa_correlation"], abs=1e-6)
    euclidean = metrics.rsa(x, y, rdm="euclidean")
    assert float(euclidean) == pytest.approx(case["published_rsa_euclidean"], abs=1e-6)


# key of the golden record -> (measure, options); a key with a path has one record an option
REFERENCES = {
    "rsa/correlation/spearman": ("rsa", {}),
    "rsa/correlation/pearson": ("rsa", {"compare": "pearson"}),
    "rsa/correlation/kendall": ("rsa", {"compare": "kendall"}),
    "rsa/euclidean/spearman": ("rsa", {"rdm": "euclidean"}),
    "rsa/euclidean/pearson": ("rsa", {"rdm": "euclidean", "compare": "pearson"}),
    "rsa/cosine/spearman": ("rsa", {"rdm": "cosine"}),
    "rsa/cosine/kendall": ("rsa", {"rdm": "cosine", "compare": "kendall"}),
    "linear_cka/True": ("linear_cka", {}),
    "linear_cka/False": ("linear_cka", {"debiased": False}),
    "rbf_cka/True": ("rbf_cka", {}),
    "rbf_cka/False": ("rbf_cka", {"debiased": False}),
    "rbf_cka_half": ("rbf_cka", {"bandwidth": 0.5}),
    "procrustes": ("procrustes", {}),
    "mppc": ("mppc", {}),
    "translation_accuracy/1": ("translation_accuracy", {}),
    "translation_accuracy/3": ("translation_accuracy", {"at": (3,)}),
    "translation_accuracy/10": ("translation_accuracy", {"at": (10, 1)}),
    "svcca/value": ("svcca", {"variance": 0.7}),
    "svcca_3": ("svcca", {"n_components": 3}),
    "heldout_r2": ("heldout_r2", {}),
    "heldout_cca_3": ("heldout_cca", {"n_components": 3}),
    "cca": ("cca", {}),
    "pwcca": ("pwcca", {}),
    "knn/cosine/3/mutual": ("mutual_knn", {"k": 3}),
    "knn/cosine/10/mutual": ("mutual_knn", {}),
    "knn/euclidean/10/mutual": ("mutual_knn", {"distance": "euclidean"}),
    "knn/cosine/3/jaccard": ("jaccard_knn", {"k": 3}),
    "knn/euclidean/3/jaccard": ("jaccard_knn", {"k": 3, "distance": "euclidean"}),
}


def lookup(record, path):
    for family in ("knn/cosine/3", "knn/cosine/10", "knn/euclidean/3", "knn/euclidean/10"):
        if path.startswith(family + "/"):
            return record["knn"][family.removeprefix("knn/")][path.rsplit("/", 1)[1]]
    name, _, rest = path.partition("/")
    value = record.get(name)
    return value[rest] if rest and value is not None else value


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: str(case["seed"]))
@pytest.mark.parametrize("path", REFERENCES)
def test_reference(case, path):
    expected = lookup(case["expected"], path)
    if expected is None:
        pytest.skip("not defined where n is small against d")
    measure, options = REFERENCES[path]
    found = METRICS.get(measure)(*inputs(case), **options)
    assert float(found) == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: str(case["seed"]))
def test_reference_in_one_space(case):
    x, y = inputs(case)
    width = min(x.shape[1], y.shape[1])
    x, y = x[:, :width], y[:, :width]
    assert float(metrics.mean_cosine(x, y)) == pytest.approx(case["expected"]["mean_cosine"], **EXACT)
    assert float(metrics.pw_mcc(x[:7], y[:7])) == pytest.approx(case["expected"]["pw_mcc_of_7"], **EXACT)


@pytest.mark.parametrize("case", GOLDEN["cases"][:2], ids=lambda case: str(case["seed"]))
def test_svcca_keeps_as_many_components_as_scikit_learn(case):
    details = metrics.svcca(*inputs(case), variance=0.7).details
    assert (details["k_a"], details["k_b"]) == tuple(case["expected"]["svcca"][k] for k in ("k_a", "k_b"))


@pytest.mark.parametrize("case", GOLDEN["cases"][:2], ids=lambda case: str(case["seed"]))
def test_null_calibrated_score(case):
    x, y = inputs(case)
    cells = [(a, b) for a in (x, x[:, :5]) for b in (y, y[:, :5])]
    tests = test_cells("rsa", cells, compare="pearson", draws=99, rng=7)
    expected = case["expected"]["null_calibrated"]
    found = {"one": calibrated(tests[0])}
    found |= {name: calibrated_grid(tests, aggregate=name) for name in ("max", "mean")}
    for name, record in found.items():
        for field in ("score", "p", "threshold"):
            assert getattr(record, field) == pytest.approx(expected[name][field], abs=2e-6), (name, field)


def test_every_measure_has_a_reference():
    covered = {measure for measure, _ in REFERENCES.values()} | {"pc1_correlation", "mean_cosine", "pw_mcc"}
    assert covered == set(NAMES)
