"""Hook points by path and by name, and what a forward pass leaves behind."""

import pytest
import torch
from torch import nn

import tiny_models
from congruence.errors import ModelError
from congruence.hook_names import HookPoint
from congruence.models import LanguageModel
from congruence.models.blocks import find_blocks, shifted

IDS = torch.arange(4, 16).reshape(2, 6)


def wrap(family="llama", **changes):
    return LanguageModel.from_module(tiny_models.module(family, **changes), None, name="tiny", key="key")


@pytest.fixture(scope="module")
def model():
    return wrap()


def test_module_path_gives_that_modules_output(model):
    seen = {}
    module = model.module.model.layers[1].mlp.up_proj
    handle = module.register_forward_hook(lambda _m, _a, out: seen.update(out=out))
    found = model.capture(IDS, None, ["model.layers.1.mlp.up_proj"])
    handle.remove()
    assert torch.equal(found["model.layers.1.mlp.up_proj"], seen["out"])


def test_path_below_the_head(model):
    found = model.capture(IDS, None, ["layers.1.mlp", "mlp_out.1", "blocks.1.hook_mlp_out"])
    assert torch.equal(found["layers.1.mlp"], found["mlp_out.1"])
    assert torch.equal(found["layers.1.mlp"], found["blocks.1.hook_mlp_out"])


def test_mlp_out_is_what_is_added_and_a_path_is_literal():
    gemma = wrap("gemma2")
    found = gemma.capture(IDS, None, ["mlp_out.1", "layers.1.mlp", "layers.1.post_feedforward_layernorm"])
    assert torch.equal(found["mlp_out.1"], found["layers.1.post_feedforward_layernorm"])
    assert not torch.allclose(found["mlp_out.1"], found["layers.1.mlp"])


def test_embedding(model):
    assert torch.equal(model.capture(IDS, None, ["embed"])["embed"], model.module.model.embed_tokens(IDS))


def test_stops_after_the_last_hook_point(model):
    ran = []
    handles = [b.register_forward_hook(lambda *_, i=i: ran.append(i)) for i, b in enumerate(model.blocks)]
    model.capture(IDS, None, ["resid_post.0", "resid_pre.1"])
    for handle in handles:
        handle.remove()
    assert ran == [0]


@pytest.mark.parametrize(
    "wrong", ["", "resid_post.3", "layers.7", "blocks.-1.hook_resid_post", "nonsense", "h.x"]
)
def test_unknown_hook_point(model, wrong):
    with pytest.raises(ModelError, match="hook point"):
        model.capture(IDS, None, [wrong])


def test_hooks_are_removed(model):
    def hooks():
        return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.module.modules())

    before = hooks()
    model.capture(IDS, None, ["resid_post.1", "resid_pre.2", "attn_out.0"])
    with pytest.raises(ModelError):
        model.capture(IDS, None, ["resid_post.1", "nope"])
    assert hooks() == before


def test_hooks_are_removed_after_a_crash(model, monkeypatch):
    def crash(*_args, **_kwargs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(model.module.model.layers[1], "forward", crash)
    with pytest.raises(RuntimeError, match="out of memory"):
        model.capture(IDS, None, ["resid_post.0", "resid_post.2"])
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in model.module.model.layers)


def test_module_that_never_runs(model, monkeypatch):
    monkeypatch.setattr(model.module, "unused", nn.Linear(2, 2), raising=False)
    with pytest.raises(ModelError, match="never reached"):
        model.capture(IDS, None, ["unused"])


def test_module_without_one_vector_a_token(model):
    with pytest.raises(ModelError, match="one vector a token"):
        model.capture(IDS, None, ["model.rotary_emb"])


def test_too_long_a_sequence(model):
    with pytest.raises(ModelError, match="lower max_tokens"):
        model.capture(torch.full((1, 65), 4), None, ["resid_post.0"])


def test_ids_of_another_tokenizer(model):
    with pytest.raises(ModelError, match="another tokenizer"):
        model.capture(torch.tensor([[4, 320]]), None, ["resid_post.0"])


def test_captured_values_survive_changes_in_place(model, monkeypatch):
    original = type(model.blocks[1]).forward

    def changes_its_input(self, hidden_states, *args, **kwargs):
        out = original(self, hidden_states.clone(), *args, **kwargs)
        hidden_states.zero_()
        return out

    expected = model.capture(IDS, None, ["resid_post.0"])["resid_post.0"]
    monkeypatch.setattr(type(model.blocks[1]), "forward", changes_its_input)
    found = model.capture(IDS, None, ["resid_post.0", "resid_post.2"])["resid_post.0"]
    assert torch.equal(found, expected)


def test_one_layer_model():
    assert wrap("llama", num_hidden_layers=1).n_layers == 1


def test_blocks_are_found_beside_longer_inner_lists():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.experts = nn.ModuleList([nn.Linear(1, 1) for _ in range(9)])

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.vision_tower = nn.ModuleList([nn.Linear(1, 1) for _ in range(12)])
            self.norms = nn.ModuleList([nn.LayerNorm(1) for _ in range(5)])
            self.body = nn.ModuleList([Block() for _ in range(4)])

    model = Model()
    assert find_blocks(model, 4) == list(model.body)
    with pytest.raises(ModelError, match="no list of blocks"):
        find_blocks(nn.Linear(1, 1))


def test_shifted_by_one_at_layer_zero():
    assert shifted(HookPoint(0), -1) == HookPoint(0, "resid_pre")
    assert shifted(HookPoint(2), -1) == HookPoint(1)
    assert shifted(HookPoint(2, "mlp_out"), 1) == HookPoint(3, "mlp_out")
