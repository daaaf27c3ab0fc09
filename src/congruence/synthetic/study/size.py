"""How much of the study is done: numbers of worlds, their sizes, draws."""

from dataclasses import dataclass, replace
from typing import Any

from congruence.errors import InputError


@dataclass(frozen=True)
class Size:
    """What one run of the study covers.

    Attributes:
        name: "quick", "full" or another.
        seed: of all worlds.
        worlds: worlds of each kind for matchers, filters and dictionaries.
        features: of each model, for matchers and filters.
        tokens: of the text of a world.
        shares: planted shares of the measures' curves.
        curve_worlds: worlds at each of them; curve_features: of each model.
        power_pairs: numbers of pairs for 50 % against 60 %; power_worlds: worlds of each kind.
        null_worlds: worlds with nothing shared; null_draws: draws a test.
        pair_draws: shifts of the null of the best r.
        verdict_worlds: pairs of models for the verdicts on features.
        per_dimension: features per dimension of the hidden states, for SAEs.
        trained_steps: optimizer steps of trained SAEs; 0 trains none.
    """

    name: str
    seed: int = 0
    worlds: int = 3
    features: int = 240
    tokens: int = 20_000
    shares: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    curve_worlds: int = 5
    curve_features: int = 300
    power_pairs: tuple[int, ...] = (100, 400)
    power_worlds: int = 40
    null_worlds: int = 200
    null_draws: int = 99
    pair_draws: int = 99
    verdict_worlds: int = 200
    per_dimension: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    trained_steps: int = 1000

    @classmethod
    def of(cls, name: str, *, seed: int = 0, draws: int | None = None) -> "Size":
        """The quick or the full study.

        Args:
            name: "quick" or "full".
            seed: of all worlds.
            draws: null draws a test, if others are wanted.

        Raises:
            InputError: another name, or draws below 19, with which no p can be .05.
        """
        if name not in ("quick", "full"):
            raise InputError(f"study {name!r}: choose 'quick' or 'full'")
        if draws is not None and draws < 19:
            raise InputError(f"draws={draws}: use at least 19, or no p can reach .05")
        size = replace(QUICK if name == "quick" else cls("full"), seed=seed)
        more: dict[str, Any] = {} if draws is None else {"null_draws": draws, "pair_draws": draws}
        return replace(size, **more)


QUICK = Size(
    "quick",
    worlds=1,
    features=100,
    tokens=6000,
    shares=(0.0, 0.5, 1.0),
    curve_worlds=2,
    curve_features=100,
    power_pairs=(100,),
    power_worlds=4,
    null_worlds=8,
    null_draws=19,
    pair_draws=19,
    verdict_worlds=6,
    per_dimension=(0.5, 4.0),
    trained_steps=0,
)
