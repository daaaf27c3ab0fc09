"""What both papers name as future work, ready to run."""

from typing import Any

from congruence.filters import NON_CONCEPT_TOKENS
from congruence.recipes.lan2024 import GATED, pythia_grid
from congruence.recipes.recipe import Recipe, add
from congruence.recipes.sides import (
    FILTERS,
    GEMMA_TEXT,
    ONE_TO_ONE,
    PYTHIA_TEXT,
    gemma_2,
    grid,
    pythia,
)
from congruence.recipes.son2025 import gemma_grid

STEPS = (512, 2000, 8000, 32_000, 128_000)
"""Checkpoints of Pythia's training that are compared with the last one, step 143,000."""
KINDS_OF_TOKENS = {
    "line-breaks": ("\\n", "\n"),
    "spaces": ("", " "),
    "stops": (".", "!", "?"),
    "commas": (",",),
    "hyphens": ("-",),
}
"""The non-concept tokens of Lan et al. 2024, appendix F, by kind."""


def _all_layers() -> dict[str, Any]:
    sides = {"a": pythia("70m", list(range(6))), "b": pythia("160m", list(range(12)))}
    return {**pythia_grid(ONE_TO_ONE), **sides}


def _fine_tuned() -> dict[str, Any]:
    layers = [2, 6, 10, 14, 18, 22, 25]
    tuned = {"model": "google/gemma-2-2b-it", "name": "gemma-2-2b-it"}
    base = gemma_2("2b", layers)
    return grid(base, {**base, **tuned}, GEMMA_TEXT, ONE_TO_ONE)


def _widths() -> dict[str, Any]:
    sections = gemma_grid({"method": "many_to_one", "from": "b"}, [6, 12, 18])
    wide = gemma_2("2b", [6, 12, 18], width="65k", name="gemma-2-2b 65k")
    return {**sections, "a": gemma_2("2b", [6, 12, 18], name="gemma-2-2b 16k"), "b": wide}


def _attention() -> dict[str, Any]:
    here: Any = {"hook": "attn_out"}
    sides = {"a": pythia("70m", list(range(6)), **here), "b": pythia("160m", list(range(12)), **here)}
    return {**pythia_grid(ONE_TO_ONE), **sides}


def _but(*spared: str) -> dict[str, Any]:
    """The non-concept filter with some of its tokens left in."""
    tokens = [token for token in NON_CONCEPT_TOKENS if token not in spared]
    return {"filters": [{"non_concept": {"tokens": tokens}}, *FILTERS[1:]]}


def _seed_ceiling() -> dict[str, Any]:
    ceiling = {"other_seed": "pythia-70m-other-seed"}
    return {**pythia_grid(ONE_TO_ONE), "a": pythia("70m", [1, 2, 3, 4, 5], **ceiling)}


def _checkpoint(step: int) -> dict[str, Any]:
    return pythia("70m", [1, 2, 3, 4, 5], revision=f"step{step}", name=f"pythia-70m step {step}")


def _checkpoints() -> dict[str, Any]:
    return grid(pythia("70m", [1, 2, 3, 4, 5]), _checkpoint(STEPS[-1]), PYTHIA_TEXT, ONE_TO_ONE)


add(
    Recipe(
        "all-layers-pythia",
        "Every layer of Pythia-70m × every layer of Pythia-160m, the first ones included",
        "extension",
        "future work of Lan et al. 2024",
        _all_layers,
        gpu_gb=4,
        disk_gb=10,
        minutes=30,
        topk=True,
    )
)
add(
    Recipe(
        "attention-pythia",
        "SAEs of attention outputs in place of the residual stream, all layers of Pythia-70m × Pythia-160m",
        "extension",
        "future work of Lan et al. 2024: SAEs of other parts of a block",
        _attention,
        beside="lan2024-pythia",
        gpu_gb=4,
        disk_gb=10,
        minutes=30,
        note="Hold it against lan2024-pythia and lan2024-mlp by what stands above each one's null: an "
        "attention output is small beside the stream it is added to, and its SAEs have other features.",
        topk=True,
    )
)
add(
    Recipe(
        "non-concept-tokens-pythia",
        "Which non-concept tokens matter: the filter with each kind of token left in, and with none, Pythia",
        "extension",
        "future work of Lan et al. 2024: which filtered tokens change the scores",
        lambda: pythia_grid(ONE_TO_ONE),
        parts={
            "all": {},
            "none": {"filters": FILTERS[1:]},
            "random-tokens": {"filters": ["random_tokens", *FILTERS[1:]]},
            **{f"but-{name}": _but(*tokens) for name, tokens in KINDS_OF_TOKENS.items()},
        },
        gpu_gb=4,
        disk_gb=64,
        minutes=150,
        note="A part `but-X` drops no pair for X alone; special tokens always count. The parts keep "
        "different pairs and numbers of pairs: compare scores above their nulls, and first of all with "
        "random-tokens, which drops as many pairs by other tokens.",
        topk=True,
    )
)
add(
    Recipe(
        "base-and-fine-tuned-gemma",
        "Gemma 2 2B × its instruction-tuned model, both through the base's SAEs, layer by layer",
        "extension",
        "what users of base SAEs on fine-tuned models ask",
        _fine_tuned,
        gpu_gb=16,
        disk_gb=24,
        minutes=40,
        note=f"{GATED} Both sides share their decoders: the scores say which features still fire together; "
        "read the mean r, the pairs of equal index and the FVU of b before any score of decoder rows.",
    )
)
add(
    Recipe(
        "widths-gemma",
        "SAEs of 16k × SAEs of 65k features of one model: splitting and absorption",
        "extension",
        "one feature of a to many of b",
        _widths,
        gpu_gb=14,
        disk_gb=20,
        minutes=60,
        note=f"{GATED} How many features of b share one of a stands in matches.parquet.",
    )
)
add(
    Recipe(
        "seed-ceiling-pythia",
        "The first paper's grid beside SAEs of two seeds of one model: the most that can be expected",
        "extension",
        "a ceiling for every claim",
        _seed_ceiling,
        beside="lan2024-pythia",
        gpu_gb=4,
        disk_gb=10,
        minutes=25,
        note="No second seed of these SAEs is public: train one (`congruence train-sae`) to "
        "pythia-70m-other-seed, or change other_seed.",
        topk=True,
    )
)
add(
    Recipe(
        "checkpoints-pythia",
        "Pythia-70m at five steps of its training × its last one, through the last one's SAEs",
        "extension",
        "likeness as a curve over training steps",
        _checkpoints,
        parts={f"step{step}": {"b": _checkpoint(step)} for step in STEPS},
        gpu_gb=4,
        disk_gb=12,
        minutes=60,
        note="The SAEs are those of the last step: the preflight says from which step on they fit; --force "
        "runs the others too.",
        topk=True,
    )
)
