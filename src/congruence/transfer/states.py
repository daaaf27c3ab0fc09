"""Hidden states of two layers on the same tokens, with the sums that maps between them are fitted from."""

from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from congruence.metrics.blas import in_parallel
from congruence.transfer.maps import FittedMap, StateMoments, fit_map
from congruence.transfer.split import Split

Part = Literal["fit", "held", "shifted"]


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
        x = np.asarray(states)
        parts = (split.fit, split.held, split.judged)
        return cls(*in_parallel(lambda part: x[part].astype(np.float64, copy=False), parts))

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
    """Two layers at shared tokens; what both directions need is made once.

    Attributes:
        x: of the model mapped from; y: of the one mapped to.
        shift: rows by which the fitted half of x is moved for the null of shifted text.
        made: products and rotations made so far, shared with the pair the other way; whoever keeps it may
            give it to the same two layers again.
        turned: whether this is the other way of what `made` belongs to.
    """

    x: LayerStates
    y: LayerStates
    shift: int
    made: dict[str, Any]
    turned: bool = False

    @classmethod
    def of(
        cls, x: LayerStates, y: LayerStates, split: Split, made: dict[str, Any] | None = None
    ) -> "LayerPair":
        return cls(x, y, split.shift, {} if made is None else made)

    def reverse(self) -> "LayerPair":
        """From y to x."""
        return LayerPair(self.y, self.x, self.shift, self.made, not self.turned)

    @property
    def fit(self) -> StateMoments:
        """Sums of the fitted half."""
        return self._moments("fit")

    @property
    def held(self) -> StateMoments:
        """Sums of the other half."""
        return self._moments("held")

    @property
    def shifted(self) -> StateMoments:
        """Sums of the fitted half with one side moved against the other by whole documents."""
        return self._moments("shifted")

    @property
    def rotation(self) -> FittedMap:
        """The orthogonal map."""
        name = "rotation back" if self.turned else "rotation"
        if name not in self.made:
            self.made[name] = fit_map(self.fit, "orthogonal")
        return self.made[name]

    def multiply(self) -> None:
        """Make every product of states now, side by side, each by one thread."""
        parts: list[Part] = ["shifted", "fit", "held"]
        making = [partial(self._cross, part) for part in parts]
        making += [
            partial(getattr, one, name) for one in (self.x, self.y) for name in ("own_fit", "own_held")
        ]
        in_parallel(lambda make: make(), making)

    def _cross(self, part: Part) -> np.ndarray:
        if part not in self.made:
            first, second = (self.y, self.x) if self.turned else (self.x, self.y)
            if part == "held":
                self.made[part] = first.held.T @ second.held
            else:
                moved = np.roll(first.fit, self.shift, axis=0) if part == "shifted" else first.fit
                self.made[part] = moved.T @ second.fit
        return self.made[part]

    def _moments(self, part: Part) -> StateMoments:
        own_x, own_y = (one.own_held if part == "held" else one.own_fit for one in (self.x, self.y))
        xy = self._cross(part)
        n = len(self.x.held) if part == "held" else len(self.x.fit)
        return StateMoments(
            n, own_x[0], own_y[0], own_x[1], xy.T if self.turned else xy, float(np.trace(own_y[1]))
        )
