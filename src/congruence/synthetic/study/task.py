"""One piece of the study: a world and what is measured on it, as rows."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from congruence.rng import derive_seed
from congruence.synthetic.world import World, make_world

Rows = list[dict[str, Any]]

COLUMNS = {
    "chapter": "what is asked",
    "world": "kind of world",
    "shared": "planted share of features that both models have",
    "subject": "matcher, filter, measure or SAE that is looked at",
    "setting": "its threshold, null or pairing",
    "quantity": "what was measured",
    "value": "the number",
    "seed": "of the world",
}
"""Column of the table of results -> what it is."""


@dataclass(frozen=True)
class Task:
    """Rows to be had of one world.

    Attributes:
        chapter: part of the study; `world` is the kind of world within it.
        options: of the world.
        settings: what the rows depend on besides, JSON-like.
        compute: world -> rows with subject, setting, quantity and value.
    """

    chapter: str
    world: str
    options: dict[str, Any]
    settings: dict[str, Any]
    compute: Callable[[World], Rows]

    @property
    def key(self) -> list[Any]:
        """What the rows follow from."""
        return [self.chapter, self.world, asdict(make_world(**self.options).options), self.settings]

    def rows(self) -> Rows:
        """Make the world and measure."""
        world = make_world(**self.options)
        about = {"chapter": self.chapter, "world": self.world, "shared": world.options.shared}
        return [about | row | {"seed": world.options.seed} for row in self.compute(world)]


def world_seed(seed: int, *path: str | int) -> int:
    """Seed of one world of the study: a number of 31 bits, so that it can be typed."""
    return derive_seed(seed, "study", *path) % (1 << 31)


def row(subject: str, setting: str, quantity: str, value: float) -> dict[str, Any]:
    """What a task says of one number."""
    return {"subject": subject, "setting": setting, "quantity": quantity, "value": float(value)}
