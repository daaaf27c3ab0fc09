"""The models and SAEs of both papers, as sides of a configuration, and their texts."""

from collections.abc import Mapping
from typing import Any

OPENWEBTEXT = "Skylion007/openwebtext"
TINYSTORIES = "roneneldan/TinyStories"
PYTHIA_TEXT = {"dataset": OPENWEBTEXT, "documents": 100, "max_tokens": 300}
GEMMA_TEXT = {"dataset": OPENWEBTEXT, "documents": 150, "max_tokens": 150}
LLAMA_TEXT = {"dataset": OPENWEBTEXT, "documents": 100, "max_tokens": 100}
STORIES = {"dataset": TINYSTORIES, "documents": 500, "max_tokens": 128}

PYTHIA_70M, PYTHIA_160M = (512, 32_768), (768, 32_768)
GEMMA_2B, GEMMA_2_2B, GEMMA_2_9B = (2048, 16_384), (2304, 16_384), (3584, 16_384)
LLAMA_3, LLAMA_3_1 = (4096, 65_536), (4096, 32_768)
TINYSTORIES_1L = (1024, 16_384)


def pythia(size: str, layers: list[int], **changes: Any) -> dict[str, Any]:
    """Pythia with EleutherAI's TopK SAEs of 32,768 features; `size` is 70m or 160m."""
    return {
        "model": f"EleutherAI/pythia-{size}-deduped",
        "saes": f"EleutherAI/sae-pythia-{size}-32k",
        "layers": layers,
        "name": f"pythia-{size}",
        **changes,
    }


def gemma_1(layers: list[int], **changes: Any) -> dict[str, Any]:
    """Gemma 1 2B with the SAEs that SAELens calls gemma-2b-res-jb; layer 12 needs its registry's factor."""
    saes = {"path": "gemma-2b-res-jb", "sae_id": "blocks.{layer}.hook_resid_post"}
    return {"model": "google/gemma-2b", "saes": saes, "layers": layers, "name": "gemma-2b", **changes}


def gemma_2(size: str, layers: list[int], *, width: str = "16k", **changes: Any) -> dict[str, Any]:
    """Gemma 2 of 2b or 9b with Gemma Scope's residual SAEs, of each layer the one its authors recommend."""
    return {
        "model": f"google/gemma-2-{size}",
        "saes": f"google/gemma-scope-{size}-pt-res/layer_{{layer}}/width_{width}/canonical",
        "layers": layers,
        "name": f"gemma-2-{size}",
        **changes,
    }


def llama_3(layers: list[int]) -> dict[str, Any]:
    """Llama 3 8B with the only public SAE of 65,536 gated features at layer 25, of the instruct model."""
    return {
        "model": "meta-llama/Meta-Llama-3-8B-Instruct",
        "saes": "Juliushanhanhan/llama-3-8b-it-res",
        "layers": layers,
        "name": "llama-3-8b",
    }


def llama_3_1(layers: list[int]) -> dict[str, Any]:
    """Llama 3.1 8B with Llama Scope's residual SAEs of 32,768 features."""
    return {
        "model": "meta-llama/Llama-3.1-8B",
        "saes": "fnlp/Llama3_1-8B-Base-LXR-8x",
        "layers": layers,
        "name": "llama-3.1-8b",
    }


def tinystories(seed: int, kind: str = "x16") -> dict[str, Any]:
    """TinyStories-1L-21M with an SAE of its MLP output, trained as the recipe's training file says."""
    return {
        "model": "roneneldan/TinyStories-1Layer-21M",
        "saes": f"tinystories-saes/{kind}/seed{seed}",
        "layers": [0],
        "hook": "mlp_out",
        "name": f"TinyStories-1L seed {seed}",
    }


ONE_TO_ONE = {"method": "many_to_one", "from": "b", "keep": "best"}
MANY_TO_ONE = {"method": "many_to_one", "from": "b"}
FILTERS = ["non_concept", "shared_token", {"min_r": 0.1}, {"min_cofirings": 5}]
MEASURES = ["pc1_correlation", "rsa", "translation_accuracy", {"svcca": {"n_components": "n/10"}}]


def grid(
    a: Mapping[str, Any],
    b: Mapping[str, Any],
    corpus: Mapping[str, Any],
    pairing: Mapping[str, Any],
    **more: Any,
) -> dict[str, Any]:
    """The configuration of a grid of layer pairs, filtered and scored as both papers do."""
    sections = {"a": a, "b": b, "corpus": corpus, "pairing": pairing}
    return {**sections, "filters": FILTERS, "measures": MEASURES, **more}
