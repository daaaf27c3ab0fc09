"""Where a cell stands, what it is called in addresses, and whose features it compares."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from congruence.errors import InputError, quoted

FIELDS = ("control", "control_side", "layer_a", "layer_b")


@dataclass(frozen=True, order=True)
class CellKey:
    """One layer pair of one grid.

    Attributes:
        control: "none" for the comparison itself.
        control_side: the model that an other_seed cell lies within, else "".
        layer_a, layer_b: blocks.
    """

    control: str
    control_side: str
    layer_a: int
    layer_b: int

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> "CellKey":
        """From the fields of an address or of a row.

        Raises:
            InputError: a layer is no number.
        """
        layers = {}
        for field in ("layer_a", "layer_b"):
            try:
                layers[field] = int(given[field])
            except (KeyError, ValueError, TypeError, OverflowError) as error:
                named = quoted(str(given.get(field, "")), 40)
                raise InputError(f"{field}={named} is no layer: give its number") from error
        return cls(str(given.get("control", "none")), str(given.get("control_side", "")), **layers)

    @property
    def text(self) -> str:
        """Its key in a report's data."""
        return f"{self.control}|{self.control_side}|{self.layer_a}|{self.layer_b}"

    def sources(self) -> tuple[str, str]:
        """Names of both sides' features in run.json, e.g. ``a/real/3``."""
        if self.control == "other_seed":
            side = self.control_side
            return f"{side}/real/{self.layer_a}", f"{side}/other_seed/{self.layer_b}"
        variant = "real" if self.control == "none" else self.control
        return f"a/{variant}/{self.layer_a}", f"b/{variant}/{self.layer_b}"

    def record(self) -> dict[str, Any]:
        """Its fields."""
        return asdict(self)
