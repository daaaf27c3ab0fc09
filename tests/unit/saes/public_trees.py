"""Public SAE repositories in miniature: their folders and file names, tensors of their shapes, tiny sizes.

    python tests/unit/saes/public_trees.py FOLDER

writes all of them. Names are those of the Hugging Face repositories in early 2026; each folder is named after
one, because some formats are told by that name alone.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

D, F = 4, 8


def arrays() -> dict[str, np.ndarray]:
    shapes = {"W_enc": (D, F), "W_dec": (F, D), "b_enc": (F,), "b_dec": (D,), "threshold": (F,)}
    return {name: np.ones(shape, np.float32) for name, shape in shapes.items()}


def tensors(*names: str) -> dict[str, torch.Tensor]:
    found = {name: torch.from_numpy(array) for name, array in arrays().items()}
    return {name: found[name] for name in names} if names else found


def linear(**more: torch.Tensor) -> dict[str, Any]:
    return {
        "encoder.weight": torch.ones(F, D),
        "encoder.bias": torch.zeros(F),
        "decoder.weight": torch.ones(D, F),
        **more,
    }


def to_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def gemma_scope(root: Path, site: str) -> None:
    """google/gemma-scope-2b-pt-{res,mlp,att}: widths and L0s of each layer, without any config."""
    sizes = {2: ("16k", (14, 71, 137)), 3: ("16k", (20, 105)), 12: ("65k", (21, 72))}
    for layer, (width, l0s) in sizes.items():
        for l0 in l0s:
            folder = (
                root / f"google/gemma-scope-2b-pt-{site}" / f"layer_{layer}/width_{width}/average_l0_{l0}"
            )
            folder.mkdir(parents=True)
            np.savez(folder / "params.npz", **arrays())


def gemma_scope_2(root: Path) -> None:
    """google/gemma-scope-2-1b-pt: a folder a site, L0s in words."""
    hooks = {
        "resid_post": "model.layers.{}.output",
        "mlp_out": "model.layers.{}.post_feedforward_layernorm.output",
    }
    for site, hook in hooks.items():
        for layer in (7, 13):
            for l0, number in (("small", 20), ("medium", 60), ("big", 120)):
                folder = root / f"google/gemma-scope-2-1b-pt/{site}/layer_{layer}_width_16k_l0_{l0}"
                place = hook.format(layer)
                about = {"hf_hook_point_in": place, "hf_hook_point_out": place, "architecture": "jump_relu"}
                to_json(folder / "config.json", about | {"model_name": "google/gemma-3-1b-pt", "l0": number})
                weights = {name.replace("W_", "w_"): tensor for name, tensor in tensors().items()}
                save_file(weights, folder / "params.safetensors")


def llama_scope(root: Path) -> None:
    """fnlp/Llama3_1-8B-Base-LXR-8x and its like for MLPs and attention: a folder a layer."""
    for site, hook in (("R", "hook_resid_post"), ("M", "hook_mlp_out"), ("A", "hook_attn_out")):
        for layer in (0, 15):
            folder = root / f"fnlp/Llama3_1-8B-Base-LX{site}-8x/Llama3_1-8B-Base-L{layer}{site}-8x"
            place = f"blocks.{layer}.{hook}"
            config = {
                "hook_point_in": place,
                "hook_point_out": place,
                "d_model": D,
                "d_sae": F,
                "act_fn": "jumprelu",
            }
            to_json(folder / "hyperparams.json", config | {"jump_relu_threshold": 1.0})
            (folder / "checkpoints").mkdir()
            save_file(linear(**{"decoder.bias": torch.zeros(D)}), folder / "checkpoints/final.safetensors")


def sparsify(root: Path) -> None:
    """EleutherAI/sae-pythia-70m-32k (residual stream) and EleutherAI/sae-Llama-3.2-1B-131k (MLPs alone)."""
    for name, hook in (("sae-pythia-70m-32k", "layers.{}"), ("sae-Llama-3.2-1B-131k", "layers.{}.mlp")):
        for layer in (1, 2, 10):
            folder = root / "EleutherAI" / name / hook.format(layer)
            config = {"expansion_factor": 2, "normalize_decoder": True, "num_latents": F, "k": 2, "d_in": D}
            to_json(folder / "cfg.json", config)
            weights = {k: v for k, v in linear().items() if k != "decoder.weight"}
            save_file(weights | tensors("W_dec", "b_dec"), folder / "sae.safetensors")


def dictionary_learning(root: Path) -> None:
    """adamkarvonen/saebench_gemma-2-2b_width-2pow12_date-0108: trainers of one layer, with checkpoints."""
    name = "adamkarvonen/saebench_gemma-2-2b_width-2pow12_date-0108"
    for trainer, rule, k in (("TopK", "AutoEncoderTopK", 20), ("BatchTopK", "BatchTopKSAE", 80)):
        for number in (0, 1):
            folder = root / name / f"{trainer}_gemma-2-2b__0108/resid_post_layer_12/trainer_{number}"
            about = {"dict_class": rule, "activation_dim": D, "dict_size": F, "layer": 12, "k": k * 2**number}
            about |= {"lm_name": "google/gemma-2-2b", "submodule_name": "resid_post_layer_12"}
            to_json(folder / "config.json", {"trainer": about})
            more = {"b_dec": torch.zeros(D), "k": torch.tensor(2), "threshold": torch.tensor(0.5)}
            torch.save(linear(**more), folder / "ae.pt")
            to_json(folder / "eval_results.json", {})
            (folder / "checkpoints").mkdir()
            torch.save(linear(**more), folder / "checkpoints/ae_1000.pt")


def canrager(root: Path) -> None:
    """andyrdt/saes-llama-3.1-8b-instruct: one trainer a layer."""
    for layer in (3, 7):
        folder = root / f"andyrdt/saes-llama-3.1-8b-instruct/resid_post_layer_{layer}/trainer_1"
        about = {"dict_class": "BatchTopKSAE", "activation_dim": D, "dict_size": F, "layer": layer, "k": 64}
        about |= {
            "lm_name": "meta-llama/Llama-3.1-8B-Instruct",
            "submodule_name": f"resid_post_layer_{layer}",
        }
        to_json(folder / "config.json", {"trainer": about})
        more = {"b_dec": torch.zeros(D), "k": torch.tensor(2), "threshold": torch.tensor(0.5)}
        torch.save(linear(**more), folder / "ae.pt")


def saelens(root: Path) -> None:
    """jbloom/GPT2-Small-SAEs-Reformatted: hook names as folders; attention SAEs of another repository."""
    for name, hook in (
        ("jbloom/GPT2-Small-SAEs-Reformatted", "blocks.{}.hook_resid_pre"),
        ("ckkissane/gpt2-small-hook-z-saes", "blocks.{}.attn.hook_z"),
    ):
        for layer in (0, 8, 11):
            place = hook.format(layer)
            config = {"hook_point": place, "hook_point_layer": layer, "model_name": "gpt2-small"}
            to_json(
                root / name / place / "cfg.json", config | {"d_in": D, "d_sae": F, "dtype": "torch.float32"}
            )
            save_file(
                tensors("W_enc", "W_dec", "b_enc", "b_dec"), root / name / place / "sae_weights.safetensors"
            )
            save_file({"sparsity": torch.zeros(F)}, root / name / place / "sparsity.safetensors")


def openai(root: Path) -> None:
    """OpenAI's sparse_autoencoder for gpt2-small: a file a layer, the site in the folder's name."""
    for site in ("resid_post_mlp_v5_32k", "mlp_post_act_v5_32k"):
        folder = root / "openai/gpt2-small" / site / "autoencoders"
        folder.mkdir(parents=True)
        for layer in (0, 6, 11):
            state = linear(pre_bias=torch.zeros(D), latent_bias=torch.zeros(F))
            del state["encoder.bias"]
            more = {"activation": "TopK", "activation_state_dict": {"k": 2, "postact_fn": "ReLU"}}
            torch.save(state | more, folder / f"{layer}.pt")


def goodfire(root: Path) -> None:
    """Goodfire/Llama-3.1-8B-Instruct-SAE-l19: one torch file."""
    folder = root / "Goodfire/Llama-3.1-8B-Instruct-SAE-l19"
    folder.mkdir(parents=True)
    state = {name.replace("coder.", "coder_linear."): value for name, value in linear().items()}
    torch.save(state | {"decoder_linear.bias": torch.zeros(D)}, folder / "Llama-3.1-8B-Instruct-SAE-l19.pth")
    (folder / "README.md").write_text("A sparse autoencoder.")


def qwen_scope(root: Path) -> None:
    """Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_50: a file a layer; width and k in the repository's name."""
    folder = root / "Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_50"
    folder.mkdir(parents=True)
    wide = 64
    for layer in (0, 5, 27):
        weights = {"W_enc": torch.ones(wide, D), "W_dec": torch.ones(D, wide), "b_enc": torch.ones(wide)}
        weights |= tensors("b_dec")
        torch.save(weights, folder / f"layer{layer}.sae.pt")


def saelens_6(place: Path, hook: str, architecture: str, *names: str) -> None:
    """One SAE as sae-lens writes it since version 6: what isn't the SAE's own stands under `metadata`."""
    about = {"sae_lens_version": "6.3.1", "model_name": "gemma-2-2b", "hook_name": hook, "prepend_bos": True}
    sizes = {"architecture": architecture, "d_in": D, "d_sae": F, "dtype": "float32", "k": 2}
    to_json(place / "cfg.json", sizes | {"normalize_activations": "none", "metadata": about})
    save_file(tensors(*names), place / "sae_weights.safetensors")


def snapshots(root: Path) -> None:
    """decoderesearch/sae-snapshot-panels: SAEs of one layer by rule, k, seed and step, all deep below."""
    for rule, k in (("batchtopk", "k-50"), ("batchtopk", "k-100"), ("matryoshka", "k-100")):
        for step in ("step-24414-tokens-100000000", "step-122070-tokens-500000000"):
            below = f"cross-arch-panel/gemma-2-2b/{rule}/{k}/seed-0/snapshots/{step}"
            place = root / "decoderesearch/sae-snapshot-panels" / below
            saelens_6(place, "blocks.12.hook_resid_post", "jumprelu")
            to_json(place / "absorption_results.json", {})


def one_name_a_layer(root: Path) -> None:
    """Solshine/deception-behavioral-saes-saelens: rule, layer and text in the name of one folder."""
    for layer in (2, 10):
        for text in ("deceptive_only", "mixed"):
            name = f"Solshine/deception-behavioral-saes-saelens/d20_topk_L{layer}_{text}"
            hook = f"blocks.{layer}.hook_resid_post"
            saelens_6(root / name, hook, "topk", "W_enc", "W_dec", "b_enc", "b_dec")


def transcoder_set(root: Path) -> None:
    """mwhanna/qwen3-4b-transcoders, and a 14b set, which has no config.yaml."""
    for name, config in (("qwen3-4b-transcoders", True), ("qwen3-14b-transcoders-lowl0", False)):
        folder = root / "mwhanna" / name
        for layer in (0, 1, 10):
            (folder / "features").mkdir(parents=True, exist_ok=True)
            weights = {"W_enc": torch.ones(F, D), **tensors("W_dec", "b_enc", "b_dec")}
            save_file(weights, folder / f"layer_{layer}.safetensors")
        (folder / "features/layer_0.bin").write_bytes(b"x")
        (folder / "wanb-config.yaml").write_text(f"d_model: {{value: {D}}}\n")
        about = "model_name: Qwen/Qwen3-4B\nmodel_kind: transcoder_set\nfeature_input_hook: mlp.hook_in\n"
        if config:
            (folder / "config.yaml").write_text(f"{about}feature_output_hook: hook_mlp_out\n")


def cross_layer(root: Path) -> None:
    """mntss/clt-gemma-2-2b-426k: encoders and decoders in files of their own."""
    folder, layers = root / "mntss/clt-gemma-2-2b-426k", 3
    (folder / "features").mkdir(parents=True)
    for n in range(layers):
        encoder = {f"W_enc_{n}": torch.ones(F, D), f"b_enc_{n}": torch.zeros(F), f"b_dec_{n}": torch.zeros(D)}
        save_file(encoder, folder / f"W_enc_{n}.safetensors")
        save_file({f"W_dec_{n}": torch.ones(F, layers - n, D)}, folder / f"W_dec_{n}.safetensors")
    about = "model_name: google/gemma-2-2b\nmodel_kind: cross_layer_transcoder\n"
    hooks = "feature_input_hook: hook_resid_mid\nfeature_output_hook: hook_mlp_out\n"
    (folder / "config.yaml").write_text(about + hooks)


def skip_transcoders(root: Path) -> None:
    """EleutherAI/skip-transcoder-Llama-3.2-1B-131k, with what the trainer leaves beside."""
    folder = root / "EleutherAI/skip-transcoder-Llama-3.2-1B-131k"
    for layer in (0, 5):
        place = folder / f"layers.{layer}.mlp"
        config = {"expansion_factor": 2, "normalize_decoder": True, "num_latents": F, "k": 2, "d_in": D}
        to_json(place / "cfg.json", config | {"transcode": True, "skip_connection": True})
        weights = {k: v for k, v in linear().items() if k != "decoder.weight"}
        save_file(
            weights | tensors("W_dec", "b_dec") | {"W_skip": torch.ones(D, D)}, place / "sae.safetensors"
        )
    to_json(folder / "config.json", {"sae": {"k": 2}, "model": "meta-llama/Llama-3.2-1B"})
    (folder / "optimizer_0.pt").write_bytes(b"x")


TREES: tuple[Callable[[Path], None], ...] = (
    lambda root: gemma_scope(root, "res"),
    lambda root: gemma_scope(root, "mlp"),
    lambda root: gemma_scope(root, "att"),
    gemma_scope_2,
    llama_scope,
    sparsify,
    dictionary_learning,
    canrager,
    saelens,
    openai,
    goodfire,
    qwen_scope,
    snapshots,
    one_name_a_layer,
    transcoder_set,
    cross_layer,
    skip_transcoders,
)


def write_all(root: Path) -> Path:
    """Every repository below a folder."""
    for write in TREES:
        write(root)
    return root


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
