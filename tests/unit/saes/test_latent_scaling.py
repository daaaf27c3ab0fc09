"""Latent scaling against least squares, and what it says of features whose presence is known."""

import numpy as np
import pytest
import torch

from congruence.saes import Crosscoder
from congruence.saes.activation_functions import JumpReLU
from congruence.saes.crosscoder import Reader
from congruence.saes.latent_scaling import LatentSums, latent_scaling, latent_sums

N, M, D, F = 200, 2, 6, 9


def random_crosscoder(rules: int = 1) -> Crosscoder:
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    thresholds = [0.5 * draw(F).abs() for _ in range(rules)]
    return Crosscoder(
        readers=(Reader((0, 1), draw(M, D, F)),),
        W_dec=draw(M, F, D),
        b_enc=draw(F),
        b_dec=draw(M, D),
        rules=tuple(JumpReLU(threshold) for threshold in thresholds),
        scale=torch.tensor([0.5, 2.0]),
        mean=draw(M, D),
    )


def inputs(seed: int = 1) -> torch.Tensor:
    return torch.randn(N, M, D, generator=torch.Generator().manual_seed(seed))


def sums_of(coder: Crosscoder, x: torch.Tensor) -> LatentSums:
    one = coder.encode_csr(x)
    acts = {p: one if len(coder.rules) == 1 else coder.encode_csr(x, place=p) for p in range(M)}
    return latent_sums(coder, x, acts, range(M))


def slow_beta(f: np.ndarray, direction: np.ndarray, y: np.ndarray) -> float:
    """The β of min ‖β f dᵀ − y‖², by least squares on every entry."""
    return float(np.linalg.lstsq(np.outer(f, direction).reshape(-1, 1), y.ravel(), rcond=None)[0][0])


@pytest.mark.parametrize("rules", [1, 2])
def test_betas_are_least_squares(rules: int) -> None:
    coder, x = random_crosscoder(rules), inputs()
    rows = [coder.rows(0), coder.rows(1)]
    found = latent_scaling(sums_of(coder, x), *rows)
    z = coder.prepared(x).double().numpy()
    acts = coder.encode(x).double().numpy()
    acts = acts if acts.ndim == 3 else np.repeat(acts[:, None], M, axis=1)
    output = coder.decode(coder.encode(x)).double().numpy()
    for feature in range(F):
        own = int(np.linalg.norm(rows[1][feature]) >= np.linalg.norm(rows[0][feature]))
        f, direction = acts[:, own, feature], rows[own][feature].astype(np.float64)
        for p, name in enumerate("ab"):
            without = output[:, p] - np.outer(acts[:, p, feature], rows[p][feature])
            error = slow_beta(f, direction, z[:, p] - without)
            reconstruction = slow_beta(f, direction, output[:, p])
            assert found[f"beta_error_{name}"][feature] == pytest.approx(error, rel=1e-5, abs=1e-6)
            assert found[f"beta_reconstruction_{name}"][feature] == pytest.approx(
                reconstruction, rel=1e-5, abs=1e-6
            )
        ratio = [found[f"beta_error_{name}"][feature] for name in "ab"]
        assert found["nu_error"][feature] == pytest.approx(ratio[1 - own] / ratio[own])


def test_sums_of_parts_add_up() -> None:
    coder, x = random_crosscoder(), inputs()
    whole, parts = sums_of(coder, x), sums_of(coder, x[:50]) + sums_of(coder, x[50:])
    for name, array in whole.arrays().items():
        np.testing.assert_allclose(parts.arrays()[name], array, rtol=1e-9, atol=1e-9)


def test_fvu_is_that_of_the_reconstruction() -> None:
    coder, x = random_crosscoder(), inputs()
    z, out = coder.prepared(x).double().numpy(), coder.decode(coder.encode(x)).double().numpy()
    slow = ((z - out) ** 2).sum(axis=(0, 2)) / ((z - z.mean(axis=0)) ** 2).sum(axis=(0, 2))
    np.testing.assert_allclose(sums_of(coder, x).fvu, slow, rtol=1e-5)


def test_a_shrunk_row_is_told_from_a_feature_that_is_one_models_alone() -> None:
    """Feature 0 is in both models though its row in a is zero; feature 1 is really in b alone."""
    rng = np.random.default_rng(0)
    f = np.abs(rng.normal(size=(4000, 2))) * (rng.random((4000, 2)) < 0.2)
    d = np.eye(4)[:2]
    x = np.stack([np.outer(f[:, 0], d[0]), f @ d], axis=1) + 0.01 * rng.normal(size=(4000, 2, 4))
    W_enc = np.zeros((2, 4, 2), dtype=np.float32)
    W_enc[1] = d.T  # both features are seen in b
    W_dec = np.zeros((2, 2, 4), dtype=np.float32)
    W_dec[1] = d
    coder = Crosscoder(
        readers=(Reader((0, 1), torch.from_numpy(W_enc)),),
        W_dec=torch.from_numpy(W_dec),
        b_enc=torch.full((2,), -0.05),
        b_dec=torch.zeros(2, 4),
    )
    tokens = torch.from_numpy(x.astype(np.float32))
    found = latent_scaling(sums_of(coder, tokens), coder.rows(0), coder.rows(1))
    assert found["nu_error"][0] == pytest.approx(1, abs=0.05)
    assert found["nu_error"][1] == pytest.approx(0, abs=0.05)
