"""What correlating two sides gives."""

from dataclasses import dataclass

import numpy as np

from congruence.display import html_table
from congruence.stats.moments import Moments


@dataclass(frozen=True)
class BestPartners:
    """For each feature of one side its most similar features of the other, best first.

    Attributes:
        values: (f, k) float64 similarity; NaN where there is no such partner.
        indices: (f, k) int64 feature of the other side; -1 where there is no such partner.
        cofirings: (f, k) int64 tokens on which both fire; 0 where there is no such partner.
    """

    values: np.ndarray
    indices: np.ndarray
    cofirings: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True)
class EngineChoice:
    """Which engine did the work, and why: ``sparse``, ``dense-cpu`` or ``dense-cuda``."""

    name: str
    reason: str


@dataclass(frozen=True, repr=False)
class Correlation:
    """The best partners of every feature, both ways, and the statistics of each side.

    Attributes:
        a_to_b: for each A feature its best B features.
        b_to_a: for each B feature its best A features.
        moments_a, moments_b: firing counts, means and deviations of each side.
        measure: similarity used.
        min_cofirings: pairs that fire together on fewer tokens were left out (where above 1).
        engine: what did the work, and why.
    """

    a_to_b: BestPartners
    b_to_a: BestPartners
    moments_a: Moments
    moments_b: Moments
    measure: str
    min_cofirings: int
    engine: EngineChoice

    def __repr__(self) -> str:
        sides = f"{len(self.a_to_b):,} × {len(self.b_to_a):,} features"
        return (
            f"Correlation({self.measure}: {sides}, {self.n:,} tokens, top {self.top_k}, {self.engine.name})"
        )

    def _repr_html_(self) -> str:
        """Both sides and what did the work, for a notebook."""
        rows = [
            ("features", f"{len(self.a_to_b):,}", f"{len(self.b_to_a):,}"),
            ("that never vary", f"{self.constant_a:,}", f"{self.constant_b:,}"),
            ("engine", self.engine.name, self.engine.reason),
        ]
        title = f"{self.measure} over {self.n:,} tokens, the best {self.top_k} of each feature"
        return html_table(title, rows, heads=("", "a", "b"))

    @property
    def values(self) -> np.ndarray:
        """(f, k) similarity of each A feature to its best B features."""
        return self.a_to_b.values

    @property
    def indices(self) -> np.ndarray:
        """(f, k) the best B features of each A feature; -1 where there is none."""
        return self.a_to_b.indices

    @property
    def cofirings(self) -> np.ndarray:
        """(f, k) tokens on which each A feature fires together with its best B features."""
        return self.a_to_b.cofirings

    @property
    def n(self) -> int:
        """Tokens correlated over."""
        return self.moments_a.n

    @property
    def top_k(self) -> int:
        """Partners kept for each feature."""
        return self.a_to_b.indices.shape[1]

    @property
    def firings_a(self) -> np.ndarray:
        """(f,) tokens on which each A feature fires."""
        return self.moments_a.firings

    @property
    def mean_a(self) -> np.ndarray:
        """(f,) mean activation over all tokens."""
        return self.moments_a.mean

    @property
    def std_a(self) -> np.ndarray:
        """(f,) population standard deviation over all tokens."""
        return self.moments_a.std

    @property
    def constant_a(self) -> int:
        """Number of A features that never vary, and so have no partner."""
        return int(np.count_nonzero(self.moments_a.constant))

    @property
    def firings_b(self) -> np.ndarray:
        """(g,) tokens on which each B feature fires."""
        return self.moments_b.firings

    @property
    def mean_b(self) -> np.ndarray:
        """(g,) mean activation over all tokens."""
        return self.moments_b.mean

    @property
    def std_b(self) -> np.ndarray:
        """(g,) population standard deviation over all tokens."""
        return self.moments_b.std

    @property
    def constant_b(self) -> int:
        """Number of B features that never vary, and so have no partner."""
        return int(np.count_nonzero(self.moments_b.constant))

    def swap(self) -> "Correlation":
        """The same record with A and B exchanged."""
        return Correlation(
            a_to_b=self.b_to_a,
            b_to_a=self.a_to_b,
            moments_a=self.moments_b,
            moments_b=self.moments_a,
            measure=self.measure,
            min_cofirings=self.min_cofirings,
            engine=self.engine,
        )
