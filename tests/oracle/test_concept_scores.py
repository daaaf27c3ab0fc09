"""Compiled scores of many sets of pairs against the measures themselves, one set at a time."""

import numpy as np
import pytest
from congruence.run.concepts import scores
from congruence.run.concepts.scores import DecoderRows, is_fast, score_draws

from congruence.matching.subsets import Ragged
from congruence.metrics import METRICS

F, G = 90, 110


@pytest.fixture(scope="module")
def decoders():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(F, 5))
    a = rng.normal(size=(F, 24)) + 2 * shared @ rng.normal(size=(5, 24))
    longer = np.vstack([shared, rng.normal(size=(G - F, 5))])
    b = rng.normal(size=(G, 40)) + 2 * longer @ rng.normal(size=(5, 40))
    return DecoderRows(a.astype(np.float32)), DecoderRows(b.astype(np.float32))


def draws_of(sizes):
    rng = np.random.default_rng(1)
    a = Ragged.of([rng.choice(F, size, replace=False) for size in sizes])
    b = Ragged.of([rng.choice(G, size, replace=False) for size in sizes])
    return a, b


@pytest.mark.parametrize("kept", ["as floats", "as cosines", "not at all"])
@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("pc1_correlation", {}, 2e-5),
        ("linear_cka", {}, 1e-6),
        ("linear_cka", {"debiased": False}, 1e-6),
        ("rsa", {}, 1e-3),
        ("rsa", {"compare": "pearson"}, 1e-6),
        ("rsa", {"rdm": "euclidean"}, 1e-3),
        ("rsa", {"rdm": "cosine", "compare": "spearman"}, 1e-3),
        ("procrustes", {}, 1e-6),
        ("rsa", {"compare": "kendall"}, 1e-9),
        ("rsa", {"unit_rows": True}, 1e-9),
    ],
)
def test_scores_are_those_of_the_measure(decoders, name, options, error, kept, monkeypatch):
    monkeypatch.setattr(scores, "FLOAT_ROWS", 4096 if kept == "as floats" else 0)
    monkeypatch.setattr(scores, "KEPT_ROWS", 0 if kept == "not at all" else 4096)
    error = max(error, 1e-4) if kept == "as cosines" else error
    a, b = (DecoderRows(side.W_dec) for side in decoders)
    pairs_a, pairs_b = draws_of([3, 5, 12, 40, 80] * 4)
    found = score_draws(a, b, pairs_a, pairs_b, [(name, options)])[0]
    for draw, value in enumerate(found):
        x, y = a.W_dec[pairs_a[draw]], b.W_dec[pairs_b[draw]]
        if len(x) < 4 and name == "linear_cka" and not options:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(float(METRICS.get(name)(x, y, **options)), abs=error)


def test_what_is_compiled():
    assert is_fast("rsa", {})
    assert not is_fast("rsa", {"compare": "kendall"})
    assert not is_fast("pc1_correlation", {"unit_rows": True})
    assert not is_fast("translation_accuracy", {})


@pytest.mark.bits
def test_too_small_sets_and_threads(decoders):
    pairs = draws_of([0, 2, 3, 9] * 20)
    measures = [("pc1_correlation", {}), ("rsa", {}), ("procrustes", {})]
    one = score_draws(*decoders, *pairs, measures, min_pairs=4)
    assert np.isnan(one[:, 2::4]).all()
    assert np.isfinite(one[:, 3::4]).all()
    two = score_draws(*decoders, *pairs, measures, min_pairs=4, threads=3)
    np.testing.assert_array_equal(one, two)
    assert score_draws(*decoders, Ragged.of([]), Ragged.of([]), measures).shape == (3, 0)


def test_a_leading_component_that_hardly_leads():
    """Nearly tied components still give the measure's own answer to what its warning threshold allows."""
    rng = np.random.default_rng(3)
    rows = DecoderRows(rng.normal(size=(200, 64)).astype(np.float32))
    pairs = Ragged.of([rng.choice(200, 60, replace=False) for _ in range(50)])
    other = Ragged.of([rng.choice(200, 60, replace=False) for _ in range(50)])
    found = score_draws(rows, rows, pairs, other, [("pc1_correlation", {})])[0]
    measure = METRICS.get("pc1_correlation")
    exact = [measure(rows.W_dec[pairs[d]], rows.W_dec[other[d]]).value for d in range(50)]
    assert np.abs(found - exact).max() < 1e-3
