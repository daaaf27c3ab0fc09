"""Thresholds of the doctor: what strong evidence is, and what isn't."""

import pytest

from congruence.doctor.judge import (
    judge,
    other_count,
    other_decoder,
    other_hook,
    other_model,
    other_order,
    other_scale,
)
from congruence.doctor.probes import Probe
from congruence.saes.fit import Fit

HERE, BEFORE = "resid_post.4", "resid_post.3"


def fit(fvu, **figures):
    usual = {"cosine": 0.9, "norm_ratio": 0.95, "l0": 20.0, "dead_share": 0.1, "tokens": 1000, "d_sae": 500}
    return Fit(fvu, **{**usual, **figures})


def test_the_sentence_of_an_off_by_one():
    found = other_hook(HERE, fit(0.93), {BEFORE: fit(0.21), "resid_post.5": fit(1.2)}, None)
    assert found.status == "error"
    assert found.message == "fits block 3's output better (FVU 0.21) than block 4's (0.93)"


@pytest.mark.parametrize(
    ("here", "there", "named", "status"),
    [
        (0.20, 0.10, None, "error"),
        (0.20, 0.18, None, "warning"),
        (0.20, 0.18, BEFORE, "error"),
        (0.20, 0.195, None, None),
        (0.20, 0.195, BEFORE, None),
        (0.20, 0.30, BEFORE, None),
        (2.50, 1.30, None, None),
    ],
)
def test_another_hook(here, there, named, status):
    found = other_hook(HERE, fit(here), {BEFORE: fit(there)}, named)
    assert (found.status if found else None) == status


@pytest.mark.parametrize(
    ("here", "flipped", "status"),
    [(0.5, 0.3, "error"), (0.3, 0.28, None), (1.6, 0.9, None), (0.3, 0.5, None)],
)
def test_a_crosscoder_whose_models_are_exchanged(here, flipped, status):
    found = other_order(fit(here), fit(flipped))
    assert (found.status if found else None) == status


@pytest.mark.parametrize(("k", "told"), [(20, False), (None, False), (39, False), (5, True), (64, True)])
def test_firings_that_k_contradicts(k, told):
    found = other_count(fit(0.3), k)
    assert (found is not None) == told
    assert (
        found is None
        or f"20 features fire on a token by the threshold in its file, and k says {k}" in found.message
    )


def test_no_other_hook_is_no_suspicion():
    assert other_hook(HERE, fit(0.9), {}, BEFORE) is None


@pytest.mark.parametrize(
    ("here", "changed", "status"),
    [
        (fit(0.30), fit(0.15), "error"),
        (fit(0.30), fit(0.26), "warning"),
        (fit(0.30), fit(0.28), None),
        # a threshold that more features pass explains more: no evidence of a missing scale
        (fit(0.44, l0=32), fit(0.32, l0=109), None),
        (fit(0.99, l0=0.1), fit(0.15, l0=20), "error"),
        (fit(2.2), fit(1.4), None),
    ],
)
def test_another_scale(here, changed, status):
    found = other_scale(here, [Probe("inputs times about 2", changed)])
    assert (found.status if found else None) == status


def test_a_decoder_is_suspected_by_its_cosine_only_where_the_fit_is_poor():
    probes = [Probe("W_dec transposed", fit(0.1))]
    assert "W_dec transposed" in other_decoder(fit(1.6), 0.01, probes).message
    assert other_decoder(fit(1.6), 0.6, probes) is None
    assert "another SAE" in other_decoder(fit(1e60), 0.0, [Probe("W_dec transposed", fit(2.1))]).remedy
    assert other_decoder(fit(0.3), 0.01, probes) is None


def test_another_model_is_as_bad_as_vectors_turned_at_random():
    assert other_model(fit(0.82), fit(0.82), 8).cause == "other_model"
    assert other_model(fit(0.6), fit(1.1), 8) is None
    assert other_model(fit(0.2), fit(0.21), 8) is None
    assert other_model(fit(0.9, l0=0.0), fit(0.9, l0=0.0), 8) is None


@pytest.mark.parametrize(
    ("figures", "status", "cause"),
    [
        (fit(0.19), "ok", ""),
        (fit(0.5), "warning", "poor"),
        (fit(1.01), "error", "poor"),
        (fit(float("nan")), "error", "not_finite"),
        (fit(0.9, l0=0.0), "error", "silent"),
        (fit(0.1, l0=200), "warning", "dense"),
        (fit(0.4, norm_ratio=0.5), "warning", "norm"),
        (fit(0.1, dead_share=0.6), "warning", "dead"),
        (fit(0.1, dead_share=0.6, d_sae=50_000), "ok", ""),
    ],
)
def test_verdicts_without_suspicion(figures, status, cause):
    verdict = judge(HERE, figures, [])
    assert (verdict.status, verdict.cause) == (status, cause)


def test_the_explanation_that_leaves_least_is_told():
    hook = other_hook(HERE, fit(1.5), {BEFORE: fit(0.4)}, None)
    scale = other_scale(fit(1.5), [Probe("inputs times about 2", fit(0.1))])
    assert judge(HERE, fit(1.5), [hook, scale]).cause == "scale"
