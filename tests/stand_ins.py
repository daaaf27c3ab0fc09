"""Tiny random checkpoints and SAEs in the exact layout of those that both papers use.

    python tests/stand_ins.py FOLDER          folders below FOLDER
    python tests/stand_ins.py FOLDER --hub    a Hub cache there: blobs, and snapshots of links to them

SAE features are hidden states of the model itself, so that they fire on like tokens in every model.
"""

import argparse
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from congruence.recipes.demo import demo_folder

VOCABULARY = 4096
SPECIAL = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}
SHA = "89abcdef0123456789abcdef0123456789abcdef"
MODULES = {"resid_post": "", "mlp_out": ".mlp", "attn_out": ".attention"}
FEATURES, SHARE = 96, 0.06
"""Features of an SAE, and the share of tokens on which each fires."""


@dataclass(frozen=True)
class StandIn:
    """One model with its SAEs.

    Attributes:
        model: Hub id.
        family: class of its configuration in transformers.
        depth, width: layers and d_model of the stand-in; the depth is the real one's, as recipes name layers.
        saes: Hub id of its SAEs.
        write: (folder, layer, weights) -> writes the SAE of a layer.
        layers: those that have SAEs.
        hooks: sites of its SAEs: resid_post, mlp_out, attn_out.
        options: of the model's configuration.
    """

    model: str
    family: str
    depth: int
    width: int
    saes: str
    write: Callable[[Path, int, str, dict[str, np.ndarray]], None]
    layers: Iterable[int]
    hooks: tuple[str, ...] = ("resid_post",)
    options: dict | None = None


def _tensors(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in arrays.items()}


def _json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def sparsify(folder: Path, layer: int, hook: str, w: dict[str, np.ndarray]) -> None:
    """EleutherAI's: a folder named after the hook point, `layers.3`, `layers.3.mlp` or `layers.3.attention`."""
    place = folder / f"layers.{layer}{MODULES[hook]}"
    config = {"expansion_factor": FEATURES // len(w["b_dec"]), "normalize_decoder": True}
    _json(place / "cfg.json", config | {"num_latents": FEATURES, "k": 6, "d_in": len(w["b_dec"])})
    stored = {"encoder.weight": w["W_enc"].T, "encoder.bias": w["b_enc"] + w["b_dec"] @ w["W_enc"]}
    save_file(_tensors(stored | {"W_dec": w["W_dec"], "b_dec": w["b_dec"]}), place / "sae.safetensors")


def gemma_scope(folder: Path, layer: int, hook: str, w: dict[str, np.ndarray]) -> None:
    """Google's params.npz, two sparsities a layer."""
    for l0 in (31, 97):
        place = folder / f"layer_{layer}/width_16k/average_l0_{l0}"
        place.mkdir(parents=True)
        np.savez(place / "params.npz", **w)
    wide = folder / f"layer_{layer}/width_65k/average_l0_92"
    wide.mkdir(parents=True)
    np.savez(wide / "params.npz", **w)


GEMMA_2B_FOLDERS = {
    0: "gemma_2b_blocks.0.hook_resid_post_16384_anthropic",
    6: "gemma_2b_blocks.6.hook_resid_post_16384_anthropic_fast_lr",
    10: "gemma_2b_blocks.10.hook_resid_post_16384",
    12: "gemma_2b_blocks.12.hook_resid_post_16384",
    17: "gemma_2b_blocks.17.hook_resid_post_16384",
}


def saelens_before_6(folder: Path, layer: int, hook: str, w: dict[str, np.ndarray]) -> None:
    """SAELens' first layout: hook_point, no architecture, b_dec taken off the input."""
    place = folder / GEMMA_2B_FOLDERS[layer]
    d = len(w["b_dec"])
    config = {
        "model_name": "gemma-2b",
        "hook_point": f"blocks.{layer}.hook_resid_post",
        "dtype": "torch.float32",
    }
    config |= {"hook_point_layer": layer, "d_in": d, "d_sae": FEATURES, "activation_fn_str": "relu"}
    _json(place / "cfg.json", config | {"use_ghost_grads": False, "normalize_activations": "none"})
    stored = w | {"b_enc": w["b_enc"] + w["b_dec"] @ w["W_enc"] - w["threshold"]}
    stored = {name: stored[name] for name in ("W_enc", "W_dec", "b_enc", "b_dec")}
    save_file(_tensors(stored), place / "sae_weights.safetensors")
    save_file({"sparsity": torch.zeros(FEATURES)}, place / "sparsity.safetensors")


def saelens_gated(folder: Path, layer: int, hook: str, w: dict[str, np.ndarray]) -> None:
    """SAELens' gated SAE."""
    place = folder / f"blocks.{layer}.hook_resid_post"
    d = len(w["b_dec"])
    config = {"architecture": "gated", "d_in": d, "d_sae": FEATURES, "dtype": "float32", "device": "cpu"}
    config |= {
        "hook_name": f"blocks.{layer}.hook_resid_post",
        "hook_layer": layer,
        "apply_b_dec_to_input": True,
    }
    _json(place / "cfg.json", config | {"activation_fn_str": "relu", "normalize_activations": "none"})
    shift = w["b_enc"] + w["b_dec"] @ w["W_enc"]
    gate = {"b_gate": shift - w["threshold"], "b_mag": shift, "r_mag": np.zeros(FEATURES, np.float32)}
    stored = {"W_enc": w["W_enc"], "W_dec": w["W_dec"], "b_dec": w["b_dec"], **gate}
    save_file(_tensors(stored), place / "sae_weights.safetensors")


def llama_scope(folder: Path, layer: int, hook: str, w: dict[str, np.ndarray]) -> None:
    """Llama Scope: one threshold, inputs scaled by √d over their mean norm."""
    place = folder / f"Llama3_1-8B-Base-L{layer}R-8x"
    d = len(w["b_dec"])
    threshold = float(np.median(w["threshold"]))
    config = {
        "act_fn": "jumprelu", "jump_relu_threshold": threshold, "d_model": d, "d_sae": FEATURES,
        "use_decoder_bias": True, "apply_decoder_bias_to_pre_encoder": False, "expansion_factor": 8,
        "norm_activation": "dataset-wise", "sparsity_include_decoder_norm": True,
        "hook_point_in": f"blocks.{layer}.hook_resid_post", "hook_point_out": f"blocks.{layer}.hook_resid_post",
        "dataset_average_activation_norm": {"in": d**0.5, "out": d**0.5},
    }  # fmt: skip
    _json(place / "hyperparams.json", config)
    (place / "checkpoints").mkdir()
    stored = {"encoder.weight": w["W_enc"].T, "encoder.bias": w["b_enc"]}
    stored |= {"decoder.weight": w["W_dec"].T, "decoder.bias": w["b_dec"]}
    save_file(_tensors(stored), place / "checkpoints/final.safetensors")


def saelens_6(folder: Path, layer: int, hook: str, w: dict[str, np.ndarray]) -> None:
    """SAELens 6, as `congruence train-sae` writes it."""
    place = folder / f"blocks.{layer}.hook_mlp_out"
    d = len(w["b_dec"])
    metadata = {"hook_name": f"blocks.{layer}.hook_mlp_out", "sae_lens_version": "6.54.0"}
    config = {
        "architecture": "standard",
        "d_in": d,
        "d_sae": FEATURES,
        "dtype": "float32",
        "metadata": metadata,
    }
    _json(place / "cfg.json", config | {"apply_b_dec_to_input": False, "normalize_activations": "none"})
    stored = {name: w[name] for name in ("W_enc", "W_dec", "b_dec")} | {"b_enc": w["b_enc"] - w["threshold"]}
    save_file(_tensors(stored), place / "sae_weights.safetensors")


_GROUPED = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8, "intermediate_size": 32}
_NEOX = {"num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 512}
PYTHIA_70M = StandIn("EleutherAI/pythia-70m-deduped", "GPTNeoXConfig", 6, 16, "EleutherAI/sae-pythia-70m-32k",
                     sparsify, range(6), ("resid_post", "mlp_out", "attn_out"), _NEOX)  # fmt: skip
PYTHIA_160M = StandIn("EleutherAI/pythia-160m-deduped", "GPTNeoXConfig", 12, 24, "EleutherAI/sae-pythia-160m-32k",
                      sparsify, range(12), ("resid_post", "mlp_out", "attn_out"), _NEOX)  # fmt: skip
GEMMA_2B = StandIn("google/gemma-2b", "GemmaConfig", 18, 16, "jbloom/Gemma-2b-Residual-Stream-SAEs",
                   saelens_before_6, (6, 10, 12, 17), options=_GROUPED)  # fmt: skip
GEMMA_2_2B = StandIn("google/gemma-2-2b", "Gemma2Config", 26, 16, "google/gemma-scope-2b-pt-res", gemma_scope,
                     (2, 6, 10, 12, 14, 17, 18, 22, 25), options=_GROUPED)  # fmt: skip
GEMMA_2_9B = StandIn("google/gemma-2-9b", "Gemma2Config", 42, 24, "google/gemma-scope-9b-pt-res", gemma_scope,
                     (2, 6, 10, 19, 25, 39), options=_GROUPED)  # fmt: skip
LLAMA_3 = StandIn("meta-llama/Meta-Llama-3-8B-Instruct", "LlamaConfig", 32, 16, "Juliushanhanhan/llama-3-8b-it-res",
                  saelens_gated, (25,), options=_GROUPED)  # fmt: skip
LLAMA_3_1 = StandIn("meta-llama/Llama-3.1-8B", "LlamaConfig", 32, 16, "fnlp/Llama3_1-8B-Base-LXR-8x", llama_scope,
                    (25,), options=_GROUPED)  # fmt: skip
TINYSTORIES = StandIn("roneneldan/TinyStories-1Layer-21M", "GPTNeoConfig", 1, 16, "tinystories-saes", saelens_6, (0,),
                      ("mlp_out",), {"attention_types": [[["global"], 1]], "num_heads": 2})  # fmt: skip
STAND_INS = {
    one.model: one
    for one in (PYTHIA_70M, PYTHIA_160M, GEMMA_2B, GEMMA_2_2B, GEMMA_2_9B, LLAMA_3, LLAMA_3_1, TINYSTORIES)
}


def write_model(one: StandIn, folder: Path, seed: int) -> torch.nn.Module:
    """A random model with the embedded demo's tokenizer, saved as Hugging Face does."""
    import transformers

    neo = one.family == "GPTNeoConfig"
    sizes = {"hidden_size": one.width, "num_layers" if neo else "num_hidden_layers": one.depth}
    config = getattr(transformers, one.family)(**SPECIAL, **sizes, **(one.options or {}))
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(demo_folder() / "small").save_pretrained(folder)
    return model


def text(documents: int = 12) -> list[str]:
    """The first stories of the embedded demo."""
    lines = (demo_folder() / "text" / "comparison.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines[:documents]]


def hidden_states(model: torch.nn.Module, folder: Path, one: StandIn) -> dict[tuple[str, int], np.ndarray]:
    """(tokens, d) of every site and layer that has an SAE, on `text()`."""
    from transformers import AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(text(), truncation=True, max_length=64)["input_ids"]
    found: dict[tuple[str, int], list[np.ndarray]] = {(h, i): [] for h in one.hooks for i in one.layers}
    handles = []
    for hook, layer in found:
        module = _blocks(model)[layer]
        names = {"mlp_out": "mlp", "attn_out": "attention"}
        module = getattr(module, names.get(hook, ""), module)

        def keep(_module, _inputs, output, key=(hook, layer)):
            output = output[0] if isinstance(output, tuple) else output
            found[key].append(output[0].detach().float().numpy())

        handles.append(module.register_forward_hook(keep))
    with torch.no_grad():
        for row in tokens:
            model(torch.tensor([row]))
    for handle in handles:
        handle.remove()
    return {key: np.concatenate(values) for key, values in found.items()}


def _blocks(model: torch.nn.Module) -> torch.nn.ModuleList:
    return max((m for m in model.modules() if isinstance(m, torch.nn.ModuleList)), key=len)


def weights(hidden: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """An SAE whose features are directions of tokens' own hidden states, each firing on SHARE of them."""
    rng = np.random.default_rng(seed)
    mean = hidden.mean(0)
    centred = hidden - mean
    rows = centred[rng.choice(len(centred), FEATURES, replace=len(centred) < FEATURES)]
    rows = rows + 0.1 * rows.std() * rng.normal(size=rows.shape)
    W_dec = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    b_enc = -mean @ W_dec.T
    threshold = np.maximum(np.quantile(hidden @ W_dec.T + b_enc, 1 - SHARE, axis=0), 1e-3)
    arrays = {"W_enc": W_dec.T, "W_dec": W_dec, "b_enc": b_enc, "b_dec": mean, "threshold": threshold}
    return {name: value.astype(np.float32) for name, value in arrays.items()}


def make(one: StandIn, root: Path) -> None:
    """Write a model to `root/<Hub id>` and its SAEs beside it.

    SAEs that no Hub has, TinyStories', are of two seeds, two widths and two kinds.
    """
    number = list(STAND_INS).index(one.model)
    model = write_model(one, root / one.model, number)
    hidden = hidden_states(model, root / one.model, one)
    places = {root / one.saes: 0}
    if one.saes == "tinystories-saes":
        kinds = ("x8", "x16", "topk-x8", "topk-x16")
        places = {root / one.saes / kind / f"seed{seed}": seed for kind in kinds for seed in (0, 1)}
    for place, seed in places.items():
        for (hook, layer), states in hidden.items():
            one.write(place, layer, hook, weights(states, 1000 * seed + layer))


def into_cache(folder: Path, cache: Path, repository: str) -> None:
    """Put a repository into a Hub cache: each file a blob by its hash, each snapshot a tree of links to them."""
    root = cache / f"models--{repository.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs/main").write_text(SHA)
    (root / "blobs").mkdir()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        blob = root / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        link = root / "snapshots" / SHA / file.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        if not blob.exists():
            blob.write_bytes(file.read_bytes())
        link.symlink_to(os.path.relpath(blob, link.parent))


def make_cache(root: Path, cache: Path, names: Iterable[str]) -> None:
    """A Hub cache of stand-ins that `make` wrote to `root`."""
    for name in names:
        into_cache(root / name, cache, name)
        into_cache(root / STAND_INS[name].saes, cache, STAND_INS[name].saes)


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hub", action="store_true", help="as a Hub cache: set HF_HUB_CACHE to FOLDER/hub")
    arguments = parser.parse_args()
    for one in STAND_INS.values():
        make(one, arguments.folder)
    if arguments.hub:
        on_the_hub = [name for name in STAND_INS if name != TINYSTORIES.model]
        make_cache(arguments.folder, arguments.folder / "hub", on_the_hub)


if __name__ == "__main__":
    main()
