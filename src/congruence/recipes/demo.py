"""The embedded demo: two small language models with their SAEs, carried by the package."""

from importlib import resources
from pathlib import Path

from congruence.errors import StorageError
from congruence.run import RunConfig


def demo_folder() -> Path:
    """Where the installed package keeps the demo's models, SAEs and text."""
    folder = Path(str(resources.files("congruence") / "assets" / "demo"))
    if not (folder / "demo.json").exists():
        raise StorageError(
            f"the demo's files aren't in {folder}: install congruence from its wheel or sources"
        )
    return folder


CONCEPTS = {
    "lists": ["all"],
    "overlaps": [["Emotions", "People/Roles"], ["Nature", "Biology"], ["Time", "Nature"]],
    "multi_token": [
        {"first": "Emotions", "second": "People/Roles"},
        {"first": "Nature", "second": "Time"},
    ],
}
"""The eight published lists, three unions and phrases of two pairs of concepts."""


def demo(*, draws: int = 1000, seed: int = 0, concepts: bool = False) -> RunConfig:
    """All layer pairs of the embedded models, with a second SAE seed of one layer each as the ceiling.

    Args:
        draws: null scores of each test.
        seed: of everything random.
        concepts: compare concept subspaces too.
    """
    folder = demo_folder()

    def side(size: str) -> dict[str, str]:
        return {
            "model": str(folder / size),
            "saes": str(folder / "saes" / size),
            "other_seed": str(folder / "saes" / f"{size}-seed1"),
            "name": f"demo-{size}",
        }

    return RunConfig.model_validate(
        {
            "a": side("small"),
            "b": side("large"),
            "corpus": {"path": str(folder / "text" / "comparison.jsonl"), "max_tokens": 256},
            "pairing": {"method": "many_to_one", "from": "b", "keep": "best"},
            "null": {"kind": "pairing", "draws": draws},
            "concepts": CONCEPTS if concepts else None,
            "seed": seed,
        }
    )
