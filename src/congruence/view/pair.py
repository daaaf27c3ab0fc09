"""Two features side by side, with the text that makes them fire: are they the same?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from congruence.errors import InputError
from congruence.rng import derive
from congruence.view.cells import CellKey
from congruence.view.contexts import Column, contexts, strongest
from congruence.view.matches import Matches, row_of
from congruence.view.neuronpedia import feature_page
from congruence.view.plain import edges_of, histogram, number, rounded, texts
from congruence.view.stored import Stored

JOINT = 600
"""Tokens of the scatter."""
NO_CONTEXTS = (
    "No contexts are stored with this run: an older congruence wrote it, or its folder activations/ isn't "
    "here. Run it again to have them."
)
NO_NEIGHBOURS = "No decoder neighbours are stored with this run."
TOO_WIDE = (
    "Decoder neighbours of a dictionary this wide are not kept: finding them takes longer than a short text."
)


def pair(stored: Stored, key: CellKey, matches: Matches, feature_a: int, feature_b: int) -> dict[str, Any]:
    """The evidence on one pair of a cell; see `PairAnswer` in the pages' types.

    Raises:
        InputError: the matcher didn't pair them.
    """
    match = matches.one(feature_a, feature_b)
    if match is None:
        raise InputError(f"feature {feature_a} of a and {feature_b} of b aren't a pair of this cell")
    sources = key.sources()
    read = [stored.columns(source) for source in sources]
    text = stored.text
    a, b = (None if one is None else one[f] for one, f in zip(read, (feature_a, feature_b), strict=True))
    features = {
        side: _feature(stored, side, match, source=sources[index], column=column, partners=matches.partners)
        for index, (side, column) in enumerate((("a", a), ("b", b)))
    }
    of_pair = {"match": row_of(match, has_pair=True), "logit_r": number(match["logit_r"])}
    answer = {"cell": key.record(), **of_pair, **features}
    if a is None or b is None or text is None:
        counts = _counted(match)
        unknown = {"contexts": None, "joint": None, "shared": {"a": None, "b": None}}
        return {**answer, **unknown, "contexts_words": NO_CONTEXTS, "counts": counts}
    only_a, only_b = np.isin(a[0], b[0], invert=True), np.isin(b[0], a[0], invert=True)
    columns = {"a": a, "b": b}
    groups = {
        "top_a": ("a", strongest(text, *a)),
        "top_b": ("b", strongest(text, *b)),
        "only_a": ("a", strongest(text, a[0][only_a], a[1][only_a], shown=4)),
        "only_b": ("b", strongest(text, b[0][only_b], b[1][only_b], shown=4)),
    }
    of_text = {"a": sources[0][0], "b": sources[1][0]}
    return {
        **answer,
        "contexts": {
            name: contexts(text, of_text[side], peaks, columns) for name, (side, peaks) in groups.items()
        },
        "contexts_words": "",
        "counts": {
            "both": int((~only_a).sum()),
            "only_a": int(only_a.sum()),
            "only_b": int(only_b.sum()),
        },
        "shared": {"a": _share(a[1], ~only_a), "b": _share(b[1], ~only_b)},
        "joint": _joint(stored, a, b, key.text, feature_a, feature_b),
    }


def _counted(match: Mapping[str, Any]) -> dict[str, int]:
    both = max(int(match["cofirings"]), 0)
    return {"both": both, **{f"only_{s}": max(int(match[f"firings_{s}"]) - both, 0) for s in ("a", "b")}}


def _share(values: np.ndarray, both: np.ndarray) -> float | int | None:
    """How much of a feature's activation lies on tokens where the other fires, too."""
    total = float(np.abs(values).sum(dtype=np.float64))
    return number(np.abs(values[both]).sum(dtype=np.float64) / total) if total > 0 else None


def _joint(stored: Stored, a: Column, b: Column, *names: str | int) -> dict[str, Any]:
    """Activations of both on tokens where either fires; many are drawn from, the same ones each time."""
    rows = np.union1d(a[0], b[0])
    if len(rows) > JOINT:
        draw = derive(int(stored.run.info.get("seed") or 0), "joint", *names)
        rows = np.sort(draw.choice(rows, JOINT, replace=False))
    return {side: rounded(_on(column, rows)) for side, column in (("a", a), ("b", b))}


def _on(column: Column, rows: np.ndarray) -> np.ndarray:
    """A feature's activations on some ascending rows."""
    found = np.zeros(len(rows))
    _, mine, theirs = np.intersect1d(column[0], rows, assume_unique=True, return_indices=True)
    found[theirs] = column[1][mine]
    return found


def _feature(
    stored: Stored,
    side: str,
    match: Mapping[str, Any],
    *,
    source: str,
    column: Column | None,
    partners: Mapping[str, Mapping[int, int]],
) -> dict[str, Any]:
    feature, other = int(match[f"feature_{side}"]), "b" if side == "a" else "a"
    values = None if column is None else column[1]
    firings = len(values) if values is not None else int(match[f"firings_{side}"])
    kept = stored.run.corpus.get("kept_tokens")
    promoted = stored.promoted(source, feature)
    neighbours, words = _neighbours(stored, match, side, other, partners)
    return {
        "feature": feature,
        "firings": firings,
        "rate": number(firings / kept) if kept else None,
        "max": number(values.max()) if values is not None and len(values) else None,
        "top_tokens": texts(match[f"top_tokens_{side}"]),
        "promoted": None if promoted is None else texts(promoted),
        "histogram": histogram(values, edges_of(values, 24)) if values is not None and len(values) else None,
        "neighbours": neighbours,
        "neighbours_words": words,
        "neuronpedia": feature_page(stored.run.info["sides"], source, feature),
    }


def _neighbours(
    stored: Stored,
    match: Mapping[str, Any],
    side: str,
    other: str,
    partners: Mapping[str, Mapping[int, int]],
) -> tuple[list[dict[str, Any]] | None, str]:
    """The features with the nearest decoder rows; whether their partners are near the pair's other one."""
    key = CellKey.of(match)
    source: dict[str, str] = dict(zip("ab", key.sources(), strict=True))
    mine, theirs, text = stored.layer(source[side]), stored.layer(source[other]), stored.text
    if mine is None or theirs is None or text is None:
        return None, NO_NEIGHBOURS
    feature, opposite = int(match[f"feature_{side}"]), int(match[f"feature_{other}"])
    near_opposite = set(theirs["neighbours"][opposite].tolist()) - {-1}
    found = []
    for near, cosine in zip(mine["neighbours"][feature].tolist(), mine["cosines"][feature], strict=True):
        if near < 0:
            continue
        partner = partners[side].get(near)
        found.append(
            {
                "feature": near,
                "cosine": number(cosine),
                "top_tokens": text.words(mine["top_codes"][near]),
                "partner": partner,
                "partner_top_tokens": [] if partner is None else text.words(theirs["top_codes"][partner]),
                "corresponds": partner is not None and (partner in near_opposite or partner == opposite),
            }
        )
    if not found:
        return None, TOO_WIDE
    matched = [one for one in found if one["partner"] is not None]
    agree = sum(one["corresponds"] for one in matched)
    return found, (
        f"{len(matched)} of {len(found)} nearest features have a counterpart; {agree} of these are matched "
        "with one of the nearest on the other side"
    )
