"""Features of one side that have no counterpart in a cell, the most active ones first."""

from typing import Any

import numpy as np

from congruence.view.cells import CellKey
from congruence.view.contexts import contexts, strongest
from congruence.view.matches import Matches
from congruence.view.plain import count, number, texts
from congruence.view.stored import Stored
from congruence.view.views import where

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
    table, name = matches.table, f"feature_{side}"
    lost = where(table, ~table.kept.astype(bool))
    lost = lost.iloc[np.argsort(-lost.r.to_numpy(dtype=np.float64), kind="stable")]
    lost = lost.assign(row=lost.index).drop_duplicates(name).set_index(name)
    kept = np.unique(table.loc[table.kept.astype(bool), name].to_numpy(dtype=np.int64))
    rows = stored.run.corpus.get("kept_tokens")
    told = {"cell": key.record(), "side": side, "total": count(summary[f"unmatched_{side}"])}
    if arrays is None or text is None:
        features = np.setdiff1d(lost.index.to_numpy(dtype=np.int64), kept).tolist()
        often = lost.loc[features, f"firings_{side}"].to_numpy(dtype=np.int64)
        features = np.asarray(features)[np.lexsort((features, -often))].tolist()
        firings = {f: int(lost.at[f, f"firings_{side}"]) for f in features[:shown]}
        top = {f: texts(matches.top.listed(side, [int(lost.at[f, "row"])])[0]) for f in features[:shown]}
        largest: dict[int, Any] = dict.fromkeys(features)
        words = _OLD
    else:
        features = np.setdiff1d(np.flatnonzero(arrays["firings"] > 0), kept)
        strength = arrays["max"][features] * np.log1p(arrays["firings"][features])
        features = features[np.lexsort((features, -strength))].tolist()
        firings = {f: int(arrays["firings"][f]) for f in features}
        top = {f: text.words(arrays["top_codes"][f]) for f in features[:shown]}
        largest = {f: number(arrays["max"][f]) for f in features}
        words = ""
    columns = stored.columns(source) if text is not None and in_text else None
    found = []
    for place, feature in enumerate(features[:shown]):
        row = lost.loc[feature] if feature in lost.index else None
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
                "removed_by": "" if row is None else str(row["removed_by"]),
                "r": None if row is None else number(row["r"]),
                "contexts": shown_text,
            }
        )
    return {**told, "rows": found, "words": words}
