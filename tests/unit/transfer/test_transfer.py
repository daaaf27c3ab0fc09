"""Maps between hidden states recover what was planted, and an SAE on mapped states is judged beside its nulls."""

import numpy as np
import pytest
import torch

from congruence.errors import InputError
from congruence.synthetic import make_world, true_sae
from congruence.transfer import KINDS, StateMoments, fit_map, transfer
from congruence.transfer.judge import RANDOM, SHIFTED, UNTRAINED

WORLD = {"features": 48, "width": 48, "tokens": 6000}


def turned(rng, d_x, d_y):
    return np.linalg.qr(rng.normal(size=(max(d_x, d_y), min(d_x, d_y))))[0].T[:d_x] if d_x <= d_y else None


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) + 3
    return x, 2.5 * x @ turned(rng, 6, 9) - 1


@pytest.mark.parametrize("kind", ["orthogonal", "affine", "ridge"])
def test_a_scaled_rotation_is_found(pair, kind):
    x, y = pair
    fitted = fit_map(StateMoments.of(x[:200], y[:200]), kind, penalty=1e-9)
    np.testing.assert_allclose(fitted.apply(x[200:]), y[200:], atol=1e-5)
    np.testing.assert_allclose(fitted.apply_directions(np.eye(6)), fitted.matrix)
    np.testing.assert_allclose(fitted.matrix @ fitted.matrix.T, 2.5**2 * np.eye(6), atol=1e-4)
    assert fitted.n == 200


def test_affine_is_least_squares_and_orthogonal_is_the_best_rotation(pair):
    rng = np.random.default_rng(1)
    x = pair[0]
    y = x @ rng.normal(size=(6, 5)) + rng.normal(size=(400, 5))
    moments = StateMoments.of(x, y)
    ones = np.concatenate([x, np.ones((400, 1))], axis=1)
    by_numpy = ones @ np.linalg.lstsq(ones, y, rcond=None)[0]
    np.testing.assert_allclose(fit_map(moments, "affine").apply(x), by_numpy, atol=1e-8)
    best = fit_map(moments, "orthogonal")
    error = ((y - best.apply(x)) ** 2).sum()
    for _ in range(50):
        small = rng.normal(size=(6, 6)) * 0.05
        rotation = np.linalg.qr(np.eye(6) + small - small.T)[0]
        other = (x - best.mean_x) @ rotation @ best.matrix * rng.uniform(0.95, 1.05) + best.mean_y
        assert ((y - other) ** 2).sum() >= error - 1e-9


def test_sums_of_parts_add_up(pair):
    x, y = pair
    parts = StateMoments.of(x[:150], y[:150]) + StateMoments.of(x[150:], y[150:])
    whole = StateMoments.of(torch.from_numpy(x), torch.from_numpy(y))
    for kind in ("orthogonal", "affine", "ridge"):
        np.testing.assert_allclose(fit_map(parts, kind).matrix, fit_map(whole, kind).matrix, rtol=1e-9)


@pytest.fixture(scope="module")
def judged():
    def of(share, **options):
        world = make_world(**WORLD | options, shared=share)
        a, b = world.models
        found = transfer(b.states(), a.states(), true_sae(a), document_offsets=world.document_offsets)
        return {(one.kind, one.null): one for one in found}

    return {share: of(share) for share in (0.0, 0.5, 1.0)} | {"wide": of(1.0, width=(48, 64))}


def test_the_same_features_transfer_after_one_rotation(judged):
    found = judged[1.0]
    ceiling, orthogonal = found["native", ""], found["orthogonal", ""]
    assert ceiling.r2 == pytest.approx(1)
    assert ceiling.f1 == pytest.approx(1)
    assert ceiling.explained > 0.98
    assert found["identity", ""].explained < 0 < orthogonal.explained
    assert orthogonal.explained > ceiling.explained - 0.05
    assert orthogonal.f1 > 0.85
    assert orthogonal.r > 0.8
    assert found["affine", ""].r2 > 0.7


def test_nulls_give_nothing(judged):
    for share in (0.5, 1.0):
        found = judged[share]
        assert abs(found["orthogonal", SHIFTED].r2) < 0.05
        assert found["affine", SHIFTED].f1 < 0.15
        assert found["orthogonal", RANDOM].f1 < 0.15
        assert found["orthogonal", RANDOM].explained_of_target < 0
    assert judged[1.0]["orthogonal", UNTRAINED].explained < judged[1.0]["orthogonal", ""].explained - 0.5
    nothing = judged[0.0]
    assert all(abs(nothing[kind, ""].r2) < 0.05 for kind in ("orthogonal", "affine", "ridge"))
    assert nothing["affine", ""].f1 < 0.05


def test_the_order_follows_the_planted_share(judged):
    for quantity in ("r2", "explained_of_target", "f1"):
        values = [getattr(judged[share]["affine", ""], quantity) for share in (0.0, 0.5, 1.0)]
        assert values == sorted(values)
        assert values[2] - values[0] > 0.5


def test_identity_is_left_out_where_widths_differ(judged):
    assert ("identity", "") not in judged["wide"]
    assert judged["wide"]["orthogonal", ""].f1 > 0.85


def test_bad_input_is_one_line():
    world = make_world(**WORLD)
    a, b = world.models
    sae, offsets = true_sae(a), world.document_offsets
    x, y = b.states(), a.states()
    moments = StateMoments.of(x, y)
    wide = make_world(**WORLD | {"width": (48, 40)}).models[1].states()
    cases = [
        (lambda: transfer(x[:-1], y, sae, document_offsets=offsets), "same tokens"),
        (lambda: transfer(x, y, sae, document_offsets=[0, len(x)]), "1 documents"),
        (lambda: transfer(x, wide, sae, document_offsets=offsets), "width 40 and the SAE reads 48"),
        (lambda: transfer(x[0], y, sae, document_offsets=offsets), "give states"),
        (lambda: fit_map(moments, "rotation"), "choose one of identity, orthogonal"),
        (lambda: fit_map(StateMoments.of(wide, y), "identity"), "equal widths, not 40 and 48"),
        (lambda: fit_map(StateMoments.of(x[:40], y[:40]), "affine"), "use ridge"),
        (lambda: fit_map(StateMoments.of(x[:1], y[:1]), "ridge"), "at least two"),
        (lambda: fit_map(moments, "ridge", penalty=0.0), "penalty=0.0"),
        (lambda: fit_map(moments).apply(wide), "width 40 and the map takes 48"),
        (lambda: StateMoments.of(x, y[:5]), "same tokens"),
        (lambda: StateMoments.of(x * np.nan, y), "NaN"),
        (lambda: moments + StateMoments.of(wide, y), "same models"),
    ]
    for call, words in cases:
        with pytest.raises(InputError) as refused:
            call()
        assert words in str(refused.value)
        assert "\n" not in str(refused.value)
    assert set(KINDS) == {"identity", "orthogonal", "affine", "ridge"}
