"""The experiments of Son et al. 2025 (arXiv 2507.22918): Gemma 2 2B against Gemma 2 9B."""

from collections.abc import Mapping
from typing import Any

from congruence.recipes.lan2024 import GATED
from congruence.recipes.recipe import Recipe, add
from congruence.recipes.sides import GEMMA_2_2B, GEMMA_2_9B, GEMMA_TEXT, gemma_2, grid

LAYERS_2B, LAYERS_9B = [2, 6, 10, 14, 17, 22], [2, 6, 10, 19, 25, 39]
GREEDY = {"method": "greedy"}
MANY_TO_ONE = {"method": "many_to_one", "from": "a"}
OVERLAPS = [
    ["Emotions", "Time"],
    ["Nature", "People/Roles"],
    ["Countries", "People/Roles"],
    ["Calendar", "Nature"],
    ["Calendar", "People/Roles"],
]
INSIDE = {"method": "greedy"}
LISTS = "son2025"
"""Eight lists built as the paper builds its own, which it doesn't print."""
OF_CONCEPTS = {"pairing": INSIDE, "measures": ["pc1_correlation", "rsa", "linear_cka"]}


def gemma_grid(pairing: Mapping[str, Any], layers_a: list[int] = LAYERS_2B, **more: Any) -> dict[str, Any]:
    """Layers of Gemma 2 2B by six of Gemma 2 9B."""
    return grid(gemma_2("2b", layers_a), gemma_2("9b", LAYERS_9B), GEMMA_TEXT, pairing, **more)


def _semantic() -> dict[str, Any]:
    return gemma_grid(GREEDY, [6, 10, 14, 17], concepts={"lists": [LISTS], **OF_CONCEPTS})


def _overlap() -> dict[str, Any]:
    lists = [f"{LISTS}:{name}" for name in sorted({name for union in OVERLAPS for name in union})]
    return gemma_grid(GREEDY, [6, 10, 14, 17], concepts={"lists": lists, "overlaps": OVERLAPS, **OF_CONCEPTS})


def _multi_token() -> dict[str, Any]:
    phrases = [{"first": "Emotions", "second": "Time"}, {"first": "Calendar", "second": "Emotions"}]
    lists = [f"{LISTS}:{name}" for name in ("Emotions", "Time", "Calendar")]
    sections = gemma_grid(GREEDY, [6], concepts={"lists": lists, "multi_token": phrases, **OF_CONCEPTS})
    return {**sections, "b": gemma_2("9b", [2, 10])}


_SON: Any = {"paper": "son2025", "gpu_gb": 30, "disk_gb": 32, "minutes": 60, "note": GATED}
_SON["widths"] = (GEMMA_2_2B, GEMMA_2_9B)

add(
    Recipe(
        "son2025-gemma",
        "Gemma 2 2B × Gemma 2 9B, greedy 1-to-1",
        shows="heat maps of 1-to-1 SVCCA, RSA and mean activation correlation (five-run means: --runs 5)",
        make=lambda: gemma_grid(GREEDY),
        published="son one-to-one",
        beside="son2025-gemma-many-to-one",
        **_SON,
    )
)
add(
    Recipe(
        "son2025-gemma-many-to-one",
        "Gemma 2 2B × Gemma 2 9B, each feature of A to its best of B",
        shows="heat maps of many-to-1 SVCCA and RSA (single run, and five-run means: --runs 5)",
        make=lambda: gemma_grid(MANY_TO_ONE),
        published="son many-to-one",
        beside="son2025-gemma",
        **_SON,
    )
)
add(
    Recipe(
        "son2025-semantic",
        "Concepts, Gemma 2 2B × Gemma 2 9B",
        shows="heat maps of semantic subspaces, SVCCA and RSA",
        make=_semantic,
        published="son semantic",
        **_SON,
    )
)
add(
    Recipe(
        "son2025-overlap",
        "Unions of two concepts, Gemma 2 2B × Gemma 2 9B",
        shows="tables 1 and 2: overlapping subspaces",
        make=_overlap,
        published="son overlap",
        **_SON,
    )
)
add(
    Recipe(
        "son2025-multi-token",
        "Phrases of two concepts, Gemma 2 2B layer 6 × Gemma 2 9B layers 2 and 10",
        shows="table 3: multi-token subspaces",
        make=_multi_token,
        published="son multi-token",
        **{**_SON, "minutes": 30},
    )
)
add(
    Recipe(
        "son2025-distance-measures",
        "Pairing by Pearson, cosine and Euclidean similarity, Gemma 2 2B × Gemma 2 9B",
        shows="the comparison of distance measures, in the text",
        make=lambda: gemma_grid(GREEDY),
        published="son one-to-one",
        parts={
            "pearson": {},
            "cosine": {"pairing": {**GREEDY, "measure": "cosine"}},
            "euclidean": {
                "pairing": {**GREEDY, "measure": "euclidean"},
                "filters": ["non_concept", "shared_token", {"min_cofirings": 5}],
            },
        },
        **{**_SON, "minutes": 150, "disk_gb": 34},
    )
)
