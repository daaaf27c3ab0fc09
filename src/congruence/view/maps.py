"""Both decoder spaces in the plane, with the features that are matched."""

from typing import Any

import numpy as np

from congruence.view.cells import CellKey
from congruence.view.matches import Matches
from congruence.view.plain import numbers
from congruence.view.stored import Stored, Text
from congruence.view.views import where

NO_MAP = "No map is stored with this run: an older version wrote it, or its folder activations/ isn't here."


def feature_map(stored: Stored, key: CellKey, matches: Matches) -> dict[str, Any]:
    """Where the features of a cell lie; see `MapAnswer` in the pages' types."""
    arrays = [stored.layer(source) for source in key.sources()]
    text, nothing = stored.text, {"features": [], "x": [], "y": [], "firings": [], "token": []}
    pairs: dict[str, Any] = {"a": [], "b": [], "r": [], "kept": []}
    if text is None or arrays[0] is None or arrays[1] is None:
        unknown = {"a": nothing, "b": nothing, "pairs": pairs}
        return {"cell": key.record(), "method": None, "words": NO_MAP, **unknown}
    sides = [_side(one, text) for one in arrays if one is not None]
    at = [{feature: place for place, feature in enumerate(side["features"])} for side in sides]
    table = where(
        matches.table, matches.table.feature_a.isin(at[0].keys()) & matches.table.feature_b.isin(at[1].keys())
    )
    pairs = {
        "a": [at[0][feature] for feature in table.feature_a.tolist()],
        "b": [at[1][feature] for feature in table.feature_b.tolist()],
        "r": numbers(table.r.round(3)),
        "kept": table.kept.astype(bool).tolist(),
    }
    return {
        "cell": key.record(),
        "method": stored.map_method,
        "words": "",
        "a": sides[0],
        "b": sides[1],
        "pairs": pairs,
    }


def _side(arrays: dict[str, np.ndarray], text: Text) -> dict[str, Any]:
    features = np.flatnonzero(np.isfinite(arrays["xy"]).all(axis=1))
    first = arrays["top_codes"][features, :1]
    return {
        "features": features.tolist(),
        "x": numbers(arrays["xy"][features, 0].round(3)),
        "y": numbers(arrays["xy"][features, 1].round(3)),
        "firings": arrays["firings"][features].tolist(),
        "token": [" ".join(text.words(codes)) for codes in first],
    }
