"""Hooks on sublayers are what the block adds, in families that scale, gate, norm or bias it; or are refused."""

import pytest
import torch
import transformers
from torch import nn

import tiny_models
from congruence.errors import ModelError
from congruence.hook_names import HookPoint
from congruence.models import LanguageModel
from congruence.models.blocks import find_blocks
from congruence.models.identities import require_identity

G = {**tiny_models.GROUPED, "num_hidden_layers": 2}
NO_HEAD_DIM = {key: value for key, value in G.items() if key != "head_dim"}
MOE = {"num_experts": 4, "moe_intermediate_size": 16, "num_experts_per_tok": 2}
LATENT = {
    "q_lora_rank": 8, "kv_lora_rank": 8, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
    "head_dim": 8, "num_key_value_heads": 4,
}  # fmt: skip
RIGHT = {
    "granite": ("GraniteConfig", {**NO_HEAD_DIM, "residual_multiplier": 0.22}),
    "granite of factor 1": ("GraniteConfig", {**NO_HEAD_DIM, "residual_multiplier": 1.0}),
    "granite moe": ("GraniteMoeConfig", {**NO_HEAD_DIM, "residual_multiplier": 0.3, "num_local_experts": 4}),
    "minicpm 3": ("MiniCPM3Config", {**G, **LATENT, "scale_depth": 1.4}),
    "hyperclovax": ("HyperCLOVAXConfig", {**G, "residual_multiplier": 0.4}),
    "hyperclovax of two norms": ("HyperCLOVAXConfig", {**G, "use_post_norm": True}),
    "afmoe": ("AfmoeConfig", {**G, **MOE, "num_dense_layers": 1}),
    "openai-gpt": ("OpenAIGPTConfig", {"vocab_size": 320, "n_embd": 32, "n_layer": 2, "n_head": 4}),
    "dbrx": (
        "DbrxConfig",
        {"vocab_size": 320, "d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 64,
         "attn_config": {"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 1e4},
         "ffn_config": {"ffn_hidden_size": 48, "moe_num_experts": 4, "moe_top_k": 2}},
    ),
}  # fmt: skip
REFUSED = {
    "gemma 4": (
        "Gemma4TextConfig",
        {**G, "vocab_size_per_layer_input": 320, "hidden_size_per_layer_input": 8, "global_head_dim": 8,
         "num_kv_shared_layers": 0, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "minimax": (
        "MiniMaxConfig",
        {**G, "num_local_experts": 4, "layer_types": ["full_attention"] * 2, "full_attn_alpha_factor": 2.0},
    ),
    "falcon h1": (
        "FalconH1Config",
        {**G, "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8,
         "mamba_n_groups": 1},
    ),
}  # fmt: skip
IDS = torch.arange(4, 24).reshape(2, 10)


def wrap(name, options, dtype=torch.float32):
    config_class = getattr(transformers, name, None)
    if config_class is None:
        pytest.skip(f"this transformers has no {name}")
    torch.manual_seed(0)
    module = transformers.AutoModelForCausalLM.from_config(config_class(**options)).eval()
    for parameter in module.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return LanguageModel.from_module(module.to(dtype), None, name="tiny", key="key")


def parts(model, layer):
    names = [f"{kind}.{layer}" for kind in ("resid_pre", "attn_out", "mlp_out", "resid_post")]
    found = model.capture(IDS, None, names)
    return [found[name].float() for name in names]


def post_norm(model, layer, before, attention, mlp):
    block = model.blocks[layer]
    return block.ln_2(block.ln_1(before + attention) + mlp)


@pytest.mark.parametrize("family", RIGHT)
def test_parts_are_what_is_added(family):
    model = wrap(*RIGHT[family])
    for layer in range(2):
        before, attention, mlp, after = parts(model, layer)
        total = before + attention + mlp
        if family == "openai-gpt":
            total = post_norm(model, layer, before, attention, mlp)
        torch.testing.assert_close(total, after, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["attn_out", "mlp_out", "resid_mid"])
@pytest.mark.parametrize("family", REFUSED)
def test_what_has_no_such_parts_is_refused_in_one_line(family, kind):
    model = wrap(*REFUSED[family])
    with pytest.raises(ModelError, match=rf"^tiny has no {kind}\.1: .* ask for resid_post\.1") as caught:
        model.capture(IDS, None, [f"{kind}.1"])
    assert "\n" not in str(caught.value)
    assert model.capture(IDS, None, ["resid_post.1"])["resid_post.1"].shape == (2, 10, 32)


def test_bias_of_the_last_block_alone():
    config = {**tiny_models.SIZES, "num_hidden_layers": 2, "intermediate_multiple_size": 2}
    model = wrap("GPTNeoXJapaneseConfig", config)
    before, attention, mlp, after = parts(model, 0)
    torch.testing.assert_close(before + attention + mlp, after)
    with pytest.raises(ModelError, match=r"attn_out\.1"):
        model.capture(IDS, None, ["attn_out.1"])


def test_one_mixer_a_block_is_attention_or_an_mlp_never_both():
    model = wrap(
        "NemotronHConfig",
        {"vocab_size": 320, "hidden_size": 32, "layers_block_type": ["attention", "mlp"], "head_dim": 8,
         "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48},
    )  # fmt: skip
    found = model.capture(
        IDS, None, ["resid_pre.0", "attn_out.0", "resid_post.0", "mlp_out.1", "resid_post.1"]
    )
    torch.testing.assert_close(found["resid_pre.0"] + found["attn_out.0"], found["resid_post.0"])
    torch.testing.assert_close(found["resid_post.0"] + found["mlp_out.1"], found["resid_post.1"])
    for absent in ("attn_out.1", "mlp_out.0"):
        with pytest.raises(ModelError, match="found by structure"):
            model.capture(IDS, None, [absent])


@pytest.mark.parametrize("name", ["XLMConfig", "FlaubertConfig"])
def test_lists_of_attentions_are_no_blocks(name):
    options = {"n_words": 320, "emb_dim": 32, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64}
    module = transformers.AutoModelForMaskedLM.from_config(getattr(transformers, name)(**options))
    with pytest.raises(ModelError, match="attentions"):
        find_blocks(module, 2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_is_no_fault_and_a_wrong_factor_is_one_in_half_precision(dtype):
    model = wrap(*RIGHT["granite"], dtype=dtype)
    before, attention, mlp, after = parts(model, 1)
    torch.testing.assert_close(before + attention + mlp, after, rtol=0.05, atol=0.05)
    wrong = wrap(*RIGHT["granite"], dtype=dtype)
    for block in wrong.blocks:
        block.residual_multiplier = torch.tensor(0.9, dtype=dtype)  # no number that structure tells
    with pytest.raises(ModelError, match=r"mlp_out\.1"):
        wrong.capture(IDS, None, ["mlp_out.1"])


class Attention(nn.Linear):
    """Stands for attention: one linear map."""


class Mlp(nn.Linear):
    """Stands for an MLP."""


class Block(nn.Module):
    """A block of two linear maps, put together by a rule of the test's own."""

    def __init__(self, rule):
        super().__init__()
        self.attn, self.mlp, self.norm = Attention(8, 8), Mlp(8, 8), nn.LayerNorm(8)
        self.rule = rule

    def forward(self, x):
        return self.rule(self, x)


class Body(nn.Module):
    def __init__(self, rule):
        super().__init__()
        self.embed, self.layers = nn.Embedding(40, 8), nn.ModuleList([Block(rule), Block(rule)])
        self.config = transformers.GPTNeoXConfig(num_hidden_layers=2, use_parallel_residual=False)

    def get_input_embeddings(self):
        return self.embed

    def forward(self, input_ids, attention_mask):
        x = self.embed(input_ids)
        for layer in self.layers:
            x = layer(x)
        return x


def sequential(b, x):
    x = x + b.attn(b.norm(x))
    return x + b.mlp(b.norm(x))


def parallel(b, x):
    return x + b.attn(b.norm(x)) + b.mlp(b.norm(x))


def gated(b, x):
    x = x + b.attn(b.norm(x)) * 0.99
    return x + b.mlp(b.norm(x))


def scaled_residual(b, x):
    return 1.01 * x + b.attn(b.norm(x)) + b.mlp(x)


def third_branch(b, x):
    x = x + b.attn(b.norm(x))
    return x + b.mlp(b.norm(x)) + 0.01 * x.sin()


def normed_after(b, x):
    x = x + b.norm(b.attn(x))
    return x + b.norm(b.mlp(x))


def normed_sums(b, x):
    x = b.norm(x + b.attn(x))
    return b.norm(x + b.mlp(x))


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        (sequential, {"attn_out", "mlp_out", "resid_mid"}),
        (parallel, {"attn_out", "mlp_out"}),
        (normed_sums, {"attn_out", "mlp_out", "resid_mid"}),
        (gated, set()),
        (scaled_residual, set()),
        (third_branch, set()),
        (normed_after, set()),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_any_block_is_judged_by_its_numbers(rule, holds):
    torch.manual_seed(0)
    body = Body(rule).eval()
    for kind in ("attn_out", "mlp_out", "resid_mid"):
        if kind in holds:
            require_identity(body, list(body.layers), HookPoint(1, kind), "tiny")
        else:
            with pytest.raises(ModelError, match=rf"tiny has no {kind}\.1"):
                require_identity(body, list(body.layers), HookPoint(1, kind), "tiny")


def test_a_rare_token_that_is_not_finite_says_nothing_about_the_block():
    torch.manual_seed(0)
    body = Body(sequential).eval()
    body.embed.weight.data[1] = float("nan")
    require_identity(body, list(body.layers), HookPoint(1, "attn_out"), "tiny")


def test_shown_once_a_model(monkeypatch):
    from congruence.models import language_model

    asked = []
    monkeypatch.setattr(language_model, "require_identity", lambda *a: asked.append(str(a[2])))
    model = LanguageModel.from_module(tiny_models.module("llama"), None, name="tiny", key="key")
    for _ in range(3):
        model.capture(IDS, None, ["attn_out.1", "resid_post.1"])
    assert asked == ["attn_out.1", "resid_post.1"]


def test_heads_are_the_input_of_the_output_projection():
    model = wrap(*RIGHT["afmoe"])  # its attention has a gate beside the projections
    z, out = (model.capture(IDS, None, [name])[name] for name in ("attn_z.1", "layers.1.self_attn"))
    torch.testing.assert_close(model.blocks[1].self_attn.o_proj(z), out)


def test_a_projection_that_is_not_the_last_step_is_refused():
    torch.manual_seed(0)
    model = LanguageModel.from_module(tiny_models.module("llama"), None, name="tiny", key="key")
    attention = type(model.blocks[1].self_attn)
    original = attention.forward

    def doubled(self, *args, **kwargs):
        out, *rest = original(self, *args, **kwargs)
        return (2 * out, *rest)

    model.blocks[1].self_attn.forward = doubled.__get__(model.blocks[1].self_attn)
    with pytest.raises(ModelError, match=r"tiny has no attn_z\.1"):
        model.capture(IDS, None, ["attn_z.1"])
