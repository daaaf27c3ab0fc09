"""Llama Scope, Llama-Scope-R1 and Llamascopium, written by hand to their published layouts."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sae_layouts import D, F, check, jump, random_inputs, random_weights, tensors, top, write_json
from safetensors.torch import save_file

from congruence.saes import load_sae


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    return random_weights()


@pytest.fixture
def x() -> np.ndarray:
    return random_inputs()


class TestLlamaScope:
    NORM_IN, NORM_OUT = 12.5, 12.5

    def write(self, root: Path, weights: dict[str, np.ndarray], **changes: Any) -> Path:
        folder = root / "Llama3_1-8B-Base-L15R-8x"
        config = {
            "hook_point_in": "blocks.15.hook_resid_post",
            "hook_point_out": "blocks.15.hook_resid_post",
            "use_decoder_bias": True,
            "apply_decoder_bias_to_pre_encoder": False,
            "expansion_factor": F // D,
            "d_model": D,
            "d_sae": F,
            "act_fn": "jumprelu",
            "jump_relu_threshold": 1.1,
            "norm_activation": "dataset-wise",
            "dataset_average_activation_norm": {"in": self.NORM_IN, "out": self.NORM_OUT},
            "sparsity_include_decoder_norm": True,
            "top_k": 50,
        } | changes
        write_json(folder / "hyperparams.json", config)
        (folder / "checkpoints").mkdir()
        named = {
            "encoder.weight": weights["W_enc"].T,
            "encoder.bias": weights["b_enc"],
            "decoder.weight": weights["W_dec"].T,
            "decoder.bias": weights["b_dec"],
        }
        save_file(tensors(named), folder / "checkpoints/final.safetensors")
        return folder

    def released(
        self, weights: dict[str, np.ndarray], x: np.ndarray, norm_out: float
    ) -> tuple[np.ndarray, ...]:
        """The library at its release: fold both norms, make decoder rows unit, compare with the threshold."""
        s_in, s_out = math.sqrt(D) / self.NORM_IN, math.sqrt(D) / norm_out
        W_dec = weights["W_dec"] * s_in / s_out
        norm = np.linalg.norm(W_dec, axis=1)
        pre = x @ (weights["W_enc"] * norm) + weights["b_enc"] / s_in * norm
        acts = jump(pre, 1.1)
        return acts, acts @ (W_dec / norm[:, None]) + weights["b_dec"] / s_out, s_in / norm

    @pytest.mark.parametrize("norm_out", [12.5, 3.0])
    def test_the_same_features_fire_as_in_the_library(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray, norm_out: float
    ) -> None:
        changes: dict[str, Any] = {"dataset_average_activation_norm": {"in": self.NORM_IN, "out": norm_out}}
        if norm_out != self.NORM_IN:
            changes["hook_point_out"] = "blocks.15.hook_mlp_out"
        x = 5 * x
        sae = load_sae(self.write(tmp_path, weights, **changes))
        acts, out, scale = self.released(weights, x, norm_out)
        check(sae, x, acts * scale, out)
        assert sae.hook_name == "blocks.15.hook_resid_post"
        assert sae.is_transcoder == (norm_out != self.NORM_IN)

    def test_a_feature_without_a_decoder_row_never_fires(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        weights["W_dec"][3] = 0
        weights["b_enc"][3] = 100
        assert (
            load_sae(self.write(tmp_path, weights)).encode_csr(torch.from_numpy(x)).toarray()[:, 3].max() == 0
        )

    def test_unit_decoder_rows_give_saelens_numbers(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        """SAELens scales the threshold like inputs and leaves decoder norms out: alike where they are 1."""
        weights["W_dec"] /= np.linalg.norm(weights["W_dec"], axis=1, keepdims=True)
        s = math.sqrt(D) / self.NORM_IN
        x = 5 * x
        acts = jump((x * s) @ weights["W_enc"] + weights["b_enc"], 1.1 * s)
        check(
            load_sae(self.write(tmp_path, weights)), x, acts, (acts @ weights["W_dec"] + weights["b_dec"]) / s
        )

    def test_without_decoder_norms_the_threshold_scales_with_the_inputs(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        s = math.sqrt(D) / self.NORM_IN
        acts = jump((5 * x * s) @ weights["W_enc"] + weights["b_enc"], 1.1 * s)
        sae = load_sae(self.write(tmp_path, weights, sparsity_include_decoder_norm=False))
        check(sae, 5 * x, acts, (acts @ weights["W_dec"] + weights["b_dec"]) / s)


class TestLlamaScopeR1:
    def test_thresholds_are_logarithms_on_scaled_inputs(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        hook, norm = "blocks.15.hook_resid_post", 12.5
        config = {
            "d_model": D,
            "expansion_factor": F // D,
            "act_fn": "jumprelu",
            "norm_activation": "dataset-wise",
        }
        write_json(tmp_path / "L15R/config.json", config | {"hook_point_in": hook, "hook_point_out": hook})
        named = {
            "encoder.weight": weights["W_enc"].T,
            "encoder.bias": weights["b_enc"],
            "decoder.weight": weights["W_dec"].T,
            "decoder.bias": weights["b_dec"],
            "log_jumprelu_threshold": np.log(weights["threshold"]),
            f"dataset_average_activation_norm.{hook}": np.float32(norm) * np.ones((), np.float32),
        }
        save_file(tensors(named), tmp_path / "L15R/sae_weights.safetensors")
        s = math.sqrt(D) / norm
        acts = jump((5 * x * s) @ weights["W_enc"] + weights["b_enc"], weights["threshold"])
        sae = load_sae(tmp_path / "L15R")
        check(sae, 5 * x, acts, (acts @ weights["W_dec"] + weights["b_dec"]) / s)
        assert (sae.format, sae.hook_name) == ("llama_scope_r1", hook)


class TestLlamascopium:
    HOOK = "blocks.6.hook_resid_post"

    def write(
        self, root: Path, weights: dict[str, np.ndarray], extra: dict[str, Any], **changes: Any
    ) -> Path:
        config = {
            "sae_type": "sae",
            "d_model": D,
            "expansion_factor": F / D,
            "act_fn": "relu",
            "norm_activation": "inference",
            "sparsity_include_decoder_norm": True,
            "top_k": 5,
            "hook_point_in": self.HOOK,
            "hook_point_out": self.HOOK,
        } | changes
        write_json(root / "config.json", config)
        write_json(root / "lm_config.json", {"model_name": "tiny"})
        named = {
            "W_E": weights["W_enc"],
            "b_E": weights["b_enc"],
            "W_D": weights["W_dec"],
            "b_D": weights["b_dec"],
            **extra,
        }
        save_file(tensors(named), root / "sae_weights.safetensors")
        return root

    def test_relu(self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray) -> None:
        acts = np.maximum(x @ weights["W_enc"] + weights["b_enc"], 0)
        sae = load_sae(self.write(tmp_path, weights, {}))
        check(sae, x, acts, acts @ weights["W_dec"] + weights["b_dec"])
        assert (sae.format, sae.hook_name) == ("llamascopium", self.HOOK)

    def test_topk_compares_features_times_their_decoder_norm(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        norm = np.linalg.norm(weights["W_dec"], axis=1)
        acts = top((x @ weights["W_enc"] + weights["b_enc"]) * norm, 5) / norm
        sae = load_sae(self.write(tmp_path, weights, {}, act_fn="topk"))
        check(sae, x, acts, acts @ weights["W_dec"] + weights["b_dec"])
        folded = load_sae(tmp_path, fold_decoder_norm=True)
        check(folded, x, acts * norm, acts @ weights["W_dec"] + weights["b_dec"])

    def test_jumprelu_on_dataset_wise_norms(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray
    ) -> None:
        extra = {
            "activation_function.log_jumprelu_threshold": np.log(weights["threshold"]),
            f"dataset_average_activation_norm.{self.HOOK}": np.full((), 4.0, np.float32),
        }
        sae = load_sae(
            self.write(tmp_path, weights, extra, act_fn="jumprelu", norm_activation="dataset-wise")
        )
        s, norm = math.sqrt(D) / 4.0, np.linalg.norm(weights["W_dec"], axis=1)
        acts = jump(((x * s) @ weights["W_enc"] + weights["b_enc"]) * norm, weights["threshold"]) / norm
        check(sae, x, acts, (acts @ weights["W_dec"] + weights["b_dec"]) / s)
