"""The cells of a run: which features are compared with which."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from congruence.sides.variants import REAL


@dataclass(frozen=True, order=True)
class Source:
    """Where one side of a cell comes from.

    Attributes:
        side: the model, "a" or "b".
        variant: "real", or the control: "other_seed", "rerandomized", "untrained_sae",
            "frozen_decoder", "neurons".
        layer: block of that model.
    """

    side: str
    variant: str
    layer: int

    @property
    def name(self) -> str:
        """What seeds derive from, e.g. ``a/real/3``."""
        return f"{self.side}/{self.variant}/{self.layer}"


@dataclass(frozen=True)
class Cell:
    """One layer pair of one grid.

    Attributes:
        control: "none" for the real comparison, else what is controlled for.
        control_side: the model that an other_seed cell lies within; "" elsewhere.
        a, b: the two sides.
    """

    control: str
    control_side: str
    a: Source
    b: Source

    @property
    def name(self) -> str:
        """A short name for logs and files, e.g. ``L3-L5`` or ``other_seed-a-L2-L2``."""
        prefix = "" if self.control == "none" else f"{self.control}-"
        prefix += f"{self.control_side}-" if self.control_side else ""
        return f"{prefix}L{self.a.layer}-L{self.b.layer}"


def cells_of(
    layers: Mapping[str, Sequence[int]],
    other_seed: Mapping[str, Sequence[int]],
    frozen_decoder: Mapping[str, Sequence[int]],
    controls: Sequence[str],
) -> list[Cell]:
    """The real grid, the ceilings of sides that have SAEs of another seed, and a grid for each control.

    Args:
        layers: side -> its layers.
        other_seed: side -> the layers that have an SAE of another seed.
        frozen_decoder: side -> the layers that have an SAE whose decoder stayed at its random start.
        controls: names of the other controls.
    """
    cells = real_cells(layers["a"], layers["b"])
    for side, seeded in other_seed.items():
        cells += ceiling_cells(side, seeded)
    for control in controls:
        there = frozen_decoder if control == "frozen_decoder" else layers
        if control != "other_seed":
            cells += control_cells(control, there["a"], there["b"])
    return cells


def real_cells(layers_a: Sequence[int], layers_b: Sequence[int]) -> list[Cell]:
    """The grid that the run is about."""
    return _full("none", REAL, layers_a, layers_b)


def control_cells(control: str, layers_a: Sequence[int], layers_b: Sequence[int]) -> list[Cell]:
    """A whole grid in which both sides are replaced by a control's variant."""
    return _full(control, control, layers_a, layers_b)


def ceiling_cells(side: str, layers: Sequence[int]) -> list[Cell]:
    """One model against itself with SAEs of another seed: as alike as SAE training allows."""
    return [
        Cell("other_seed", side, Source(side, REAL, layer), Source(side, "other_seed", layer))
        for layer in layers
    ]


def _full(control: str, variant: str, layers_a: Sequence[int], layers_b: Sequence[int]) -> list[Cell]:
    return [
        Cell(control, "", Source("a", variant, layer_a), Source("b", variant, layer_b))
        for layer_a in layers_a
        for layer_b in layers_b
    ]
