"""Features of one side that have no counterpart in a cell, the most active ones first."""

from typing import Any

import numpy as np
import pandas as pd

from congruence.view.cells import CellKey
from congruence.view.contexts import contexts, strongest
from congruence.view.matches import Matches
from congruence.view.plain import count, number, texts
from congruence.view.stored import Stored

SHOWN = 100
WITH_CONTEXTS = 20
_OLD = "Only features that a filter took are known: this run doesn't keep the text of its features."


def unmatched(
    stored: Stored,
    key: CellKey,
    side: str,
    matches: Matches,
    *,
    shown: int = SHOWN,
    in_text: int = WITH_CONTEXTS,
) -> dict[str, Any]:
    """Living features of a side without a kept pair; see `UnmatchedAnswer` in the pages' types.

    Strongest: by the largest activation times the logarithm of one more than how often it fires, so that a
    feature that fires once doesn't come first.
    """
    summary = stored.summary(key)
    source = key.sources()["ab".index(side)]
    arrays, text = stored.layer(source), stored.text
    table = matches.table
    lost, kept = _lost(table, side)
    rows = stored.run.corpus.get("kept_tokens")
    told = {"cell": key.record(), "side": side, "total": count(summary[f"unmatched_{side}"])}
    if arrays is None or text is None:
        features = np.setdiff1d(list(lost), kept).astype(np.int64)
        often = table[f"firings_{side}"].to_numpy(dtype=np.int64)[[lost[f] for f in features.tolist()]]
        features = features[np.lexsort((features, -often))].tolist()
        firings = {f: int(table[f"firings_{side}"].iat[lost[f]]) for f in features[:shown]}
        top = {f: texts(matches.top.listed(side, [lost[f]])[0]) for f in features[:shown]}
        largest: dict[int, Any] = dict.fromkeys(features)
        words = _OLD
    else:
        features = np.setdiff1d(np.flatnonzero(arrays["firings"] > 0), kept)
        strength = arrays["max"][features] * np.log1p(arrays["firings"][features])
        features = features[np.lexsort((features, -strength))].tolist()
        firings = {f: int(arrays["firings"][f]) for f in features[:shown]}
        top = {f: text.words(arrays["top_codes"][f]) for f in features[:shown]}
        largest = {f: number(arrays["max"][f]) for f in features[:shown]}
        words = ""
    columns = stored.columns(source) if text is not None and in_text else None
    found = []
    for place, feature in enumerate(features[:shown]):
        row = lost.get(feature)
        shown_text = None
        if columns is not None and text is not None and place < in_text:
            column = columns[feature]
            peaks = strongest(text, *column, shown=3)
            shown_text = [
                {name: one[name] for name in ("tokens", "values", "peak")}
                for one in contexts(text, source[0], peaks, {"values": column})
            ]
        found.append(
            {
                "feature": int(feature),
                "firings": firings[feature],
                "rate": number(firings[feature] / rows) if rows else None,
                "max": largest[feature],
                "top_tokens": top[feature],
                "removed_by": "" if row is None else str(table.removed_by.iat[row]),
                "r": None if row is None else number(table.r.iat[row]),
                "contexts": shown_text,
            }
        )
    return {**told, "rows": found, "words": words}


def _lost(table: pd.DataFrame, side: str) -> tuple[dict[int, int], np.ndarray]:
    """Feature -> place of the most alike of its pairs that a filter took; and features with a kept pair."""
    features, kept = table[f"feature_{side}"].to_numpy(dtype=np.int64), table.kept.to_numpy(dtype=bool)
    places = np.flatnonzero(~kept)
    places = places[np.argsort(-table.r.to_numpy(dtype=np.float64)[places], kind="stable")]
    found, first = np.unique(features[places], return_index=True)
    return dict(zip(found.tolist(), places[first].tolist(), strict=True)), np.unique(features[kept])
