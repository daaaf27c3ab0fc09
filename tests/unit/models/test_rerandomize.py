"""The random-transformer control keeps scales and nothing else."""

import numpy as np
import pytest
import torch

import tiny_models
from congruence.errors import ModelError
from congruence.models import LanguageModel, rerandomize


@pytest.fixture(scope="module")
def model():
    return LanguageModel.from_module(tiny_models.module("gpt2"), None, name="tiny", key="key")


def parameters(model):
    return dict(model.module.named_parameters())


def test_scales_stay_values_go(model):
    before, after = parameters(model), parameters(rerandomize(model, np.random.default_rng(0)))
    weight = "transformer.h.1.mlp.c_fc.weight"
    assert after[weight].std().item() == pytest.approx(before[weight].std().item(), rel=0.1)
    assert after[weight].mean().item() == pytest.approx(before[weight].mean().item(), abs=0.02)
    norm = "transformer.h.1.ln_1.weight"
    assert after[norm].mean().item() == pytest.approx(1, abs=0.1)
    assert abs(torch.corrcoef(torch.stack([before[weight].ravel(), after[weight].ravel()]))[0, 1]) < 0.1


@pytest.mark.parametrize("keep", [True, False])
def test_embeddings_kept_or_not(model, keep):
    before = parameters(model)
    after = parameters(rerandomize(model, np.random.default_rng(0), keep_embeddings=keep))
    for name in ("transformer.wte.weight", "transformer.wpe.weight"):
        assert torch.equal(before[name], after[name]) is keep
    assert not any(torch.equal(before[n], after[n]) for n in before if ".h." in n)


def test_original_is_left_alone_and_draws_repeat(model):
    before = {name: p.clone() for name, p in parameters(model).items()}
    first, second = (rerandomize(model, np.random.default_rng(5)) for _ in range(2))
    assert all(torch.equal(p, before[name]) for name, p in parameters(model).items())
    assert all(torch.equal(p, parameters(second)[name]) for name, p in parameters(first).items())
    assert first.key == second.key != model.key
    assert rerandomize(model, np.random.default_rng(6)).key != first.key


def test_integer_weights_are_refused(model):
    quantized = rerandomize(model, np.random.default_rng(0))
    weight = torch.nn.Parameter(torch.zeros(4, dtype=torch.int8), requires_grad=False)
    quantized.module.register_parameter("quantized", weight)
    with pytest.raises(ModelError, match="unquantized"):
        rerandomize(quantized, np.random.default_rng(0))
