"""Numbers of a run and of the papers in one form, so that both can be compared and asked the same."""

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd

from congruence.run import Run

Frame = Any
"""A pandas DataFrame or Series: the stubs can't follow selections by condition."""
COLUMNS = ["quantity", "concept", "layer_a", "layer_b", "value"]
MEASURES = ("pc1_correlation", "rsa", "translation_accuracy", "svcca", "linear_cka")
ANY_LAYER = -1
"""Stands for the layers where a paper prints one number for several."""
OF_CELLS = {
    "mean r before filters": "mean_r_before",
    "mean r after filters": "mean_r_after",
    "pairs": "pairs_after",
}


@dataclass(frozen=True)
class Numbers:
    """One experiment's numbers.

    Attributes:
        table: one row a quantity, concept and layer pair; quantities are measures (``rsa``), their nulls
            (``rsa null``), p (``rsa p``; ``rsa p (subset)`` against random features), of repeated runs their
            spread (``rsa std``), ``pairs``, and mean r before and after filters; concept is ``all`` for the
            whole space.
        origin: whose they are.
    """

    table: Frame
    origin: str

    def grid(self, quantity: str, concept: str = "all") -> Frame:
        """Layers of A down, layers of B across; empty where there are none."""
        rows = self.table[(self.table.quantity == quantity) & (self.table.concept == concept)]
        rows = rows[(rows.layer_a != ANY_LAYER) & (rows.layer_b != ANY_LAYER) & rows.value.notna()]
        return rows.pivot(index="layer_a", columns="layer_b", values="value")

    def one(self, quantity: str, concept: str = "all") -> float:
        """A number that stands for several layers; NaN where there is none."""
        rows = self.table[(self.table.quantity == quantity) & (self.table.concept == concept)]
        return float(rows.value.iloc[0]) if len(rows) == 1 else float("nan")

    @property
    def concepts(self) -> list[str]:
        """Names of its concept subspaces."""
        return [name for name in dict.fromkeys(self.table.concept) if name != "all"]


@cache
def _published() -> Frame:
    place = resources.files("congruence") / "assets" / "published" / "numbers.csv"
    with place.open(encoding="utf-8") as file:
        return pd.read_csv(file)


def published(experiment: str) -> Numbers | None:
    """A paper's numbers: those stored by its code where there are any, else those it prints.

    Args:
        experiment: as numbers.csv names it; "" for none.
    """
    rows = _published()[_published().experiment == experiment]
    if rows.empty:
        return None
    source = "stored" if (rows.source == "stored").any() else "printed"
    return Numbers(rows[rows.source == source][COLUMNS].reset_index(drop=True), source)


def printed_tables(experiment: str) -> dict[str, Numbers]:
    """The tables that a paper prints of an experiment, by name."""
    rows = _published()[_published().experiment == experiment]
    names = [name for name in dict.fromkeys(rows.source) if name not in ("stored", "printed")]
    return {name: Numbers(rows[rows.source == name][COLUMNS], name) for name in names}


def numbers_of(run: Run) -> Numbers:
    """A finished run's numbers: its whole space and concepts under the null of re-paired features."""
    results: Frame = run.results
    results = results[(results.control == "none") & (results.subspace != "interaction")]
    results = results.assign(concept=as_printed(results))
    parts = _random_features(results[results.null == "subset"])
    results = results[results.null.isin(["pairing", _null(run)])]
    for measure in MEASURES:
        rows = results[results.measure.str.match(rf"{measure}(\(|$)")]
        rows = rows.drop_duplicates(["concept", "subspace", "layer_a", "layer_b"])
        for quantity, column in ((measure, "value"), (f"{measure} null", "null_mean"), (f"{measure} p", "p")):
            parts.append(_rows(rows, quantity, column))
    concepts = results[results.concept != "all"].drop_duplicates(["concept", "layer_a", "layer_b"])
    parts.append(_rows(concepts, "pairs", "n"))
    for quantity, column in OF_CELLS.items():
        parts.append(_rows(run.real_cells.assign(concept="all"), quantity, column))
    table = pd.concat([part for part in parts if len(part)], ignore_index=True)
    return Numbers(table.drop_duplicates(COLUMNS[:-1]), "this run")


def as_printed(results: Frame) -> Frame:
    """Names of subspaces as the papers' numbers have them: unions with room round the plus, phrases plain."""
    unions = results.concept.str.replace("+", " + ", regex=False)
    named = results.concept.where(results.subspace != "overlap", unions)
    return named.str.replace(r" \(active\)$", "", regex=True)


def _random_features(results: Frame) -> list[Frame]:
    """p of concepts against random features paired anew (Test 2)."""
    found = []
    for measure in MEASURES:
        rows = results[results.measure.str.match(rf"{measure}(\(|$)")]
        rows = rows.drop_duplicates(["concept", "layer_a", "layer_b"])
        found.append(_rows(rows, f"{measure} p (subset)", "p"))
    return found


def _null(run: Run) -> str:
    whole = run.results[run.results.concept == "all"]
    return str(whole.null.iloc[0]) if len(whole) else "pairing"


def _rows(rows: Frame, quantity: str, column: str) -> Frame:
    places = rows[["concept", "layer_a", "layer_b"]]
    return places.assign(quantity=quantity, value=rows[column].astype(np.float64))[COLUMNS]


def mean_and_spread(runs: list[Numbers]) -> tuple[Numbers, Frame]:
    """The mean over repeated runs; a table of mean, standard deviation (n − 1) and runs of each number."""
    stacked = pd.concat([numbers.table for numbers in runs], ignore_index=True)
    grouped = stacked.groupby(COLUMNS[:-1], sort=False).value
    spread = grouped.agg(mean="mean", std="std", runs="count").reset_index()
    mean = spread.rename(columns={"mean": "value"})[COLUMNS]
    std = spread[spread["std"].notna() & spread.quantity.isin(MEASURES)]
    std = std.assign(quantity=std.quantity + " std", value=std["std"])[COLUMNS]
    mean = pd.concat([mean, std], ignore_index=True)
    return Numbers(mean, f"mean of {len(runs)} runs"), spread
