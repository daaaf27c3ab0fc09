"""The best partner of every feature over all layers of the other side, beside that of unrelated text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from congruence.stats import PreparedActs, best_r_null, correlate

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Counterparts:
    """What the features of one layer find on the other side.

    Attributes:
        place: (f,) which of the other side's layers the best partner lies in, by its number in the order
            given; -1 where a feature has no partner.
        feature: (f,) the partner; -1 where there is none.
        r: (f,) their correlation; NaN where there is none.
        mutual: (f,) within the two layers each is the other's best partner.
        cofirings: (f,) tokens on which both fire.
        null: (draws, f) best r over the same layers of text that was shifted by documents.
    """

    place: np.ndarray
    feature: np.ndarray
    r: np.ndarray
    mutual: np.ndarray
    cofirings: np.ndarray
    null: np.ndarray


def counterparts_of_pair(
    a: PreparedActs, b: PreparedActs, *, draws: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Best partners of one pair of layers, both ways, and the same on shifted text.

    Args:
        a, b: activations of the same tokens, with their documents.
        draws: shifts by whole documents; 0 draws none.
        rng: draws them; the same state at every pair of layers gives the same shifts, so that the best over
            layers can be taken draw by draw.

    Returns:
        For each side: `feature_a` (f,), `r_a`, `cofirings_a`, `mutual_a`, `null_a` (draws, f) float32, and
        with `_b` those of the features of B.

    Raises:
        InputError: as `correlate` and `best_r_null`.
    """
    found = correlate(a, b)
    best = {"a": found.a_to_b, "b": found.b_to_a}
    partner = {side: one.indices[:, 0] for side, one in best.items()}
    drawn = best_r_null(a, b, rng=rng, draws=draws) if draws else None
    arrays: dict[str, np.ndarray] = {}
    for side, other in (("a", "b"), ("b", "a")):
        mine = partner[side]
        back = partner[other][np.maximum(mine, 0)]
        null: Any = np.zeros((0, len(mine))) if drawn is None else getattr(drawn, f"{side}_to_{other}")
        arrays |= {
            f"feature_{side}": mine,
            f"r_{side}": best[side].values[:, 0],
            f"cofirings_{side}": best[side].cofirings[:, 0],
            f"mutual_{side}": (mine >= 0) & (back == np.arange(len(mine))),
            f"null_{side}": null.astype(np.float32),
        }
    return arrays


def over_layers(pairs: Sequence[Arrays], side: str) -> Counterparts:
    """The best over the layers of the other side; equal ones go to the first.

    Args:
        pairs: what `counterparts_of_pair` gave of one layer with each layer of the other side, in order.
        side: "a" or "b", whose features are asked for.
    """
    r = np.stack([one[f"r_{side}"] for one in pairs])
    place = np.where(np.isnan(r), -np.inf, r).argmax(axis=0)
    at = place, np.arange(r.shape[1])

    def best(name: str) -> np.ndarray:
        return np.stack([one[f"{name}_{side}"] for one in pairs])[at]

    none = np.isnan(r[at])
    null = np.fmax.reduce([one[f"null_{side}"].astype(np.float64) for one in pairs])
    return Counterparts(
        place=np.where(none, -1, place),
        feature=np.where(none, -1, best("feature")),
        r=r[at],
        mutual=best("mutual") & ~none,
        cofirings=best("cofirings"),
        null=null,
    )


def best_r(pairs: Sequence[Arrays], side: str) -> np.ndarray:
    """(f,) the best r alone, e.g. in other SAEs of the same model; NaN where there is none."""
    return np.fmax.reduce([one[f"r_{side}"] for one in pairs])
