"""Every causal and masked family of transformers, small and random: hooks are what they say, or are refused."""

import contextlib
import re
import signal
import warnings

import pytest
import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, AutoModelForMaskedLM
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from congruence.errors import ModelError
from congruence.models import LanguageModel

pytestmark = pytest.mark.slow

WIDTHS = ("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_size", "word_embed_proj_dim")
DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "encoder_layers")
HEADS = (
    "num_attention_heads", "n_head", "n_heads", "num_heads", "num_key_value_heads", "decoder_attention_heads",
    "encoder_attention_heads",
)  # fmt: skip
INNER = (
    "intermediate_size", "ffn_dim", "n_inner", "decoder_ffn_dim", "encoder_ffn_dim", "ffn_hidden_size",
    "hidden_dim", "d_ff",
)  # fmt: skip
SMALL = {
    "head_dim": 8, "d_kv": 8, "rotary_dim": 4, "vocab_size": 64, "n_words": 64, "max_position_embeddings": 64,
    "n_positions": 64, "pad_token_id": 0, "pad_index": 0, "bos_token_id": 1, "eos_token_id": 2,
    "num_local_experts": 4, "num_experts": 4, "n_routed_experts": 4, "moe_num_experts": 4,
    "num_experts_per_tok": 2, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16,
    "n_shared_experts": 1, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1, "sliding_window": 8,
    "q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
    "linear_num_key_heads": 2, "linear_num_value_heads": 2, "linear_key_head_dim": 8,
    "linear_value_head_dim": 8, "residual_multiplier": 0.37, "embedding_multiplier": 3.0, "scale_depth": 1.4,
    "vocab_size_per_layer_input": 64, "hidden_size_per_layer_input": 8, "num_kv_shared_layers": 0,
    "global_head_dim": 8, "mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_ssm": 64, "mamba_d_state": 8,
    "mamba_n_groups": 1,
}  # fmt: skip
"""Sizes that nearly every configuration knows under one of these names; two layers of width 32."""

BUILT_AT_LEAST = {"causal": 120, "masked": 25}
SHOWN_AT_LEAST = {"causal": 100, "masked": 20}
PARAMETERS_AT_MOST = 30_000_000
IDS = torch.arange(3, 17).reshape(2, 7)


def small_config(model_type):
    """A configuration with the small sizes that it lets be set."""
    known = CONFIG_MAPPING[model_type]().get_text_config()
    sizes = {
        **dict.fromkeys(WIDTHS, 32), **dict.fromkeys(DEPTHS, 2), **dict.fromkeys(HEADS, 4),
        **dict.fromkeys(INNER, 48), **SMALL,
    }  # fmt: skip
    options = {name: value for name, value in sizes.items() if knows(known, name)}
    kinds = list(dict.fromkeys(getattr(known, "layer_types", None) or []))
    if kinds:
        options["layer_types"] = (kinds * 2)[:2]
    for _ in range(8):
        try:
            return type(known)(**options)
        except Exception as error:
            fixed = re.search(r"'(\w+)'", str(error))
            if (
                fixed is None
                or options.pop(fixed[1].replace("layers_block_type", "layer_types"), None) is None
            ):
                raise
    raise ValueError(model_type)


def knows(config, name):
    try:
        return hasattr(config, name)
    except Exception:  # may differ from layer to layer
        return False


def small_model(model_type, auto):
    torch.manual_seed(0)
    module = auto.from_config(small_config(model_type)).eval()
    if sum(p.numel() for p in module.parameters()) > PARAMETERS_AT_MOST:
        raise MemoryError
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.15)
            else:
                parameter.add_(0.1 * torch.randn_like(parameter))
        module(input_ids=IDS, attention_mask=torch.ones_like(IDS), use_cache=False)
    return module


@contextlib.contextmanager
def within(seconds):
    def stop(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def verdicts(model, layer):
    """For each hook on a sublayer of a block: "refused", "right", or what is wrong."""
    return {kind: verdict(model, layer, kind) for kind in ("attn_out", "mlp_out", "resid_mid")}


def verdict(model, layer, kind):
    names = [f"resid_pre.{layer}", f"{kind}.{layer}", f"resid_post.{layer}"]
    try:
        before, part, after = (model.capture(IDS, None, names)[name] for name in names)
    except ModelError as error:
        return "refused" if "\n" not in str(error) else f"{kind}: {error}"
    return (
        "right" if explains(model, layer, kind, before, part, after) else f"{kind}.{layer} is something else"
    )


def explains(model, layer, kind, before, part, after):
    """Whether the block's output follows from this part and the others that the model gives out."""
    other = {"attn_out": "mlp_out", "mlp_out": "attn_out", "resid_mid": "mlp_out"}[kind]
    try:
        rest = model.capture(IDS, None, [f"{other}.{layer}"])[f"{other}.{layer}"]
    except ModelError:
        return kind != "resid_mid" and (
            close(before + part, after) or follows_another_mixer(model, layer, part)
        )
    if kind == "resid_mid":
        return close(part + rest, after) or normalized(
            model.blocks[layer], part - before, rest, before, after
        )
    attention, mlp = (part, rest) if kind == "attn_out" else (rest, part)
    return close(before + part + rest, after) or normalized(
        model.blocks[layer], attention, mlp, before, after
    )


def follows_another_mixer(model, layer, mlp):
    """Whether leaving out the MLP leaves out this and nothing else."""
    tap = model.taps(f"mlp_out.{layer}")[0]
    if tap.scale != 1:
        return False
    names = [f"resid_post.{layer}"]
    whole = model.capture(IDS, None, names)[names[0]]
    zero = tap.module.register_forward_hook(
        lambda _m, _a, out: (out[0] * 0, *out[1:]) if isinstance(out, tuple) else out * 0
    )
    try:
        without = model.capture(IDS, None, names)[names[0]]
    finally:
        zero.remove()
    return close(whole - without, mlp)


def normalized(block, attention, mlp, before, after):
    """Whether two norms of the block make its output of the sums, by calling them."""
    norms = [child for child in block.modules() if is_norm(child)]
    with torch.no_grad():
        return any(
            close(normed(n2, normed(n1, before + attention) + mlp), after) for n1 in norms for n2 in norms
        )


def is_norm(module):
    return "norm" in type(module).__name__.lower() and getattr(getattr(module, "weight", 0), "shape", 0) == (
        32,
    )


def normed(norm, sums):
    out = norm(sums)
    return out[0] if isinstance(out, tuple) else out


def close(one, other):
    if one.shape != other.shape:
        return False
    return bool((one - other).norm() <= 1e-4 * other.norm())


@pytest.mark.parametrize("kind", ["causal", "masked"])
def test_every_family_holds_or_is_refused(kind):
    names, auto = {
        "causal": (MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, AutoModelForCausalLM),
        "masked": (MODEL_FOR_MASKED_LM_MAPPING_NAMES, AutoModelForMaskedLM),
    }[kind]
    built, shown, wrong, failed = 0, 0, [], []
    for model_type in sorted(names):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                with within(40):
                    module = small_model(model_type, auto)
            except Exception as error:  # a family whose configuration needs more than small sizes
                failed.append(f"{model_type} ({type(error).__name__}: {str(error)[:60]})")
                continue
            built += 1
            try:
                model = LanguageModel.from_module(module, None, name=model_type, key=model_type)
            except ModelError:
                continue
            with within(240):
                found = [
                    value for i in range(min(2, model.n_layers)) for value in verdicts(model, i).values()
                ]
        shown += "right" in found
        wrong += [f"{model_type}: {value}" for value in found if value not in ("right", "refused")]
    print(f"\n{kind}: {built} built, {shown} with parts; not built: {', '.join(failed)}")
    assert not wrong
    assert built >= BUILT_AT_LEAST[kind]
    assert shown >= SHOWN_AT_LEAST[kind]
