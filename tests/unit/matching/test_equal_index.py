"""Features that come from one start are told by their index; independent ones aren't."""

import numpy as np
import pytest
from scipy import sparse

from congruence.matching.equal_index import FEWEST, equal_index
from congruence.run.equal_index import warning_of
from congruence.significance import max_t


def acts(rng, n=600, f=80, rate=0.08):
    return sparse.csr_array(np.where(rng.random((n, f)) < rate, rng.lognormal(size=(n, f)), 0))


def p_of(found):
    return float(max_t([found.r], found.draws[:1])[0])


def test_a_weak_trace_of_one_start_is_found_in_activations_and_in_decoder_rows():
    rng = np.random.default_rng(0)
    a, b = acts(rng), acts(rng)
    shared = sparse.csr_array(b + 0.3 * a)
    assert p_of(equal_index(a, shared)) <= 0.001
    rows = rng.normal(size=(80, 32))
    found = equal_index(a, b, rows, 0.3 * rows + rng.normal(size=(80, 32)))
    assert found.cosine > 0.2 > abs(found.null_cosine) * 4
    assert p_of(found) > 0.01
    assert max_t([found.r, found.cosine], found.draws)[1] <= 0.001


def test_the_means_are_those_of_numpy():
    rng = np.random.default_rng(1)
    a, b = acts(rng), acts(rng)
    table = np.corrcoef(a.toarray().T, b.toarray().T)[:80, 80:]
    found = equal_index(a, b)
    assert found.r == pytest.approx(np.diagonal(table).mean())
    assert found.null_r == pytest.approx(table.mean(), abs=5e-4)
    assert np.isnan(found.cosine)


def test_p_of_independent_features_is_uniform():
    rng = np.random.default_rng(2)
    found = [
        p_of(equal_index(acts(rng, n=200, f=30, rate=0.2), acts(rng, n=200, f=30, rate=0.2)))
        for _ in range(60)
    ]
    assert 0.3 < np.mean(np.array(found) <= 0.5) < 0.7
    assert np.mean(np.array(found) <= 0.05) < 0.15


def test_nothing_is_said_where_nothing_can_be():
    rng = np.random.default_rng(3)
    assert equal_index(acts(rng), acts(rng, f=81)) is None
    few = acts(rng, f=FEWEST - 1)
    assert equal_index(few, few) is None


def test_a_warning_has_its_numbers_and_none_comes_without_evidence():
    pair = {
        "control": "none", "control_side": "", "layer_a": 2, "layer_b": 3, "features": 512,
        "r": 0.31, "null_r": 0.02, "cosine": 0.44, "null_cosine": 0.0, "p": 0.001,
    }  # fmt: skip
    told = warning_of([pair, pair | {"layer_a": 1, "r": 0.02, "p": 0.4}])
    assert "1 of 2 layer pairs" in told
    assert "layers 2 and 3: mean r 0.31, re-paired 0.02, decoder cosine 0.44 and 0.00 (p 0.001)" in told
    assert warning_of([pair | {"p": 0.02}]) == ""
    within = warning_of([pair | {"control": "other_seed", "control_side": "a", "cosine": None}])
    assert "of a (SAEs of two seeds): mean r" in within
