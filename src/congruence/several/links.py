"""Links between the features of two models: pairs in which each is the other's best partner."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from congruence.errors import InputError

_LAYER = 1 << 40
"""Features of a layer are fewer than this, so that layer and feature are one number."""


@dataclass(frozen=True, eq=False)
class Links:
    """Pairs of features of two models x and y, over all of their layers.

    Between two layers they are one-to-one: each is the other's best partner there.

    Attributes:
        layer_x, feature_x, layer_y, feature_y: (n,) int64 where each pair stands.
        r: (n,) float64 similarity of their activations.
        firings_x, firings_y: (n,) int64 tokens on which each fires.
        null_r: (n,) float64 the r that chance gives at their firing rates; NaN where nobody asked.
    """

    layer_x: Int[np.ndarray, " n"]
    feature_x: Int[np.ndarray, " n"]
    layer_y: Int[np.ndarray, " n"]
    feature_y: Int[np.ndarray, " n"]
    r: Float[np.ndarray, " n"]
    firings_x: Int[np.ndarray, " n"]
    firings_y: Int[np.ndarray, " n"]
    null_r: Float[np.ndarray, " n"]

    def __post_init__(self) -> None:
        sizes = {len(getattr(self, field.name)) for field in fields(self)}
        if len(sizes) > 1:
            raise InputError(f"the columns of Links have {sorted(sizes)} rows: give as many of each")

    def __len__(self) -> int:
        return len(self.r)

    @cached_property
    def node_x(self) -> Int[np.ndarray, " n"]:
        """(n,) layer and feature of x as one number."""
        return self.layer_x * _LAYER + self.feature_x

    @cached_property
    def node_y(self) -> Int[np.ndarray, " n"]:
        """(n,) the same of y."""
        return self.layer_y * _LAYER + self.feature_y

    @classmethod
    def of(cls, **columns: Iterable[float]) -> "Links":
        """From columns of any numbers; firings and nulls that aren't given are unknown."""
        count = len(np.asarray(columns["r"]))
        whole = {field.name: np.int64 for field in fields(cls)} | {"r": np.float64, "null_r": np.float64}
        absent: dict[str, Any] = {
            "firings_x": -1,
            "firings_y": -1,
            "null_r": np.nan,
            "layer_x": 0,
            "layer_y": 0,
        }
        given = {name: columns.get(name, np.full(count, absent.get(name, 0))) for name in whole}
        return cls(**{name: np.asarray(given[name]).astype(kind) for name, kind in whole.items()})

    def select(self, rows: np.ndarray) -> "Links":
        """The links at an index array or mask."""
        return Links(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def swapped(self) -> "Links":
        """The same links with the models exchanged."""
        other = {"_x": "_y", "_y": "_x"}
        return Links(
            **{
                field.name: getattr(self, field.name[:-2] + other.get(field.name[-2:], field.name[-2:]))
                for field in fields(self)
            }
        )

    def at(self, layer_x: int, layer_y: int) -> "Links":
        """The links between two layers."""
        return self.select(self._by_layers.get((layer_x, layer_y), np.empty(0, np.int64)))

    def beating_chance(self) -> "Links":
        """Those whose r is above what chance gives; where nobody asked for that, all."""
        return self.select(~(self.r <= self.null_r))

    def best(self) -> "Links":
        """Of all layers: links in which each has its highest r to the other model; one-to-one.

        Equal r go to the lower layer and feature.
        """
        order = np.lexsort((self.node_y, self.node_x, -self.r))
        first_x, first_y = (_firsts(node[order]) for node in (self.node_x, self.node_y))
        return self.select(np.sort(order[first_x & first_y]))

    @cached_property
    def _by_layers(self) -> dict[tuple[int, int], np.ndarray]:
        order = np.lexsort((self.layer_y, self.layer_x))
        layers = np.stack([self.layer_x[order], self.layer_y[order]], axis=1)
        starts = (
            np.flatnonzero(np.append(True, (layers[1:] != layers[:-1]).any(axis=1))) if len(order) else []
        )
        ends = [*starts[1:], len(order)] if len(order) else []
        return {
            (int(layers[start, 0]), int(layers[start, 1])): order[start:end]
            for start, end in zip(starts, ends, strict=True)
        }


def _firsts(values: np.ndarray) -> np.ndarray:
    """Which entries have a value that none before them has."""
    mask = np.zeros(len(values), bool)
    mask[np.unique(values, return_index=True)[1]] = True
    return mask
