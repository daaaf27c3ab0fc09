"""Hidden states of two layers on the same tokens, with the sums that maps between them are fitted from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from congruence.transfer.maps import StateMoments
from congruence.transfer.split import Split


@dataclass(frozen=True, eq=False)
class LayerStates:
    """States of one layer, cut by a split. Memory 8 (n d + 2 d²) bytes.

    Attributes:
        fit, held: (n_fit, d), (n_held, d) float64.
        judged: (n_judged, d) those of the held-out ones that go through SAEs.
    """

    fit: Float[np.ndarray, "n_fit d"]
    held: Float[np.ndarray, "n_held d"]
    judged: Float[np.ndarray, "n_judged d"]

    @classmethod
    def of(cls, states: Float[np.ndarray, "n d"], split: Split) -> "LayerStates":
        """Of (n, d) states in the order of the split's tokens."""
        x = np.asarray(states, dtype=np.float64)
        return cls(x[split.fit], x[split.held], x[split.judged])

    @property
    def width(self) -> int:
        return self.fit.shape[1]

    @property
    def nbytes(self) -> int:
        """Memory held, sums included."""
        return 8 * (len(self.fit) + len(self.held) + len(self.judged) + 2 * self.width) * self.width

    @cached_property
    def own_fit(self) -> tuple[np.ndarray, np.ndarray]:
        """Sums of the fitted half: (d,) of states, (d, d) of products."""
        return self.fit.sum(axis=0), self.fit.T @ self.fit

    @cached_property
    def own_held(self) -> tuple[np.ndarray, np.ndarray]:
        """The same of the other half."""
        return self.held.sum(axis=0), self.held.T @ self.held


@dataclass(frozen=True, eq=False)
class LayerPair:
    """Two layers at shared tokens; products between them are made once for both directions.

    Attributes:
        x: of the model mapped from; y: of the one mapped to.
        shift: rows by which the fitted half of x is moved for the null of shifted text.
        cross: products made so far, shared with the pair the other way.
    """

    x: LayerStates
    y: LayerStates
    shift: int
    cross: dict[str, np.ndarray]
    turned: bool = False

    @classmethod
    def of(cls, x: LayerStates, y: LayerStates, split: Split) -> "LayerPair":
        return cls(x, y, split.shift, {})

    def reverse(self) -> "LayerPair":
        """From y to x."""
        return LayerPair(self.y, self.x, self.shift, self.cross, not self.turned)

    @property
    def fit(self) -> StateMoments:
        """Sums of the fitted half."""
        return self._moments("fit", self.x.own_fit, self.y.own_fit, lambda a, b: a.fit.T @ b.fit)

    @property
    def held(self) -> StateMoments:
        """Sums of the other half."""
        return self._moments("held", self.x.own_held, self.y.own_held, lambda a, b: a.held.T @ b.held)

    @property
    def shifted(self) -> StateMoments:
        """Sums of the fitted half with one side moved against the other by whole documents."""
        cross = lambda a, b: np.roll(a.fit, self.shift, axis=0).T @ b.fit  # noqa: E731 - as above
        return self._moments("shifted", self.x.own_fit, self.y.own_fit, cross)

    def _moments(
        self,
        part: str,
        own_x: tuple[np.ndarray, np.ndarray],
        own_y: tuple[np.ndarray, np.ndarray],
        cross: Callable[[LayerStates, LayerStates], np.ndarray],
    ) -> StateMoments:
        first, second = (self.y, self.x) if self.turned else (self.x, self.y)
        if part not in self.cross:
            self.cross[part] = cross(first, second)
        xy = self.cross[part]
        n = len(self.x.held) if part == "held" else len(self.x.fit)
        return StateMoments(
            n, own_x[0], own_y[0], own_x[1], xy.T if self.turned else xy, float(np.trace(own_y[1]))
        )
