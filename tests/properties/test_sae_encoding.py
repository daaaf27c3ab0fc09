"""Laws that every SAE keeps, whatever its rule: batches, sparsity, folding, casting."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from congruence.errors import SaeError
from congruence.saes import Sae, fold_decoder_norm, fold_input_factor, untrained
from congruence.saes.activation_functions import Gated, GroupMax, JumpReLU, ReLU, TopK
from congruence.saes.input_scaling import ConstantFactor, ConstantNorm, InputScaling, LayerNorm, Unscaled

D, F, N = 6, 12, 17
RULES = [
    "relu",
    "topk",
    "topk_signed",
    "topk_weighted",
    "topk_rescaled",
    "jumprelu",
    "jumprelu_scalar",
    "gated",
    "groupmax",
]
SCALINGS = [Unscaled(), ConstantFactor(0.3), ConstantNorm(), LayerNorm()]


def make(rule: str, seed: int = 0, **changes: object) -> Sae:
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    rules = {
        "relu": ReLU(),
        "topk": TopK(3),
        "topk_signed": TopK(F, relu=False),
        "topk_weighted": TopK(3, weight=draw(F).abs() + 0.1),
        "topk_rescaled": TopK(3),
        "jumprelu": JumpReLU(draw(F).abs()),
        "jumprelu_scalar": JumpReLU(torch.tensor(0.5)),
        "gated": Gated(draw(F), draw(F)),
        "groupmax": GroupMax(4),
    }
    rescaled = rule == "topk_rescaled"
    sae = Sae(draw(D, F), draw(F, D), draw(F), draw(D), rules[rule], rule, rescale_by_decoder_norm=rescaled)
    return replace(sae, **changes)


def inputs(seed: int = 1, n: int = N) -> torch.Tensor:
    return torch.randn(n, D, generator=torch.Generator().manual_seed(seed)) + 0.4


@pytest.mark.parametrize("rule", RULES)
@given(batch_size=st.integers(1, N + 3), seed=st.integers(0, 50))
@settings(max_examples=15, deadline=None)
def test_batches_and_sparsity_don_t_change_an_encoding(rule: str, batch_size: int, seed: int) -> None:
    sae, x = make(rule, seed), inputs(seed + 1)
    sparse = sae.encode_csr(x, batch_size=batch_size)
    assert sparse.shape == (N, F)
    np.testing.assert_allclose(sparse.toarray(), sae.encode(x).numpy(), atol=1e-6, rtol=1e-5)
    assert sparse.indptr[-1] == len(sparse.data) == (sparse.data != 0).sum()


@pytest.mark.parametrize("rule", RULES)
def test_tokens_are_encoded_each_by_itself(rule: str) -> None:
    sae, x = make(rule), inputs()
    order = torch.randperm(N, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(sae.encode(x[order]), sae.encode(x)[order])


@pytest.mark.parametrize("rule", RULES)
def test_no_tokens_give_no_rows(rule: str) -> None:
    sae = make(rule)
    assert sae.encode_csr(torch.zeros(0, D)).shape == (0, F)
    assert sae.encode(torch.zeros(0, D)).shape == (0, F)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shape", [(2, 5, D), (D,), (3, 1, 2, D)])
def test_leading_dimensions_are_kept(rule: str, shape: tuple[int, ...]) -> None:
    sae = make(rule)
    x = inputs(n=60).reshape(-1)[: int(np.prod(shape))].reshape(shape)
    assert sae.encode(x).shape == (*shape[:-1], F)
    torch.testing.assert_close(sae.encode(x).reshape(-1, F), sae.encode(x.reshape(-1, D)))
    np.testing.assert_allclose(
        sae.encode_csr(x).toarray(), sae.encode(x).reshape(-1, F), atol=1e-6, rtol=1e-5
    )
    assert sae.reconstruct(x).shape == shape


@pytest.mark.parametrize("rule", ["topk", "groupmax", "topk_weighted", "topk_rescaled"])
def test_no_more_than_k_features_fire(rule: str) -> None:
    sae = make(rule)
    assert np.diff(sae.encode_csr(inputs()).indptr).max() <= sae.k


@pytest.mark.parametrize("rule", RULES)
def test_inputs_that_are_not_finite_are_refused(rule: str) -> None:
    for value in (float("nan"), float("inf")):
        x = inputs()
        x[2, 1] = value
        for read in (make(rule).encode, make(rule).encode_csr, make(rule).pre_activation):
            with pytest.raises(SaeError, match="NaN or infinite values in 1 rows"):
                read(x)


@pytest.mark.parametrize("bad", [[[0.0] * D], np.zeros((2, D)), torch.zeros(3, D + 1), torch.zeros(()), None])
def test_what_is_no_matrix_of_the_right_width_is_refused(bad: object) -> None:
    for read in (make("relu").encode, make("topk").encode_csr, make("relu").pre_activation):
        with pytest.raises(SaeError, match=rf"{D}\b"):
            read(bad)


def test_heads_of_hook_z_are_flattened() -> None:
    sae, x = make("relu"), inputs()
    torch.testing.assert_close(sae.encode(x.reshape(N, 2, D // 2)), sae.encode(x))
    assert (sae.encode_csr(x.reshape(N, 2, D // 2)) != sae.encode_csr(x)).nnz == 0
    torch.testing.assert_close(sae.reconstruct(x.reshape(N, 2, D // 2)).reshape(N, D), sae.reconstruct(x))


@pytest.mark.parametrize(
    "rule", ["relu", "jumprelu", "jumprelu_scalar", "gated", "topk_weighted", "topk_rescaled"]
)
@pytest.mark.parametrize("scaling", SCALINGS, ids=lambda scaling: scaling.name)
def test_folding_decoder_norms_scales_activations_and_keeps_the_output(
    rule: str, scaling: InputScaling
) -> None:
    sae, x = make(rule, scaling=scaling), inputs()
    folded = fold_decoder_norm(sae)
    norm = sae.W_dec.norm(dim=1)
    torch.testing.assert_close(folded.W_dec.norm(dim=1), torch.ones(F))
    expected = sae.encode(x) if sae.rescale_by_decoder_norm else sae.encode(x) * norm
    torch.testing.assert_close(folded.encode(x), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(folded.reconstruct(x), sae.reconstruct(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rule", ["topk", "groupmax"])
def test_folding_is_refused_where_features_compete(rule: str) -> None:
    with pytest.raises(SaeError, match="can't be folded"):
        fold_decoder_norm(make(rule))
    unit = make(rule)
    unit = replace(unit, W_dec=unit.W_dec / unit.W_dec.norm(dim=1, keepdim=True))
    torch.testing.assert_close(fold_decoder_norm(unit).encode(inputs()), unit.encode(inputs()))


def test_a_dead_decoder_row_survives_folding() -> None:
    sae = make("relu")
    sae.W_dec[3] = 0
    folded = fold_decoder_norm(sae)
    assert torch.isfinite(folded.W_dec).all()
    torch.testing.assert_close(folded.reconstruct(inputs()), sae.reconstruct(inputs()), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("subtract", [True, False])
def test_a_constant_input_factor_can_be_folded_in(rule: str, subtract: bool) -> None:
    sae, x = make(rule, scaling=ConstantFactor(2.5), subtract_b_dec=subtract), inputs()
    folded = fold_input_factor(sae)
    assert folded.scaling.name == "none"
    torch.testing.assert_close(folded.encode(x), sae.encode(x), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(folded.reconstruct(x), sae.reconstruct(x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("scaling", SCALINGS, ids=lambda scaling: scaling.name)
def test_input_scaling_is_undone(scaling: InputScaling) -> None:
    """An SAE that passes its scaled input through gives the input back."""
    identity = Sae(
        torch.cat([torch.eye(D), -torch.eye(D)], dim=1),
        torch.cat([torch.eye(D), -torch.eye(D)]),
        torch.zeros(2 * D),
        torch.zeros(D),
        scaling=scaling,
    )
    torch.testing.assert_close(identity.reconstruct(inputs()), inputs(), atol=1e-4, rtol=1e-4)


def test_decode_asks_for_the_inputs_it_needs() -> None:
    sae, x = make("relu", scaling=LayerNorm()), inputs()
    with pytest.raises(SaeError, match=r"sae\.decode\(f, x\)"):
        sae.decode(sae.encode(x))
    torch.testing.assert_close(sae.decode(sae.encode(x), x), sae.reconstruct(x))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_casting_takes_every_tensor_along(rule: str, dtype: torch.dtype) -> None:
    cast = make(rule).to(dtype=dtype)
    assert cast.encode(inputs()).dtype == dtype
    assert cast.reconstruct(inputs()).dtype == dtype
    assert cast.encode_csr(inputs()).dtype == np.float32


@pytest.mark.parametrize("rule", RULES)
def test_pre_activations_are_what_relu_is_applied_to(rule: str) -> None:
    sae, x = make(rule), inputs()
    pre, acts = sae.pre_activation(x), sae.encode(x)
    fires = acts != 0
    torch.testing.assert_close(pre[fires], acts[fires])
    assert (pre < 0).any()


class TestUntrained:
    @pytest.mark.parametrize("rule", RULES)
    def test_same_shapes_unit_rows_and_another_draw_another_sae(self, rule: str) -> None:
        sae = make(rule, hook_name="layers.2")
        drawn = untrained(sae, np.random.default_rng(0))
        assert (drawn.d_in, drawn.d_sae, drawn.hook_name) == (D, F, "layers.2")
        torch.testing.assert_close(drawn.W_dec.norm(dim=1), torch.ones(F))
        again, other = (untrained(sae, np.random.default_rng(seed)) for seed in (0, 1))
        assert torch.equal(drawn.W_dec, again.W_dec)
        assert not torch.equal(drawn.W_dec, other.W_dec)

    def test_as_many_features_fire(self) -> None:
        drawn = untrained(make("topk"), np.random.default_rng(0))
        assert drawn.k == 3
        assert untrained(make("jumprelu"), np.random.default_rng(0), k=2).k == 2

    @pytest.mark.parametrize("subtract", [True, False])
    def test_inputs_are_centred_by_the_trained_bias(self, subtract: bool) -> None:
        sae = make("topk", subtract_b_dec=subtract)
        drawn = untrained(sae, np.random.default_rng(0))
        expected = (inputs() - sae.b_dec) @ drawn.W_enc
        torch.testing.assert_close(drawn.pre_activation(inputs()), expected, atol=1e-5, rtol=1e-4)
