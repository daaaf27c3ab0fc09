import pytest

from congruence.errors import InputError
from congruence.hook_names import KINDS, HookPoint, hook_point, parse_hook_name

NAMES = {
    "blocks.3.hook_resid_post": "resid_post.3",
    "blocks.11.hook_resid_pre": "resid_pre.11",
    "blocks.0.hook_resid_mid": "resid_mid.0",
    "blocks.0.hook_mlp_in": "resid_mid.0",
    "blocks.2.hook_mlp_out": "mlp_out.2",
    "blocks.2.mlp.hook_out": "mlp_out.2",
    "blocks.2.ln2.hook_normalized": "mlp_in.2",
    "blocks.2.mlp.hook_post": "mlp_hidden.2",
    "blocks.2.hook_attn_out": "attn_out.2",
    "blocks.2.attn.hook_z": "attn_z.2",
    "layers.3": "resid_post.3",
    "layers.3.mlp": "mlp_out.3",
    "layers.3.attention": "attn_out.3",
    "layers.3.self_attn": "attn_out.3",
    "h.3.attn": "attn_out.3",
    "model.layers.31": "resid_post.31",
    "model.language_model.layers.7.mlp": "mlp_out.7",
    "model.decoder.layers.4": "resid_post.4",
    "gpt_neox.layers.5": "resid_post.5",
    "transformer.h.6": "resid_post.6",
    "bert.encoder.layer.1": "resid_post.1",
    "model.layers.12.output": "resid_post.12",
    "model.layers.12.self_attn.o_proj.input": "attn_z.12",
    "model.layers.12.pre_feedforward_layernorm.output": "mlp_in.12",
    "model.layers.12.post_feedforward_layernorm.output": "mlp_out.12",
    "resid_post.3": "resid_post.3",
    "mlp_out.0": "mlp_out.0",
    "hook_embed": "embed",
    "model.embed_tokens": "embed",
    "gpt_neox.embed_in": "embed",
}


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_every_dialect_is_read(name: str, expected: str) -> None:
    assert str(hook_point(name)) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_a_round_trip_in_every_dialect(kind: str) -> None:
    point = HookPoint(0 if kind == "embed" else 7, kind)
    assert parse_hook_name(point.transformer_lens) == point
    assert parse_hook_name(point.module) == point
    assert parse_hook_name(str(point)) == point


@pytest.mark.parametrize(
    "name", ["", "layers", "layers.x", "lm_head", "layers.3.mlp.down_proj", "blocks.3.hook_unknown", "foo.3"]
)
def test_other_names_are_not_guessed(name: str) -> None:
    assert parse_hook_name(name) is None
    with pytest.raises(InputError, match="isn't known"):
        hook_point(name)
