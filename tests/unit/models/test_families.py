"""Hooks against each family's own hidden states, in its real class, loaded from a folder."""

import pytest
import torch

import tiny_models
from congruence.errors import ModelError
from congruence.models import load_model

FAMILIES = list(tiny_models.CONFIGS)
POST_NORM = ("opt_post_norm", "bert", "roberta", "distilbert")
"""Families whose block normalizes the sum, so that its output isn't the sum of its parts."""


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def model(family, tmp_path_factory):
    return load_model(tiny_models.save(tmp_path_factory.mktemp("models") / family, family))


@pytest.fixture(scope="module")
def batch():
    ids = torch.arange(4, 4 + 24).reshape(2, 12)
    mask = torch.ones_like(ids)
    mask[1, 8:] = 0
    return ids, mask


@pytest.fixture(scope="module")
def reference(model, batch):
    ids, mask = batch
    with torch.no_grad():
        return model.module(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states


def close(ours, theirs, mask):
    torch.testing.assert_close(ours[mask.bool()], theirs[mask.bool()], rtol=1e-5, atol=1e-5)


def test_shape(model, family):
    context = 63 if family == "roberta" else 64
    assert (model.n_layers, model.d_model, model.context) == (3, 32, context)


def test_longest_sequence_runs(model):
    ids = torch.full((1, model.context), 5)
    assert model.capture(ids, None, ["resid_post.0"])["resid_post.0"].shape == (1, model.context, 32)
    with pytest.raises(ModelError, match="lower max_tokens"):
        model.capture(torch.full((1, model.context + 1), 5), None, ["resid_post.0"])


def test_blocks_hand_on_the_models_own_hidden_states(model, batch, reference):
    ids, mask = batch
    names = [f"resid_pre.{i}" for i in range(3)] + [f"resid_post.{i}" for i in range(3)]
    found = model.capture(ids, mask, names)
    for layer in range(3):
        close(found[f"resid_pre.{layer}"], reference[layer], mask)
    for layer in range(2):
        close(found[f"resid_post.{layer}"], reference[layer + 1], mask)


def test_last_block_before_the_final_norm(model, family, batch, reference):
    ids, mask = batch
    last = model.capture(ids, mask, ["resid_post.2"])["resid_post.2"]
    path = tiny_models.FINAL_NORMS.get(family, "model.norm")
    if path is None:
        close(last, reference[-1], mask)
        return
    with torch.no_grad():
        close(model.module.get_submodule(path)(last), reference[-1], mask)
    assert last.shape[-1] == 32
    assert last.shape != reference[-1].shape or not torch.allclose(last, reference[-1], atol=1e-2)


def test_parts_add_up_to_the_block(model, family, batch):
    ids, mask = batch
    names = [f"{kind}.1" for kind in ("resid_pre", "attn_out", "mlp_out", "resid_post")]
    found = model.capture(ids, mask, names)
    before, attn, mlp, after = (found[name] for name in names)
    assert attn.shape == mlp.shape == before.shape
    if family in POST_NORM:
        assert not torch.allclose(before + attn + mlp, after, atol=1e-2)
    else:
        close(before + attn + mlp, after, mask)


def test_hidden_units_make_the_mlps_output(model, batch):
    ids, mask = batch
    found = model.capture(ids, mask, ["mlp_hidden.0", "attn_z.0", "mlp_in.0"])
    assert found["mlp_hidden.0"].shape[-1] >= 48
    assert found["attn_z.0"].shape[-1] == 32
    assert found["mlp_in.0"].shape[-1] == 32


def test_dialects_name_the_same_place(model, batch):
    ids, mask = batch
    names = ["blocks.1.hook_resid_post", "layers.1", "resid_post.1"]
    found = model.capture(ids, mask, names)
    assert torch.equal(found[names[0]], found[names[1]])
    assert torch.equal(found[names[0]], found[names[2]])


def test_resid_mid(model, family, batch):
    ids, mask = batch
    if family in ("gpt_neox", "phi"):
        with pytest.raises(ModelError, match="parallel"):
            model.capture(ids, mask, ["resid_mid.1"])
        return
    found = model.capture(ids, mask, ["resid_mid.1", "resid_pre.1", "attn_out.1"])
    assert torch.equal(found["resid_mid.1"], found["resid_pre.1"] + found["attn_out.1"])


def test_padding_does_not_change_what_is_kept(model, batch):
    ids, mask = batch
    padded = model.capture(ids, mask, ["resid_post.2"])["resid_post.2"]
    alone = model.capture(ids[1:, :8], None, ["resid_post.2"])["resid_post.2"]
    torch.testing.assert_close(padded[1, :8], alone[0], rtol=1e-4, atol=1e-4)
