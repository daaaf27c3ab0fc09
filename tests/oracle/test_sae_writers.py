"""What we write is read by the original libraries, and objects they have loaded are read by us."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from congruence.errors import SaeError
from congruence.saes import Sae, from_saelens, from_sparsify, load_sae, save_saelens, save_sparsify
from congruence.saes.activation_functions import Activation, Gated, GroupMax, JumpReLU, ReLU, TopK
from congruence.saes.input_scaling import ConstantFactor, ConstantNorm, LayerNorm

D, F, N = 6, 12, 20


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make(rule: Activation, **changes: Any) -> Sae:
    fields = {"architecture": rule.name, "hook_name": "layers.2"} | changes
    d_out = 5 if fields["architecture"] in ("transcoder", "skip_transcoder") else D
    return Sae(draw(D, F), draw(F, d_out, seed=1), draw(F, seed=2), draw(d_out, seed=3), rule, **fields)


TRANSCODER: dict[str, Any] = {"architecture": "transcoder", "subtract_b_dec": False}
SKIP: dict[str, Any] = {
    "architecture": "skip_transcoder",
    "subtract_b_dec": False,
    "W_skip": draw(5, D, seed=4),
}
FOR_SAELENS = {
    "relu": make(ReLU()),
    "topk": make(TopK(3)),
    "topk_rescaled": make(TopK(3), rescale_by_decoder_norm=True),
    "jumprelu": make(JumpReLU(draw(F, seed=5).abs()), subtract_b_dec=False),
    "batchtopk": make(JumpReLU(torch.tensor(0.4)), architecture="batchtopk", rescale_by_decoder_norm=True),
    "gated": make(Gated(draw(F, seed=6), draw(F, seed=7))),
    "layer_norm": make(TopK(3), scaling=LayerNorm()),
    "constant_norm": make(ReLU(), scaling=ConstantNorm()),
    "constant_factor": make(TopK(3), scaling=ConstantFactor(0.4)),
    "transcoder": make(ReLU(), **TRANSCODER),
    "jumprelu_skip": make(JumpReLU(draw(F, seed=5).abs()), **SKIP),
}
FOR_SPARSIFY = {
    "topk": make(TopK(3)),
    "groupmax": make(GroupMax(4)),
    "raw_input": make(TopK(3), subtract_b_dec=False),
    "constant_factor": make(TopK(3), scaling=ConstantFactor(0.4)),
}
x = draw(N, D, seed=9) + 0.3


def same(sae: Sae, other: Sae) -> None:
    torch.testing.assert_close(other.reconstruct(x), sae.reconstruct(x), atol=1e-5, rtol=1e-4)
    fires, fires_other = sae.encode(x) != 0, other.encode(x) != 0
    assert torch.equal(fires, fires_other)


@pytest.mark.parametrize("name", FOR_SAELENS)
def test_saelens_round_trip(tmp_path: Path, name: str) -> None:
    sae = FOR_SAELENS[name]
    same(sae, load_sae(save_saelens(sae, tmp_path / "sae")))


@pytest.mark.parametrize("name", FOR_SPARSIFY)
def test_sparsify_round_trip(tmp_path: Path, name: str) -> None:
    sae = FOR_SPARSIFY[name]
    same(sae, load_sae(save_sparsify(sae, tmp_path / "layers.2")))


def test_hook_names_are_written_in_each_dialect(tmp_path: Path) -> None:
    assert load_sae(save_saelens(make(TopK(3)), tmp_path / "a")).hook_name == "blocks.2.hook_resid_post"
    assert load_sae(save_sparsify(make(TopK(3)), tmp_path / "layers.2")).hook_name == "layers.2"


@pytest.mark.parametrize("save", [save_saelens, save_sparsify])
def test_half_precision_storage_halves_the_file(tmp_path: Path, save: Any) -> None:
    sae = make(TopK(3))
    sizes = []
    for dtype in (torch.float32, torch.float16):
        folder = save(sae, tmp_path / str(dtype) / "layers.2", dtype=dtype)
        sizes.append(next(folder.glob("*.safetensors")).stat().st_size)
        torch.testing.assert_close(load_sae(folder).W_dec, sae.W_dec, atol=2e-3, rtol=1e-3)
    assert sizes[1] < 0.7 * sizes[0]


@pytest.mark.parametrize("rule", [GroupMax(4), TopK(3, relu=False), TopK(3, weight=draw(F).abs())])
def test_saelens_is_not_given_what_it_can_t_say(tmp_path: Path, rule: Activation) -> None:
    with pytest.raises(SaeError, match="SAELens has no"):
        save_saelens(make(rule), tmp_path)


@pytest.mark.parametrize(
    "sae",
    [
        FOR_SAELENS["jumprelu"],
        FOR_SAELENS["layer_norm"],
        FOR_SAELENS["topk_rescaled"],
        make(TopK(3), **TRANSCODER),
    ],
)
def test_sparsify_is_not_given_what_it_can_t_say(tmp_path: Path, sae: Sae) -> None:
    with pytest.raises(SaeError, match="sparsify"):
        save_sparsify(sae, tmp_path)


def test_adapters_refuse_other_objects() -> None:
    with pytest.raises(SaeError, match=r"expected a sae_lens\.SAE"):
        from_saelens(object())
    with pytest.raises(SaeError, match=r"expected a sparsify\.SparseCoder"):
        from_sparsify(SimpleNamespace(cfg=None))


@pytest.mark.slow
@pytest.mark.parametrize("name", FOR_SAELENS)
def test_saelens_reads_and_lends_what_we_write(tmp_path: Path, name: str) -> None:
    sae_lens = pytest.importorskip("sae_lens")
    sae = FOR_SAELENS[name]
    theirs = sae_lens.SAE.load_from_disk(save_saelens(sae, tmp_path))
    with torch.no_grad():
        torch.testing.assert_close(theirs(x), sae.reconstruct(x), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(from_saelens(theirs).encode(x), theirs.encode(x), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_a_saelens_trainers_sae_is_adapted() -> None:
    sl = pytest.importorskip("sae_lens")
    training = sl.BatchTopKTrainingSAE(sl.BatchTopKTrainingSAEConfig(d_in=D, d_sae=F, k=3))
    training.topk_threshold = torch.tensor(0.2, dtype=torch.double)
    jumprelu = sl.JumpReLUTrainingSAE(sl.JumpReLUTrainingSAEConfig(d_in=D, d_sae=F))
    assert from_saelens(training).architecture == "batchtopk"
    with torch.no_grad():
        torch.testing.assert_close(from_saelens(jumprelu).encode(x), jumprelu.encode(x), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", FOR_SPARSIFY)
def test_sparsify_reads_and_lends_what_we_write(tmp_path: Path, name: str) -> None:
    sparsify = pytest.importorskip("sparsify")
    sae = FOR_SPARSIFY[name]
    theirs = sparsify.SparseCoder.load_from_disk(save_sparsify(sae, tmp_path))
    top = theirs.encode(x)
    acts = torch.zeros(N, F).scatter(1, top.top_indices, top.top_acts).detach()
    out = theirs.decode(top.top_acts, top.top_indices).detach()
    torch.testing.assert_close(out, sae.reconstruct(x), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(
        from_sparsify(theirs, hook_name="layers.2").encode(x), acts, atol=1e-5, rtol=1e-5
    )
