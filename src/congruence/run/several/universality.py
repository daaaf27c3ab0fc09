"""In how many other models each feature has a counterpart."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from congruence.config.models import Names
from congruence.run.columns import blank_row, table_of
from congruence.run.models_schema import UNIVERSALITY
from congruence.run.several.linked import VERDICTS, Linked
from congruence.significance.verdicts import NOT_SHARED, SHARED, UNTOLD

_KEYS = ["model", "layer", "feature"]


def universality(
    models: Sequence[str], pairs: Mapping[Names, Linked], consensus: Mapping[tuple[str, int, int], int]
) -> pd.DataFrame:
    """A row a feature that is known of in any pair.

    Where a pair has verdicts they say whether there is a counterpart; elsewhere its best link does, if it
    beats chance.

    Args:
        models: names in order.
        pairs: names of two -> what links them.
        consensus: model, layer and feature -> number of the consensus feature that it is in.
    """
    parts = [part for names, one in pairs.items() for part in _of_pair(names, one)]
    table = pd.concat(parts, ignore_index=True)
    place = {name: number for number, name in enumerate(models)}
    order = [table.other.map(place), table.feature, table.layer, table.model.map(place)]
    table = table.iloc[np.lexsort([one.to_numpy() for one in order])]
    return table_of(_rows(table, len(models) - 1, consensus), UNIVERSALITY)


def shares_of(table: pd.DataFrame, models: Sequence[str]) -> dict[str, list[float]]:
    """For each model the share of its features that have a counterpart in 0, 1, … other models."""
    found = {}
    for name in models:
        mine = table[table.model == name]
        counts = np.bincount(mine.shared, minlength=len(models))
        found[name] = (counts / max(len(mine), 1)).tolist()
    return found


def _rows(table: pd.DataFrame, others: int, consensus: Mapping[Any, int]) -> Iterator[dict[str, Any]]:
    """Rows of one feature stand together in the table; plain lists, as a data frame a feature is slow."""
    held = {name: table[name].tolist() for name in table.columns}
    keys = list(zip(*(held[name] for name in _KEYS), strict=True))
    for key, places in groupby(range(len(keys)), keys.__getitem__):
        at = list(places)
        told = [held["verdict"][i] for i in at]
        partners = [_partner(held, i) for i in at if held["partner"][i] >= 0]
        yield blank_row(
            UNIVERSALITY,
            **dict(zip(_KEYS, key, strict=True)),
            firings=max(held["firings"][i] for i in at),
            others=others,
            shared=told.count(SHARED),
            lacking=told.count(NOT_SHARED),
            untold=told.count(UNTOLD),
            basis=" and ".join(dict.fromkeys(held["basis"][i] for i in at)),
            shared_with=[held["other"][i] for i in at if held["verdict"][i] == SHARED],
            best_r=max((one["r"] for one in partners if one["r"] == one["r"]), default=np.nan),
            partners=partners,
            consensus=consensus.get(key, -1),
            top_tokens=next((list(held["top_tokens"][i]) for i in at if len(held["top_tokens"][i])), []),
        )


def _partner(held: Mapping[str, list[Any]], i: int) -> dict[str, Any]:
    place = {"model": held["other"][i], "layer": held["partner_layer"][i], "feature": held["partner"][i]}
    return place | {"r": float(held["r"][i]), "verdict": held["verdict"][i]}


def _of_pair(names: Names, one: Linked) -> Iterator[pd.DataFrame]:
    """What a pair says of the features of either model."""
    for side, model, other in (("a", *names), ("b", *names[::-1])):
        told = _from_verdicts(one, side) if one.basis == VERDICTS else _from_links(one, side)
        yield told.assign(model=model, other=other, basis=one.basis)


def _from_verdicts(one: Linked, side: str) -> pd.DataFrame:
    columns = [
        "side",
        "layer",
        "feature",
        "firings",
        "partner_layer",
        "partner",
        "r",
        "verdict",
        "top_tokens",
    ]
    table = one.run.columns_of("features", columns, [("side", "==", side)])
    return table.drop(columns="side")


def _from_links(one: Linked, side: str) -> pd.DataFrame:
    """The strongest link of each feature."""
    links = one.all if side == "a" else one.all.swapped()
    tokens = one.tokens[side]
    order = np.argsort(-links.r, kind="stable")
    table = pd.DataFrame({
        "layer": links.layer_x, "feature": links.feature_x, "firings": links.firings_x,
        "partner_layer": links.layer_y, "partner": links.feature_y, "r": links.r,
        "verdict": np.where(links.r <= links.null_r, UNTOLD, SHARED),
    })  # fmt: skip
    table = table.iloc[order].drop_duplicates(["layer", "feature"])
    top = [tokens.get(place, []) for place in zip(table.layer, table.feature, strict=True)]
    return table.assign(top_tokens=pd.Series(top, index=table.index, dtype=object))
