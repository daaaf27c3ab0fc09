"""SAEs written by hand to their published layouts; the expected numbers are written out here in numpy."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sae_layouts import D, F, check, jump, random_inputs, random_weights, tensors, top, write_json
from safetensors.torch import save_file

from congruence.errors import SaeError
from congruence.saes import Catalogue, find_sae, list_saes, load_sae


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    return random_weights()


@pytest.fixture
def x() -> np.ndarray:
    return random_inputs()


class TestGemmaScope:
    @staticmethod
    def folder(root: Path, weights: dict[str, np.ndarray], name: str) -> Path:
        (root / name).mkdir(parents=True)
        np.savez(root / name / "params.npz", **weights)
        return root / name

    def test_residual(self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray) -> None:
        sae = load_sae(self.folder(tmp_path, weights, "layer_3/width_16k/average_l0_71"))
        acts = jump(x @ weights["W_enc"] + weights["b_enc"], weights["threshold"])
        check(sae, x, acts, acts @ weights["W_dec"] + weights["b_dec"])
        assert (sae.hook_name, sae.architecture, sae.format) == (
            "blocks.3.hook_resid_post",
            "jumprelu",
            "gemma_scope",
        )
        torch.testing.assert_close(sae.threshold, torch.from_numpy(weights["threshold"]))

    def test_embedding_saes_are_scaled_by_the_root_of_d(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        sae = load_sae(self.folder(tmp_path, weights, "embedding/width_4k/average_l0_6"))
        acts = jump(x @ (weights["W_enc"] / math.sqrt(D)) + weights["b_enc"], weights["threshold"])
        check(sae, x, acts, acts @ (weights["W_dec"] * math.sqrt(D)) + weights["b_dec"])
        assert sae.hook_name == "hook_embed"

    @pytest.mark.parametrize(
        ("repository", "hook_name", "hook_name_out"),
        [
            ("gemma-scope-2b-pt-mlp", "blocks.3.hook_mlp_out", None),
            ("gemma-scope-9b-it-res", "blocks.3.hook_resid_post", None),
            ("gemma-scope-2b-pt-att", "blocks.3.attn.hook_z", None),
            ("gemma-scope-2b-pt-transcoders", "blocks.3.ln2.hook_normalized", "blocks.3.hook_mlp_out"),
        ],
    )
    def test_the_repository_says_where_it_reads(
        self,
        tmp_path: Path,
        weights: dict[str, np.ndarray],
        repository: str,
        hook_name: str,
        hook_name_out: str,
    ) -> None:
        sae = load_sae(self.folder(tmp_path, weights, f"{repository}/layer_3/width_16k/average_l0_71"))
        assert (sae.hook_name, sae.hook_name_out) == (hook_name, hook_name_out)
        assert sae.is_transcoder == (hook_name_out is not None)


GEMMA_3 = {
    "architecture": "jump_relu",
    "model_name": "google/gemma-3-1b-pt",
    "hf_hook_point_in": "model.layers.7.output",
    "affine_connection": False,
}


class TestGemmaScope2:
    @staticmethod
    def folder(root: Path, weights: dict[str, np.ndarray], config: Any, name: str, skip: Any = None) -> Path:
        (root / name).mkdir(parents=True)
        lower = {key.lower(): value for key, value in weights.items()}
        extra = {} if skip is None else {"affine_skip_connection": skip}
        save_file(tensors(lower | extra), root / name / "params.safetensors")
        if config is not None:
            write_json(root / name / "config.json", config)
        return root / name

    @pytest.mark.parametrize("with_config", [True, False])
    def test_residual_with_and_without_config(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray, with_config: bool
    ) -> None:
        name = "gemma-scope-2-1b-pt/resid_post/layer_7_width_16k_l0_small"
        sae = load_sae(self.folder(tmp_path, weights, GEMMA_3 if with_config else None, name))
        acts = jump(x @ weights["W_enc"] + weights["b_enc"], weights["threshold"])
        check(sae, x, acts, acts @ weights["W_dec"] + weights["b_dec"])
        assert sae.hook_name == "blocks.7.hook_resid_post"

    def test_transcoder_with_affine_skip(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        skip = np.random.default_rng(1).normal(size=(D, D)).astype(np.float32)
        config = GEMMA_3 | {
            "hf_hook_point_in": "model.layers.7.pre_feedforward_layernorm.output",
            "hf_hook_point_out": "model.layers.7.post_feedforward_layernorm.output",
            "affine_connection": True,
        }
        folder = self.folder(tmp_path, weights, config, "transcoder/layer_7_width_16k_l0_big_affine", skip)
        sae = load_sae(folder)
        acts = jump(x @ weights["W_enc"] + weights["b_enc"], weights["threshold"])
        check(sae, x, acts, acts @ weights["W_dec"] + weights["b_dec"] + x @ skip)
        assert sae.architecture == "skip_transcoder"
        assert sae.hook_name_out == "blocks.7.hook_mlp_out"


class TestQwenScope:
    def test_k_stands_in_the_name(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        folder = tmp_path / "SAE-Res-Qwen3-1.7B-Base-W32K-L0_5"
        folder.mkdir()
        stored = {
            "W_enc": weights["W_enc"].T,
            "W_dec": weights["W_dec"].T,
            "b_enc": weights["b_enc"],
            "b_dec": weights["b_dec"],
        }
        torch.save(tensors(stored), folder / "layer9.sae.pt")
        acts = top(x @ weights["W_enc"] + weights["b_enc"], 5)
        sae = load_sae(folder)
        check(sae, x, acts, acts @ weights["W_dec"] + weights["b_dec"])
        assert (sae.k, sae.hook_name) == (5, "blocks.9.hook_resid_post")
        assert load_sae(folder / "layer9.sae.pt").k == 5


class TestOpenAI:
    def write(self, root: Path, weights: dict[str, np.ndarray], **extra: Any) -> Path:
        folder = root / "resid_post_mlp_v5_32k" / "autoencoders"
        folder.mkdir(parents=True)
        stored = {
            "pre_bias": weights["b_dec"],
            "encoder.weight": weights["W_enc"].T,
            "latent_bias": weights["b_enc"],
            "decoder.weight": weights["W_dec"].T,
        }
        buffers = {"stats_last_nonzero": torch.zeros(F, dtype=torch.long)}
        torch.save(tensors(stored) | buffers | extra, folder / "3.pt")
        return folder / "3.pt"

    def test_topk_reads_layer_normed_tokens(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        extra = {"activation": "TopK", "activation_state_dict": {"k": 5, "postact_fn": "ReLU"}}
        x = 40 * x
        mean, std = x.mean(1, keepdims=True), x.std(1, keepdims=True, ddof=1)
        acts = top(((x - mean) / (std + 1e-5) - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"], 5)
        sae = load_sae(self.write(tmp_path, weights, **extra))
        out = (acts @ weights["W_dec"] + weights["b_dec"]) * std + mean
        tokens = torch.from_numpy(x)
        np.testing.assert_allclose(sae.encode(tokens).numpy(), acts, atol=1e-5, rtol=1e-5)
        np.testing.assert_allclose(sae.reconstruct(tokens).numpy(), out, rtol=1e-4, atol=1e-3)
        assert sae.hook_name == "blocks.3.hook_resid_post"

    def test_relu_reads_them_as_they_are(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        acts = np.maximum((x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"], 0)
        sae = load_sae(self.write(tmp_path, weights, activation="ReLU", activation_state_dict={}))
        check(sae, x, acts, acts @ weights["W_dec"] + weights["b_dec"])


class TestGoodfire:
    @pytest.mark.parametrize(
        "name", ["Llama-3.1-8B-Instruct-SAE-l19.pth", "Llama-3.3-70B-Instruct-SAE-l50.pt"]
    )
    def test_one_torch_file(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray, name: str
    ) -> None:
        stored = {
            "encoder_linear.weight": weights["W_enc"].T,
            "encoder_linear.bias": weights["b_enc"],
            "decoder_linear.weight": weights["W_dec"].T,
            "decoder_linear.bias": weights["b_dec"],
        }
        torch.save(tensors(stored), tmp_path / name)
        acts = np.maximum(x @ weights["W_enc"] + weights["b_enc"], 0)
        for path in (tmp_path, tmp_path / name):
            sae = load_sae(path)
            check(sae, x, acts, acts @ weights["W_dec"] + weights["b_dec"])
            assert sae.layer == (19 if "l19" in name else 50)


class TestHookZ:
    def folder(self, root: Path, weights: dict[str, np.ndarray], **changes: Any) -> Path:
        name = "gelu-2l_L0_attn_z"
        config = {"act_name": "blocks.0.attn.hook_z", "act_size": D, "dict_size": F, "layer": 0} | changes
        write_json(root / f"{name}_cfg.json", config)
        torch.save(
            tensors({n: weights[n] for n in ("W_enc", "W_dec", "b_enc", "b_dec")}), root / f"{name}.pt"
        )
        return root

    def test_it_reads_the_heads_put_together(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        acts = np.maximum((x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"], 0)
        sae = load_sae(self.folder(tmp_path, weights))
        check(sae, x, acts, acts @ weights["W_dec"] + weights["b_dec"])
        heads = torch.from_numpy(x).reshape(len(x), 2, D // 2)
        np.testing.assert_allclose(sae.encode(heads).numpy(), acts, atol=1e-5)
        assert (sae.format, sae.hook_name) == ("hook_z", "blocks.0.attn.hook_z")

    def test_another_width_is_told(self, tmp_path: Path, weights: dict[str, np.ndarray]) -> None:
        with pytest.raises(SaeError, match="the config says act_size=9, the tensors say 8"):
            load_sae(self.folder(tmp_path, weights, act_size=9))


class TestDeepSeekR1:
    @pytest.mark.parametrize("name", ["DeepSeek-R1-Distill-Llama-8B-SAE-l19.pt", "l19.pt"])
    def test_two_linear_layers(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray, name: str
    ) -> None:
        stored = {
            "encoder.weight": weights["W_enc"].T,
            "encoder.bias": weights["b_enc"],
            "decoder.weight": weights["W_dec"].T,
            "decoder.bias": weights["b_dec"],
        }
        torch.save(tensors(stored), tmp_path / name)
        acts = np.maximum(x @ weights["W_enc"] + weights["b_enc"], 0)
        sae = load_sae(tmp_path)
        check(sae, x, acts, acts @ weights["W_dec"] + weights["b_dec"])
        assert (sae.format, sae.hook_name) == ("deepseek_r1", "blocks.19.hook_resid_post")


class TestCircuitTracerBefore02:
    """Sets as circuit-tracer 0.1 read them: W_dec with outputs first, and no config."""

    def test_a_transposed_decoder_is_told_by_the_biases(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        stored = weights | {"W_enc": weights["W_enc"].T, "W_dec": weights["W_dec"].T}
        del stored["threshold"]
        save_file(tensors(stored), tmp_path / "layer_2.safetensors")
        acts = np.maximum(x @ weights["W_enc"] + weights["b_enc"], 0)
        sae = load_sae(tmp_path)
        check(sae, x, acts, acts @ weights["W_dec"] + weights["b_dec"])
        assert (sae.hook_name, sae.hook_name_out) == ("blocks.2.mlp.hook_in", "blocks.2.hook_mlp_out")


REFUSED = {
    "temporal": "a token depends on the tokens before it",
    "lorsa": "a token's code depends on the tokens before it",
    "molt": "write matrices, not vectors",
    "clt": "a cross-layer transcoder in one file",
    "sharded": "sae_type 'sharded' isn't supported",
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_dictionary_of_tokens_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "layer_12" / kind
    folder.mkdir(parents=True)
    write_json(folder / "config.json", {"sae_type": kind, "d_model": D, "expansion_factor": 3})
    save_file({"W_E": torch.zeros(2, D, F)}, folder / "sae_weights.safetensors")
    if kind == "temporal":
        (folder / "config.json").unlink()
        (folder / "sae_weights.safetensors").rename(folder / "latest_ckpt.safetensors")
        (folder / "conf.yaml").write_text("llm: {dimin: 8}\nsae: {exp_factor: 3}\n")
    with pytest.raises(SaeError) as caught:
        load_sae(tmp_path)
    assert REFUSED[kind] in str(caught.value)
    assert "broken" not in str(caught.value)
    (entry,) = list_saes(tmp_path)
    assert entry.architecture == kind
    assert REFUSED[kind] in entry.problem
    with pytest.raises(SaeError, match=re.escape(REFUSED[kind])):
        find_sae(tmp_path, 12)
    with pytest.raises(SaeError, match=re.escape(REFUSED[kind])):
        Catalogue(tmp_path).named(None)


def test_saelens_temporal_is_refused_by_name(tmp_path: Path) -> None:
    write_json(tmp_path / "cfg.json", {"architecture": "temporal", "d_in": D, "d_sae": F})
    save_file({"W_dec": torch.zeros(F, D)}, tmp_path / "sae_weights.safetensors")
    with pytest.raises(SaeError, match="a token depends on the tokens before it"):
        load_sae(tmp_path)


def test_bf16_files_compute_in_float32(tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray) -> None:
    stored = {
        name: value.to(torch.bfloat16) for name, value in tensors(weights).items() if name != "threshold"
    }
    save_file(stored, tmp_path / "sae_weights.safetensors")
    config = {"architecture": "topk", "k": 5, "d_in": D, "d_sae": F, "dtype": "bfloat16"}
    write_json(tmp_path / "cfg.json", config | {"metadata": {"sae_lens_version": "6.54.0"}})
    rounded = {name: value.float().numpy() for name, value in stored.items()}
    acts = top((x - rounded["b_dec"]) @ rounded["W_enc"] + rounded["b_enc"], 5)
    sae = load_sae(tmp_path)
    assert sae.dtype == torch.float32
    check(sae, x, acts, acts @ rounded["W_dec"] + rounded["b_dec"])
    assert load_sae(tmp_path, dtype="bfloat16").dtype == torch.bfloat16
