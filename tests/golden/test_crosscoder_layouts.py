"""Crosscoders and cross-layer transcoders, written by hand to their published layouts."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sae_layouts import D, F, N, check, jump, tensors, write_json
from safetensors.torch import save_file

from congruence.errors import SaeError
from congruence.saes import Crosscoder, list_saes, load_crosscoder, load_sae

M = 2
HOOK = "blocks.14.hook_resid_pre"


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    shapes = {"W_enc": (M, D, F), "W_dec": (F, M, D), "b_enc": (F,), "b_dec": (M, D)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture
def x() -> np.ndarray:
    return (np.random.default_rng(6).normal(size=(N, M, D)) + 0.5).astype(np.float32)


def relu_acts(x: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """The published formula, one place after another."""
    pre = weights["b_enc"] + sum(x[:, place] @ weights["W_enc"][place] for place in range(M))
    return np.maximum(pre, 0)


def compare(coder: Crosscoder, x: np.ndarray, acts: np.ndarray, out: np.ndarray) -> None:
    assert 0 < (acts != 0).mean() < 1
    tokens = torch.from_numpy(x)
    np.testing.assert_allclose(coder.encode(tokens).numpy(), acts, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(coder.encode_csr(tokens).toarray(), acts, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(coder.reconstruct(tokens).numpy(), out, atol=5e-5, rtol=1e-5)


def output(acts: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    return np.stack([acts @ weights["W_dec"][:, p] + weights["b_dec"][p] for p in range(M)], axis=1)


class TestKissane:
    @pytest.mark.parametrize("layout", ["folder", "numbered", "named"])
    def test_relu_over_both_models(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray, layout: str
    ) -> None:
        config = {
            "d_in": D,
            "dict_size": F,
            "hook_point": HOOK,
            "model_name": "gemma-2-2b",
            "enc_dtype": "fp32",
        }
        files = {
            "folder": (f"{HOOK}/cfg.json", f"{HOOK}/cc_weights.pt"),
            "numbered": ("version_0/3_cfg.json", "version_0/3.pt"),
            "named": ("lambda_2_64k_cfg.json", "lambda_2_64k.pt"),
        }[layout]
        write_json(tmp_path / files[0], config)
        torch.save(tensors(weights), tmp_path / files[1])
        coder = load_crosscoder(tmp_path)
        acts = relu_acts(x, weights)
        compare(coder, x, acts, output(acts, weights))
        assert coder.hook_names == (HOOK, HOOK)
        with pytest.raises(SaeError, match="this is a crosscoder of 2 models"):
            load_sae(tmp_path)
        (entry,) = list_saes(tmp_path)
        assert (entry.architecture, entry.layer, entry.d_sae) == ("crosscoder", 14, F)


class TestSaeLensProposal:
    HOOKS = ("blocks.3.hook_resid_post", "blocks.5.hook_resid_post")

    @pytest.mark.parametrize("apply_b_dec", [True, False])
    def test_relu_over_layers(
        self, tmp_path: Path, weights: dict[str, np.ndarray], x: np.ndarray, apply_b_dec: bool
    ) -> None:
        config = {"architecture": "standard", "d_in": D, "d_sae": F, "hook_names": list(self.HOOKS)}
        write_json(tmp_path / "cfg.json", config | {"apply_b_dec_to_input": apply_b_dec})
        save_file(tensors(weights), tmp_path / "sae_weights.safetensors")
        acts = relu_acts(x - weights["b_dec"] if apply_b_dec else x, weights)
        coder = load_crosscoder(tmp_path)
        compare(coder, x, acts, output(acts, weights))
        assert coder.hook_names == self.HOOKS
        with pytest.raises(SaeError, match="this is a crosscoder of 2 layers"):
            load_sae(tmp_path)


class TestGemmaScope2:
    LAYERS = (7, 13)
    FOLDER = "gemma-scope-2-1b-pt/crosscoder/layer_7_13_width_262k_l0_medium"

    def write(self, folder: Path) -> list[dict[str, np.ndarray]]:
        folder.mkdir(parents=True)
        rng = np.random.default_rng(3)
        shapes = {"w_enc": (D, F), "w_dec": (F, M, D), "b_enc": (F,), "b_dec": (D,), "threshold": (F,)}
        files = []
        for place in range(M):
            drawn = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
            drawn["threshold"] = np.abs(drawn["threshold"])
            save_file(tensors(drawn), folder / f"params_layer_{place}.safetensors")
            files.append(drawn)
        return files

    def test_features_of_a_file_read_their_place_and_write_from_there_on(
        self, tmp_path: Path, x: np.ndarray
    ) -> None:
        folder = tmp_path / self.FOLDER
        files = self.write(folder)
        acts = [jump(x[:, p] @ f["w_enc"] + f["b_enc"], f["threshold"]) for p, f in enumerate(files)]
        first = acts[0] @ files[0]["w_dec"][:, 0] + files[0]["b_dec"]
        second = sum(acts[p] @ files[p]["w_dec"][:, 1] for p in range(M)) + files[1]["b_dec"]
        coder = load_crosscoder(folder)
        compare(coder, x, np.concatenate(acts, axis=1), np.stack([first, second], axis=1))
        assert coder.hook_names == tuple(f"blocks.{layer}.hook_resid_post" for layer in self.LAYERS)
        assert not coder.rows(0)[F:].any()

    def test_it_is_a_crosscoder_of_layers(self, tmp_path: Path) -> None:
        folder = tmp_path / self.FOLDER
        self.write(folder)
        path = re.escape(str(folder))
        with pytest.raises(SaeError, match=rf"crosscoder of 2 layers.*path: {path}\}}"):
            load_sae(folder, sae_id="params_layer_1.safetensors")
        assert [entry.layer for entry in list_saes(folder)] == list(self.LAYERS)

    def test_a_missing_file_is_told(self, tmp_path: Path) -> None:
        self.write(tmp_path / self.FOLDER)
        (tmp_path / self.FOLDER / "params_layer_1.safetensors").unlink()
        with pytest.raises(SaeError, match="w_dec writes to 2 layers, but 1 files lie there"):
            load_crosscoder(tmp_path / self.FOLDER)

    @pytest.mark.parametrize("layer", [0, 1])
    def test_cross_layer_transcoders_by_layer(self, tmp_path: Path, x: np.ndarray, layer: int) -> None:
        """Decoder rows stand for all a feature writes; what lies before its own layer isn't used."""
        folder = tmp_path / "gemma-scope-2-270m-pt/clt/width_262k_l0_big"
        file = self.write(folder)[layer]
        acts = jump(x[:, 0] @ file["w_enc"] + file["b_enc"], file["threshold"])
        rows = file["w_dec"][:, layer:].sum(axis=1)
        sae = load_sae(folder, sae_id=f"params_layer_{layer}.safetensors")
        check(sae, x[:, 0], acts, acts @ rows + file["b_dec"])
        assert (sae.architecture, sae.layer, sae.is_part) == ("cross_layer_transcoder", layer, True)


def _dictionary_learning(folder: Path, changes: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Any] = {
        "encoder.weight": torch.randn(M, D, F, generator=generator),
        "encoder.bias": torch.zeros(F),
        "decoder.weight": torch.randn(M, F, D, generator=generator),
        "decoder.bias": torch.zeros(M, D),
        "code_normalization_id": torch.tensor(1),
        "k": torch.tensor(4),
        "threshold": torch.tensor(1.0),
    }
    state = {name: value for name, value in (state | changes).items() if value is not None}
    torch.save(state, folder / "ae.pt")
    write_json(folder / "config.json", {"trainer": {"dict_class": "BatchTopKCrossCoder", "layer": 3}})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"encoder.weight": torch.zeros(D, F)}, "expected three dimensions: is it a crosscoder?"),
        ({"encoder.weight": torch.zeros(3, D, F)}, "it reads 3 places and writes to 2"),
        ({"encoder.weight": torch.zeros(M, D + 1, F)}, "W_enc has shape (2, 9, 24), expected (2, 8, 24)"),
        ({"encoder.bias": None}, "no tensor 'encoder.bias'"),
        ({"encoder.bias": torch.full((F,), torch.nan)}, "b_enc has values that aren't finite"),
        ({"code_normalization_id": torch.tensor(9)}, "code_normalization_id 9 isn't known"),
        ({"code_normalization_id": torch.tensor([1, 2])}, "code_normalization_id is [1, 2]"),
        ({"threshold": torch.zeros(3)}, "files can't be understood"),
        ({"decoder.bias": torch.zeros(D)}, "b_dec has shape (8,), expected (2, 8)"),
    ],
)
def test_broken_crosscoders_end_in_one_line(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    _dictionary_learning(tmp_path, changes)
    with pytest.raises(SaeError) as caught:
        load_crosscoder(tmp_path)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_compiled_models_names_are_read(tmp_path: Path) -> None:
    _dictionary_learning(tmp_path, {})
    state = torch.load(tmp_path / "ae.pt", weights_only=True)
    plain = load_crosscoder(tmp_path)
    torch.save({f"_orig_mod.{name}": value for name, value in state.items()}, tmp_path / "ae.pt")
    assert torch.equal(load_crosscoder(tmp_path).W_dec, plain.W_dec)


def test_an_sae_is_no_crosscoder(tmp_path: Path) -> None:
    save_file({"W_enc": torch.zeros(D, F)}, tmp_path / "sae_weights.safetensors")
    write_json(tmp_path / "cfg.json", {"architecture": "standard"})
    with pytest.raises(SaeError, match="holds no crosscoder, but SAEs"):
        load_crosscoder(tmp_path)


def test_input_of_another_shape_is_told(tmp_path: Path) -> None:
    _dictionary_learning(tmp_path, {})
    with pytest.raises(SaeError, match="doesn't fit a crosscoder of 2 places with d=8"):
        load_crosscoder(tmp_path).encode(torch.zeros(3, 3, D))
