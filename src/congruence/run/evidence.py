"""What shows the features of a run beside its numbers: the text of its rows, and where decoder rows lie.

It is kept under content keys beside what was captured, so that pages can show a feature's text, its
neighbours and a map of its space without a model, a tokenizer or an SAE.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from congruence.activations import PooledActs
from congruence.run.captures import Captures
from congruence.run.grid import Source
from congruence.run.layer import Layer

TEXT, LAYER = "evidence-text", "evidence-layer"
FORMAT = 1
NEIGHBOURS = 10
_BLOCK = 2048
_DIGITS = 4
"""Of cosines and coordinates: fewer than any BLAS agrees on."""


def keep_evidence(captures: Captures, sources: Sequence[Source]) -> dict[str, Any]:
    """Keep it, where it isn't kept yet.

    Args:
        captures: of the run, everything captured.
        sources: of all its cells.

    Returns:
        What run.json says: names of the text's arrays and, by source, of its layer's arrays and activations.
    """
    memo = captures.memo
    first = {source.side: source for source in reversed(sources)}
    keys = [
        FORMAT,
        *(captures.text.tokens[side].key for side in sorted(first)),
        captures.config.corpus.pooling,
    ]
    memo.arrays(TEXT, keys, lambda: _text(captures, first))
    layers = {}
    for source in sources:
        key = [FORMAT, captures.key(source)]
        memo.arrays(LAYER, key, lambda source=source: layer_arrays(captures.features(source)))
        acts = captures.acts(source)
        store = acts.store if isinstance(acts, PooledActs) else acts
        layers[source.name] = {"arrays": memo.name(LAYER, key), "activations": store.path.name}
    pooling = None if captures.text.alignment is None else captures.config.corpus.pooling or "last"
    return {"text": memo.name(TEXT, keys), "pooling": pooling, "layers": layers}


def _text(captures: Captures, first: dict[str, Source]) -> dict[str, np.ndarray]:
    """Codes of the rows of each side, the string of each code, documents, and the tokens of each unit."""
    vocabulary = captures.vocabulary
    encoded = [string.encode("utf-8", "surrogatepass") for string in vocabulary.strings]
    arrays = {
        "strings": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        "string_offsets": np.append(0, np.cumsum([len(one) for one in encoded])).astype(np.int64),
    }
    for side, source in first.items():
        acts = captures.acts(source)
        arrays[f"codes_{side}"] = vocabulary.codes[side][np.asarray(acts.token_ids)].astype(np.int32)
        arrays["document_offsets"] = np.asarray(acts.document_offsets, dtype=np.int64)
        if isinstance(acts, PooledActs):
            arrays[f"rows_{side}"], arrays[f"offsets_{side}"] = acts.groups.rows, acts.groups.offsets
    return arrays


def layer_arrays(layer: Layer) -> dict[str, np.ndarray]:
    """What is kept of one layer, by feature.

    Returns:
        firings (f,), max (f,), top_codes (f, k) as codes of the text's strings; neighbours (f, 10) the living
        features whose decoder rows are most nearly parallel, -1 where there are none, with their cosines; xy
        (f, 2) first two principal components of the unit decoder rows of living features, NaN for others.
    """
    live, rows = layer.live, layer.W_dec
    units = np.asarray(rows[live], dtype=np.float32)
    units = units / np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-12)
    count = len(rows)
    near, cosines = np.full((count, NEIGHBOURS), -1, np.int32), np.zeros((count, NEIGHBOURS), np.float32)
    xy = np.full((count, 2), np.nan, np.float32)
    if len(live) > 2:
        found, values = nearest(units, min(NEIGHBOURS, len(live) - 1))
        near[live, : found.shape[1]], cosines[live, : found.shape[1]] = live[found], values
        xy[live] = principal_plane(units)
    return {
        "firings": np.asarray(layer.acts.moments.firings, dtype=np.int64),
        "max": np.asarray(layer.top.values, dtype=np.float32).max(axis=1, initial=0),
        "top_codes": layer.token_codes.astype(np.int32),
        "neighbours": near,
        "cosines": cosines,
        "xy": xy,
    }


def nearest(units: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k rows with the highest cosine to each, itself left out.

    Args:
        units: (f, d) rows of length 1.
        k: below f.

    Returns:
        (f, k) rows and their cosines to four digits, highest first; equal ones by row.
    """
    found = np.empty((len(units), k), dtype=np.int64)
    values = np.empty((len(units), k), dtype=np.float32)
    for start in range(0, len(units), _BLOCK):
        block = np.round(units[start : start + _BLOCK] @ units.T, _DIGITS)
        own = np.arange(len(block))
        block[own, start + own] = -np.inf
        some = np.sort(np.argpartition(-block, k - 1, axis=1)[:, :k], axis=1)
        order = np.argsort(-np.take_along_axis(block, some, axis=1), axis=1, kind="stable")
        found[start : start + len(block)] = np.take_along_axis(some, order, axis=1)
        values[start : start + len(block)] = np.take_along_axis(
            block, found[start : start + len(block)], axis=1
        )
    return found, values


def principal_plane(rows: np.ndarray) -> np.ndarray:
    """(f, 2) the first two principal components of rows; of each, the largest loading is positive."""
    centred = np.asarray(rows, dtype=np.float64) - rows.mean(axis=0, dtype=np.float64)
    if rows.shape[1] < 2:
        return np.column_stack([centred[:, 0], np.zeros(len(rows))])
    _, vectors = np.linalg.eigh(centred.T @ centred)
    plane = vectors[:, [-1, -2]]
    plane = plane * np.sign(plane[np.argmax(np.abs(plane), axis=0), [0, 1]])
    return np.round(centred @ plane, _DIGITS)
