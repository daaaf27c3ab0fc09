"""`rotation`: re-pairings that turn the rows around by one offset, so that neighbours stay neighbours."""

from dataclasses import dataclass

import numpy as np

from congruence.nulls import Case, Null, null
from congruence.rng import derive


@null
@dataclass(frozen=True)
class Rotation(Null):
    """Row i of x paired with row (i + offset) mod n of y; draw d has its own offset."""

    name = "rotation"
    title = "rows turned around"
    hypothesis = "every offset between the two orders of rows is equally likely"
    in_words = "with the rows turned around"
    repairs = True

    def draw(self, case: Case, numbers: range) -> np.ndarray:
        offsets = [derive(case.seed, "rotation", number).integers(1, case.n) for number in numbers]
        return np.array([(np.arange(case.n) + offset) % case.n for offset in offsets])
