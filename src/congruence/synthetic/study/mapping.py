"""What an SAE makes of another model's states after a map, over planted shares, beside ceiling and nulls."""

from typing import Any

from congruence.synthetic.dictionaries import true_sae
from congruence.synthetic.study.size import Size
from congruence.synthetic.study.task import Rows, Task, row, world_seed
from congruence.synthetic.world import World
from congruence.transfer import transfer

SHARES = (0.0, 0.5, 0.7, 1.0)
FEATURES, WIDTH, TOKENS = 96, 48, 12_000
QUANTITIES = {
    "r2": "R²",
    "explained": "EV",
    "explained_of_target": "EV of A's own",
    "f1": "F1 of firing",
    "r": "r",
}
"""Field of a Transfer -> its name in the tables."""


def tasks(size: Size) -> list[Task]:
    """B's states given to A's true dictionary, at four shares."""
    found = []
    for share in SHARES:
        for number in range(size.worlds):
            options: dict[str, Any] = {
                "features": FEATURES,
                "width": WIDTH,
                "tokens": min(TOKENS, size.tokens),
                "shared": share,
                "seed": world_seed(size.seed, "transfer", number),
            }
            found.append(Task("transfer", "rotated", options, {}, transfer_on))
    return found


def transfer_on(world: World) -> Rows:
    """Every map and null of one world."""
    a, b = world.models
    judged = transfer(
        b.states(), a.states(), true_sae(a), document_offsets=world.document_offsets, seed=world.options.seed
    )
    return [
        row(one.kind, one.null, name, getattr(one, field))
        for one in judged
        for field, name in QUANTITIES.items()
    ]
