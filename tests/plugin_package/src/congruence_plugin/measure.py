"""`sign_agreement`: in how many pairs of features do the two sides agree on whether they point the same way?"""

from dataclasses import dataclass

import numpy as np

from congruence.metrics import Laws, Measure, metric
from congruence.metrics.inputs import paired
from congruence.records import Score


@dataclass(frozen=True)
class PreparedSigns:
    """The signs of all inner products inside each side."""

    x: np.ndarray
    y: np.ndarray
    resolution: float = 1e-12

    @property
    def n(self) -> int:
        return len(self.x)

    def observed(self) -> Score:
        return Score("sign_agreement", float(self.repaired(np.arange(self.n)[None])[0]), self.n)

    def repaired(self, permutations: np.ndarray) -> np.ndarray:
        above = np.triu_indices(self.n, k=1)
        return np.array([(self.x == self.y[np.ix_(p, p)])[above].mean() for p in permutations])


@metric
class SignAgreement(Measure):
    """Share of pairs of rows whose inner product is above `threshold` on both sides or on neither."""

    threshold: float = 0.0
    """Inner products above it count as pointing the same way."""

    name = "sign_agreement"
    title = "Sign agreement"
    range = (0.0, 1.0)
    laws = Laws(translation=False, scale=False)
    reading = "For how many pairs of features do both sides agree on whether they point the same way?"
    beware = "Half of it is chance."
    says = "the sides agree on {percent} of the directions"

    def prepare(self, x, y) -> PreparedSigns:
        pair = paired(x, y)
        return PreparedSigns(*(rows @ rows.T > self.threshold for rows in (pair.x, pair.y)))
