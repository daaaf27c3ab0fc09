"""A selection of features in one cell, with its observed pairs: what the loop of a run goes through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from congruence.metrics import Measure
from congruence.nulls import Case, Null


@dataclass(frozen=True, eq=False)
class Selection:
    """Features of both sides that are compared, and their pairs.

    Attributes:
        concept, subspace: what the results call it, and its kind.
        case: its pairs, and all that nulls may draw from.
        measures, nulls: what scores it, and what it is held against.
        draws: draws of each null.
        selected: features selected on each side, before pairing.
        fewest: features on either side, and pairs, below which it has too few.
        details: what every row of it says.
    """

    concept: str
    subspace: str
    case: Case
    measures: Sequence[Measure]
    nulls: Sequence[Null]
    draws: int
    selected: tuple[int, int] | None = None
    fewest: int = 3
    details: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The paired decoder rows, fetched once: the decoders can be let go then."""
        (a, b), (feature_a, feature_b) = self.case.rows, self.case.pairs  # pyright: ignore[reportGeneralTypeIssues]
        return a.W_dec[feature_a], b.W_dec[feature_b]

    @property
    def needs(self) -> list[int]:
        """Bytes that preparing each measure takes at most, about."""
        d_a, d_b = (rows.shape[1] for rows in self.rows)
        return [measure.memory(self.case.n, d_a, d_b) for measure in self.measures]

    @property
    def too_few(self) -> str:
        """Why it can't be scored; nothing where it can."""
        if self.selected is not None and min(self.selected) < self.fewest:
            a, b = self.selected
            return f"too few features: {min(a, b)} of {self.fewest} needed (a: {a}, b: {b})"
        if self.case.n < self.fewest:
            return f"too few pairs: {self.case.n} of {self.fewest} needed"
        return ""
