from dataclasses import replace

import numpy as np
import pytest
import torch

from congruence.errors import InputError
from congruence.saes import Sae
from congruence.saes.activation_functions import TopK
from congruence.saes.fit import FitMeter
from congruence.saes.input_scaling import ConstantFactor, ConstantNorm, LayerNorm


class _FirstHalf:
    """Keeps the first half of the dimensions (after ReLU); one feature is always dead."""

    def encode(self, x):
        return torch.nn.functional.pad(torch.relu(x[:, : x.shape[1] // 2]), (0, 1))

    def decode(self, f):
        return torch.nn.functional.pad(f[:, :-1], (0, f.shape[1] - 1))


def test_quality_against_the_definition_whatever_the_batches():
    x = torch.from_numpy(np.random.default_rng(0).normal(1.0, 1.0, (200, 6)))
    sae = _FirstHalf()
    expected = ((x - sae.decode(sae.encode(x))) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
    for size in (200, 7):
        meter = FitMeter(sae)
        for batch in x.split(size):
            meter.update(batch)
        found = meter.result()
        assert found.fvu == pytest.approx(expected.item())
        assert found.l0 == pytest.approx((sae.encode(x) > 0).sum(1).double().mean().item())
        assert found.dead_share == pytest.approx(1 / 4)
        assert found.tokens == 200


def test_perfect_reconstruction_has_fvu_zero():
    identity = type("Identity", (), {"encode": lambda self, x: x, "decode": lambda self, f: f})()
    meter = FitMeter(identity)
    meter.update(torch.randn(50, 3))
    assert meter.result().fvu == 0.0


@pytest.mark.parametrize("x", [torch.zeros(0, 4), torch.ones(1, 4), torch.ones(20, 4)])
def test_activations_that_do_not_vary_are_refused(x):
    meter = FitMeter(_FirstHalf())
    meter.update(x)
    with pytest.raises(InputError, match="don't vary"):
        meter.result()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scaling": ConstantNorm()},
        {"scaling": LayerNorm()},
        {"scaling": ConstantFactor(3.0)},
        {"rescale_by_decoder_norm": True},
        {"architecture": "transcoder"},
    ],
    ids=str,
)
def test_sparse_activations_are_decoded_like_dense_ones(changes):
    generator = torch.Generator().manual_seed(1)
    encoder, decoder = (torch.randn(*shape, generator=generator) for shape in ((6, 11), (11, 6)))
    sae = replace(Sae(encoder, decoder, torch.zeros(11), torch.ones(6), TopK(3)), **changes)
    x = torch.randn(40, 6, generator=generator)
    acts = sae.encode_csr(x)
    torch.testing.assert_close(sae.decode_csr(acts, x), sae.decode(sae.encode(x), x))
