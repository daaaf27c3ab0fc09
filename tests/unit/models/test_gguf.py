"""A GGUF folder through transformers, written here with the gguf package where that is installed."""

import json

import numpy as np
import pytest
import torch

import tiny_models
from congruence.models import load_model

pytest.importorskip("accelerate", reason="transformers reads GGUF with accelerate, which isn't installed")
gguf = pytest.importorskip("gguf", reason="the gguf package isn't installed")

_NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}  # fmt: skip


def interleaved(weight, heads):
    """Rotary halves as llama.cpp orders them: pairs beside each other."""
    return weight.reshape(heads, 2, len(weight) // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def write(path, module, tokenizer):
    config = module.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    state = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    pieces = sorted(state["vocab"], key=state["vocab"].get)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(pieces)
    writer.add_token_types([3 if piece.startswith("<") and piece.endswith(">") else 1 for piece in pieces])
    writer.add_token_merges([" ".join(pair) for pair in state["merges"]])
    for name in ("bos", "eos", "pad", "unk"):
        getattr(writer, f"add_{name}_token_id")(getattr(tokenizer, f"{name}_token_id"))
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, tensor in module.state_dict().items():
        values = tensor.numpy().astype(np.float32)
        parts = name.split(".")
        if parts[-2] in heads:
            values = interleaved(values, heads[parts[-2]])
        if ".layers." in name:
            new = f"blk.{parts[2]}.{_NAMES['.'.join(parts[3:-1])]}.weight"
        else:
            new = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}[
                parts[-2]
            ] + ".weight"
        writer.add_tensor(new, np.ascontiguousarray(values))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_gguf_folder_gives_the_same_hidden_states(tmp_path):
    tokenizer = tiny_models.tokenizer(vocabulary=320)
    module = tiny_models.module("llama", vocab_size=len(tokenizer))
    write(tmp_path / "tiny.gguf", module, tokenizer)
    plain = module.model
    ids = torch.arange(4, 16).reshape(2, 6)
    for where in (tmp_path, tmp_path / "tiny.gguf"):
        model = load_model(where)
        found = model.capture(ids, None, ["resid_post.0", "resid_post.1"])
        expected = plain(ids, output_hidden_states=True).hidden_states
        torch.testing.assert_close(found["resid_post.0"], expected[1], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found["resid_post.1"], expected[2], rtol=1e-4, atol=1e-4)
        assert model.tokenizer("old king")["input_ids"][-3:] == tokenizer("old king")["input_ids"][-3:]


def test_a_file_on_both_sides_is_converted_once_and_never_for_what_is_known(tmp_path, monkeypatch):
    from transformers import modeling_gguf_pytorch_utils

    from congruence.config.parsing import parse_config
    from congruence.sides.corpus import read_text
    from congruence.sides.side import open_sides
    from congruence.storage import Memo

    tokenizer = tiny_models.tokenizer(vocabulary=320)
    write(tmp_path / "tiny.gguf", tiny_models.module("llama", vocab_size=len(tokenizer)), tokenizer)
    (tmp_path / "text.txt").write_text("\n\n".join(tiny_models.TEXTS))
    converted = []
    dequantize = gguf.dequantize
    for module in (gguf, modeling_gguf_pytorch_utils):
        if hasattr(module, "dequantize"):
            monkeypatch.setattr(module, "dequantize", lambda *a: (converted.append(1), dequantize(*a))[1])

    def open_both(memo):
        side = {"features": "neurons", "hook": "mlp_hidden", "layers": [0]}
        config = parse_config(
            {
                "a": {"model": str(tmp_path), **side},
                "b": {"model": str(tmp_path / "tiny.gguf"), **side},
                "corpus": {"path": str(tmp_path / "text.txt"), "max_tokens": 24},
            }
        )
        sides = open_sides(config, memo)
        return sides, read_text(config.corpus, sides["a"], sides["b"], memo=memo)

    sides, text = open_both(Memo(tmp_path / "known"))
    assert sides["a"].model is sides["b"].model
    sides["b"].model.capture(torch.from_numpy(text.tokens["b"].input_ids), None, ["resid_post.0"])
    tensors = len(sides["a"].model.module.state_dict())
    assert 0 < len(converted) <= tensors + 1
    del converted[:]
    open_both(Memo(tmp_path / "known"))
    assert converted == []
