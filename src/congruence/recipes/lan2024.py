"""The experiments of Lan et al. 2024 (arXiv 2410.06981)."""

from collections.abc import Mapping
from typing import Any

from congruence.recipes.recipe import Recipe, add
from congruence.recipes.sides import (
    FILTERS,
    GEMMA_2_2B,
    GEMMA_2B,
    GEMMA_TEXT,
    LLAMA_3,
    LLAMA_3_1,
    LLAMA_TEXT,
    MANY_TO_ONE,
    ONE_TO_ONE,
    PYTHIA_70M,
    PYTHIA_160M,
    PYTHIA_TEXT,
    STORIES,
    TINYSTORIES_1L,
    gemma_1,
    gemma_2,
    grid,
    llama_3,
    llama_3_1,
    pythia,
    tinystories,
)

LAYERS_70M, LAYERS_160M = [1, 2, 3, 4, 5], list(range(1, 12))
LAYERS_GEMMA_1, LAYERS_GEMMA_2 = [6, 10, 12, 17], [2, 6, 10, 14, 18, 22]
CONCEPTS = {
    "lists": ["all"],
    "pairing": {"method": "many_to_one", "from": "b", "keep": "best"},
    "measures": ["pc1_correlation", "rsa", "linear_cka"],
}
GATED = "Gemma's weights are gated: accept their licence on the Hub and log in first."
REGISTRY = (
    "Layer 12 of gemma-2b-res-jb needs the input factor that sae-lens' registry holds: install sae-lens."
)


def pythia_grid(pairing: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Layers 1 to 5 of Pythia-70m by layers 1 to 11 of Pythia-160m."""
    return grid(pythia("70m", LAYERS_70M), pythia("160m", LAYERS_160M), PYTHIA_TEXT, pairing, **more)


def gemma_grid(pairing: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Four layers of Gemma 1 2B by six of Gemma 2 2B."""
    return grid(gemma_1(LAYERS_GEMMA_1), gemma_2("2b", LAYERS_GEMMA_2), GEMMA_TEXT, pairing, **more)


def _semantic_pythia() -> dict[str, Any]:
    sides = {"a": pythia("70m", LAYERS_70M), "b": pythia("160m", [3, 5, 7, 9, 11])}
    return {**pythia_grid(ONE_TO_ONE, concepts=CONCEPTS), **sides}


def _semantic_gemma() -> dict[str, Any]:
    sides = {"a": gemma_1(LAYERS_GEMMA_1), "b": gemma_2("2b", [6, 10, 14, 17])}
    return {**gemma_grid(ONE_TO_ONE, concepts=CONCEPTS), **sides}


def _llama() -> dict[str, Any]:
    sides = {"a": llama_3([25]), "b": llama_3_1([25]), "corpus": LLAMA_TEXT}
    return {**pythia_grid(ONE_TO_ONE), **sides}


def _seeds(kind: str) -> dict[str, Any]:
    return {"a": tinystories(0, kind), "b": tinystories(1, kind)}


def _tinystories() -> dict[str, Any]:
    return {**pythia_grid(ONE_TO_ONE), **_seeds("x16"), "corpus": STORIES}


def _neurons() -> dict[str, Any]:
    neurons = {"features": "neurons", "saes": None, "hook": "resid_post"}
    sides = {"a": pythia("70m", LAYERS_70M, **neurons), "b": pythia("160m", LAYERS_160M, **neurons)}
    return {**pythia_grid(ONE_TO_ONE), **sides}


def _mlp() -> dict[str, Any]:
    sides = {"a": pythia("70m", LAYERS_70M, hook="mlp_out"), "b": pythia("160m", LAYERS_160M, hook="mlp_out")}
    return {**pythia_grid(ONE_TO_ONE), **sides}


_UNFILTERED: Any = {"filters": [], "pairing": MANY_TO_ONE}
_RELU = {"architecture": "relu", "expansion": 16, "l1_coefficient": 5, "l1_warm_up": 0.05}
_TOPK = {"architecture": "topk", "expansion": 16, "k": 32}
_PYTHIA: Any = {"paper": "lan2024", "gpu_gb": 4, "disk_gb": 8, "minutes": 20, "topk": True}
_PYTHIA["widths"] = (PYTHIA_70M, PYTHIA_160M)
_GEMMA: Any = {"paper": "lan2024", "gpu_gb": 14, "disk_gb": 16, "minutes": 30, "note": f"{GATED} {REGISTRY}"}
_GEMMA |= {"widths": (GEMMA_2B, GEMMA_2_2B), "gemma": True}

add(
    Recipe(
        "lan2024-pythia",
        "Pythia-70m × Pythia-160m, all layer pairs, 1-to-1",
        shows="heat maps of SVCCA and RSA and of their nulls, Pythia, 1-to-1",
        make=lambda: pythia_grid(ONE_TO_ONE),
        published="pythia one-to-one",
        beside="lan2024-pythia-many-to-one",
        **_PYTHIA,
    )
)
add(
    Recipe(
        "lan2024-pythia-many-to-one",
        "Pythia-70m × Pythia-160m, all layer pairs, many features of B to one of A",
        shows="heat maps of many-to-1 SVCCA and RSA, Pythia; tables 5 and 6 (pairs kept, features of A)",
        make=lambda: pythia_grid(MANY_TO_ONE),
        published="pythia many-to-one",
        beside="lan2024-pythia",
        **_PYTHIA,
    )
)
add(
    Recipe(
        "lan2024-pythia-one-to-many",
        "Pythia-70m × Pythia-160m, all layer pairs, many features of A to one of B",
        shows="heat maps of the reverse direction, Pythia",
        make=lambda: pythia_grid({**MANY_TO_ONE, "from": "a"}),
        published="pythia one-to-many",
        beside="lan2024-pythia",
        **_PYTHIA,
    )
)
add(
    Recipe(
        "lan2024-gemma",
        "Gemma 1 2B × Gemma 2 2B, 1-to-1",
        shows="heat maps of SVCCA and RSA, Gemma, 1-to-1; table 8 (pairs kept)",
        make=lambda: gemma_grid(ONE_TO_ONE),
        published="gemma one-to-one",
        beside="lan2024-gemma-many-to-one",
        **_GEMMA,
    )
)
add(
    Recipe(
        "lan2024-gemma-many-to-one",
        "Gemma 1 2B × Gemma 2 2B, many features of B to one of A",
        shows="heat maps of many-to-1 SVCCA and RSA, Gemma; table 7 (pairs kept)",
        make=lambda: gemma_grid(MANY_TO_ONE),
        published="gemma many-to-one",
        beside="lan2024-gemma",
        **_GEMMA,
    )
)
add(
    Recipe(
        "lan2024-semantic-pythia",
        "Eight concepts, Pythia-70m × Pythia-160m",
        shows="heat maps of semantic subspaces, Pythia; tables 1, 3, 4 and 9",
        make=_semantic_pythia,
        published="pythia semantic",
        beside="lan2024-pythia",
        **{**_PYTHIA, "minutes": 40},
    )
)
add(
    Recipe(
        "lan2024-semantic-gemma",
        "Eight concepts, Gemma 1 2B × Gemma 2 2B",
        shows="heat maps of semantic subspaces, Gemma; table 2",
        make=_semantic_gemma,
        published="gemma semantic",
        beside="lan2024-gemma",
        **{**_GEMMA, "minutes": 40},
    )
)
add(
    Recipe(
        "lan2024-llama",
        "Llama 3 8B × Llama 3.1 8B at layer 25",
        "lan2024",
        shows="the scores of the Llama pair, in the text",
        make=_llama,
        widths=(LLAMA_3, LLAMA_3_1),
        gpu_gb=40,
        disk_gb=36,
        minutes=30,
        note="Llama's weights are gated. The public gated SAE of Llama 3 was trained on the instruct model. "
        "No number of this experiment is at hand to compare with.",
    )
)
add(
    Recipe(
        "lan2024-tinystories",
        "TinyStories-1L-21M through SAEs of two seeds: filtered or not, both directions, widths and kinds",
        "lan2024",
        shows="appendix A: SAEs of two seeds, before and after filtering, by r and by decoder cosine",
        make=_tinystories,
        published="tinystories",
        widths=(TINYSTORIES_1L, TINYSTORIES_1L),
        parts={
            "filtered": {},
            "unfiltered": _UNFILTERED,
            "filtered-one-to-many": {"pairing": {**ONE_TO_ONE, "from": "a"}},
            "unfiltered-one-to-many": {**_UNFILTERED, "pairing": {**MANY_TO_ONE, "from": "a"}},
            "random-tokens": {"filters": ["random_tokens", *FILTERS[1:]]},
            "cosine": {"pairing": {**ONE_TO_ONE, "method": "decoder_cosine"}},
            "narrow": _seeds("x8"),
            "narrow-unfiltered": {**_seeds("x8"), **_UNFILTERED},
            "topk": _seeds("topk-x16"),
            "topk-unfiltered": {**_seeds("topk-x16"), **_UNFILTERED},
            "topk-narrow": _seeds("topk-x8"),
            "topk-narrow-unfiltered": {**_seeds("topk-x8"), **_UNFILTERED},
        },
        printed={
            "filtered": ".94",
            "unfiltered": ".73 or .80",
            "filtered-one-to-many": ".94",
            "unfiltered-one-to-many": ".73 or .80",
            "cosine": ".92",
        },
        training={
            "model": "roneneldan/TinyStories-1Layer-21M",
            "corpus": {"dataset": "roneneldan/TinyStories", "documents": 200_000, "max_tokens": 128},
            "hook": "mlp_out",
            "layers": [0],
            "seeds": [0, 1],
            "sae": _RELU,
            "training": {
                "steps": 30_000,
                "batch": 4096,
                "learning_rate": 1e-5,
                "warm_up": 0,
                "decay": 0.2,
                "start_at_mean": False,
            },
        },
        training_of_parts={
            f"{part}{end}": {"sae": sae}
            for part, sae in (
                ("narrow", {**_RELU, "expansion": 8}),
                ("topk", _TOPK),
                ("topk-narrow", {**_TOPK, "expansion": 8}),
            )
            for end in ("", "-unfiltered")
        },
        gpu_gb=4,
        disk_gb=6,
        minutes=120,
        note="Its SAEs were never published: train them first (`congruence recipe show lan2024-tinystories "
        "--training`), to tinystories-saes/x16, and those of the parts narrow, topk and topk-narrow (--part) "
        "to x8, topk-x16 and topk-x8 there. The paper says learning rate 1e-5, its code 5e-5. TopK is ours.",
    )
)
add(
    Recipe(
        "lan2024-neurons",
        "The control in the published code: hidden units in place of SAE features, Pythia",
        shows="none: in the code, not in the paper",
        make=_neurons,
        beside="lan2024-pythia",
        **{**_PYTHIA, "minutes": 10, "disk_gb": 2, "topk": False},
    )
)
add(
    Recipe(
        "lan2024-mlp",
        "SAEs of MLP outputs in place of the residual stream, Pythia",
        shows="none: in the code, not in the paper",
        make=_mlp,
        **_PYTHIA,
    )
)
