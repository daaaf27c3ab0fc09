"""The records that pass between the layers. Plain data: no files, devices or logs.

Sides are `_a` and `_b`. Similarities grow with likeness.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from scipy import sparse

from congruence.display import html_table
from congruence.scalar import Scalar
from congruence.wording import format_score


@runtime_checkable
class FeatureActs(Protocol):
    """Sparse feature activations, one row a token, that need not fit in memory.

    What `congruence.activations` stores and `congruence.stats` reads: `shape` is (n tokens, n features),
    iterating gives the rows in order as CSR blocks of float32, and `document_offsets` (documents + 1,)
    holds the first row of each document and n at its end.
    """

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def document_offsets(self) -> np.ndarray: ...

    def __iter__(self) -> Iterator[sparse.csr_array]: ...


@dataclass(frozen=True, repr=False)
class Matching:
    """Pairs of features, one entry a pair, in the order of `feature_b` or `feature_a` as the method says.

    Attributes:
        method: registered name of the matcher, e.g. ``many_to_one``.
        feature_a, feature_b: (p,) int64 feature indices.
        r: (p,) float64 similarity of each pair (Pearson r unless `measure` says otherwise).
        firings_a, firings_b: (p,) int64 tokens on which each feature of the pair fires.
        cofirings: (p,) int64 tokens on which both fire.
        margin: (p,) float64 r minus the r of the second-best partner; NaN where there is none.
        mutual: (p,) bool, each is the other's best partner.
        objective: what the matcher maximises, in words.
        total: the value of that objective reached.
        measure: similarity used.
        unmatched: features that have no partner (constant or dead), counted by side: {"a": 3, "b": 0}.
        null_r: (p,) float64 95 % point of the best r of unrelated text; None where it wasn't drawn.
        p_r: (p,) float64 p of each r against that; None where it wasn't drawn.
    """

    method: str
    feature_a: np.ndarray
    feature_b: np.ndarray
    r: np.ndarray
    firings_a: np.ndarray
    firings_b: np.ndarray
    cofirings: np.ndarray
    margin: np.ndarray
    mutual: np.ndarray
    objective: str
    total: float
    measure: str = "pearson"
    unmatched: Mapping[str, int] = field(default_factory=dict)
    null_r: np.ndarray | None = None
    p_r: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.feature_a)

    def select(self, keep: np.ndarray) -> "Matching":
        """The pairs at a boolean mask or index array; `total` stays that of the whole matching."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name in _PER_PAIR}
        return replace(self, **{name: v[keep] for name, v in values.items() if v is not None})

    def __repr__(self) -> str:
        mean = float(self.r.mean()) if len(self) else float("nan")
        return f"Matching({self.method}: {len(self):,} pairs, mean {self.measure} {format_score(mean)})"

    def _repr_html_(self) -> str:
        """The strongest pairs, for a notebook."""
        strongest = np.argsort(-self.r, kind="stable")[:10]
        columns = ("feature_a", "feature_b", "r", "margin", "cofirings", "mutual")
        rows = [[_plain(getattr(self, name)[i]) for name in columns] for i in strongest]
        return html_table(repr(self), rows, heads=columns)


_PER_PAIR = (
    "feature_a", "feature_b", "r", "firings_a", "firings_b", "cofirings", "margin", "mutual", "null_r", "p_r",
)  # fmt: skip


def _plain(value: Any) -> str:
    """One entry of an array as a table shows it."""
    return format_score(float(value)) if isinstance(value, np.floating) else str(value)


@dataclass(frozen=True, eq=False, repr=False)
class Score(Scalar):
    """The value of one measure on paired rows, and what it rests on. It is used as the number it holds.

    Attributes:
        measure: registered name.
        value: the score; NaN only where the record says why in `warnings`.
        n: number of pairs.
        details: what the measure used: ranks, variance kept, components, splits.
        warnings: one line for each reason to doubt the value.
    """

    measure: str
    value: float
    n: int
    details: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __float__(self) -> float:
        return float(self.value)

    def __repr__(self) -> str:
        doubts = len(self.warnings)
        told = f", {doubts} warning{'s' if doubts > 1 else ''}" if doubts else ""
        return f"Score({self.measure}: {float(self):.4g}, n={self.n}{told})"

    def _repr_html_(self) -> str:
        """Value, details and warnings, for a notebook."""
        rows = [("value", f"{float(self):.6g}"), ("pairs", f"{self.n:,}"), *self.details.items()]
        return html_table(self.measure, [*rows, *(("warning", text) for text in self.warnings)])


Alternative = Literal["greater", "less", "two-sided"]


@dataclass(frozen=True, repr=False)
class NullTest:
    """An observed score against draws of a named null.

    Attributes:
        measure, null: registered names ("callable" for a function that isn't registered).
        observed: the score.
        draws: number of draws m; `scores` (m,) holds their scores, NaN where a draw gave none.
        scored: draws that gave a score; the others count as if they had reached the observed one.
        p: (1 + #{null at least as extreme}) / (1 + m).
        z: (observed - null_mean) / null_std; NaN where the null doesn't vary.
        quantiles: null quantiles by level, {0.05: ..., 0.5: ..., 0.95: ...}.
        corrected: (observed - null_mean) / (1 - null_mean): 0 at chance, 1 where the measure is 1.
        alternative: "greater" (one-sided, the default), "less" or "two-sided".
        seed: what the draws were derived from, if known.
        score: the full record of the observed score, where the measure gives one.
    """

    measure: str
    null: str
    observed: float
    scores: np.ndarray
    null_mean: float
    null_std: float
    quantiles: Mapping[float, float]
    z: float
    p: float
    corrected: float
    alternative: Alternative = "greater"
    seed: int | None = None
    score: Score | None = None

    @property
    def draws(self) -> int:
        return len(self.scores)

    @property
    def scored(self) -> int:
        return int(np.isfinite(self.scores).sum())

    def __repr__(self) -> str:
        return (
            f"NullTest({self.measure}: {float(self.observed):.4g}, p={self.p:.3g}; null {self.null}: "
            f"{self.null_mean:.4g} on average over {self.draws:,} draws)"
        )

    def _repr_html_(self) -> str:
        """The score beside its null, for a notebook."""
        rows = [
            ("score", f"{float(self.observed):.4g}"), ("null", self.null),
            ("null mean", f"{self.null_mean:.4g}"),
            *((f"null {level:.0%}", f"{value:.4g}") for level, value in self.quantiles.items()),
            ("z", f"{self.z:.3g}"), ("p", f"{self.p:.3g} ({self.alternative})"), ("draws", f"{self.draws:,}"),
        ]  # fmt: skip
        lost = self.draws - self.scored
        return html_table(self.measure, [*rows, *([("draws without a score", lost)] if lost else [])])


@dataclass(frozen=True)
class TopTokens:
    """The k tokens on which each feature fires most strongly, strongest first.

    Attributes:
        values: (f, k) float32 activations; 0 where the feature fires on fewer than k tokens.
        positions: (f, k) int64 row of the activation matrix; -1 where there is none.
        token_ids: (f, k) int64; -1 where there is none.
    """

    values: np.ndarray
    positions: np.ndarray
    token_ids: np.ndarray


@dataclass(frozen=True)
class PairLists:
    """Many sets of pairs, put end to end: list d is draw d, in every cell and for every measure.

    Attributes:
        a, b: (entries,) int64 feature of either side of each pair.
        offsets: (lists + 1,) int64 where each list begins, and the end.
    """

    a: np.ndarray
    b: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(self.offsets[number], self.offsets[number + 1])
        return self.a[part], self.b[part]

    @property
    def lengths(self) -> np.ndarray:
        """(lists,) pairs of each."""
        return np.diff(self.offsets)

    def part(self, low: int, high: int) -> "PairLists":
        """Lists low … high − 1."""
        offsets = self.offsets[low : high + 1]
        entries = slice(offsets[0], offsets[-1])
        return PairLists(self.a[entries], self.b[entries], offsets - offsets[0])

    def take(self, numbers: np.ndarray) -> "PairLists":
        """Some of the lists, in the order given."""
        lengths = self.lengths[numbers]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.repeat(self.offsets[numbers] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return PairLists(self.a[places], self.b[places], offsets)

    @classmethod
    def of(cls, lists: Sequence[tuple[np.ndarray, np.ndarray]]) -> "PairLists":
        """Put lists end to end."""
        offsets = np.concatenate([[0], np.cumsum([len(a) for a, _ in lists])]).astype(np.int64)
        a, b = (np.concatenate([np.asarray(pair[side]) for pair in lists] or [[]]) for side in (0, 1))
        return cls(a.astype(np.int64), b.astype(np.int64), offsets)

    @classmethod
    def joined(cls, parts: Sequence["PairLists"]) -> "PairLists":
        """The lists of all parts, one after another."""
        lengths = np.concatenate([part.lengths for part in parts])
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(np.concatenate([p.a for p in parts]), np.concatenate([p.b for p in parts]), offsets)
