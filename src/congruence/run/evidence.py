"""What shows the features of a run beside its numbers: the text of its rows, and where decoder rows lie.

It is kept under content keys beside what was captured, so that pages can show a feature's text, its
neighbours and a map of its space without a model, a tokenizer or an SAE.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from congruence.activations import PooledActs
from congruence.run.captures import Captures
from congruence.run.decoder_space import NEIGHBOURS, laid_out, nearest
from congruence.run.grid import Source
from congruence.run.layer import Layer
from congruence.storage.arrays import packed

TEXT, LAYER = "evidence-text", "evidence-layer"
FORMAT = 1
PRODUCTS = 2**40
"""Multiplications that decoder neighbours of one layer may take, whatever the text."""


def keep_evidence(captures: Captures, sources: Sequence[Source]) -> dict[str, Any]:
    """Keep it, where it isn't kept yet.

    Args:
        captures: of the run, everything captured.
        sources: of all its cells.

    Returns:
        What run.json says: names of the text's arrays and, by source, of its layer's arrays and activations.
    """
    memo, method = captures.memo, captures.config.decoder_map
    first = {source.side: source for source in reversed(sources)}
    keys = [
        FORMAT,
        *(captures.text.tokens[side].key for side in sorted(first)),
        captures.config.corpus.pooling,
    ]
    memo.arrays(TEXT, keys, lambda: _text(captures, first))
    layers = {}
    for source in sources:
        key = [FORMAT, captures.key(source), *([] if method == "pca" else [method])]
        memo.arrays(LAYER, key, lambda source=source: layer_arrays(captures.features(source), method))
        acts = captures.acts(source)
        store = acts.store if isinstance(acts, PooledActs) else acts
        layers[source.name] = {"arrays": memo.name(LAYER, key), "activations": store.path.name}
    pooling = None if captures.text.alignment is None else captures.config.corpus.pooling or "last"
    return {"text": memo.name(TEXT, keys), "pooling": pooling, "map": method, "layers": layers}


def _text(captures: Captures, first: dict[str, Source]) -> dict[str, np.ndarray]:
    """Codes of the rows of each side, the string of each code, documents, and the tokens of each unit."""
    vocabulary = captures.vocabulary
    arrays = packed(vocabulary.strings)
    for side, source in first.items():
        acts = captures.acts(source)
        arrays[f"codes_{side}"] = vocabulary.codes[side][np.asarray(acts.token_ids)].astype(np.int32)
        arrays["document_offsets"] = np.asarray(acts.document_offsets, dtype=np.int64)
        if isinstance(acts, PooledActs):
            arrays[f"rows_{side}"], arrays[f"offsets_{side}"] = acts.groups.rows, acts.groups.offsets
    return arrays


def layer_arrays(layer: Layer, method: str = "pca") -> dict[str, np.ndarray]:
    """What is kept of one layer, by feature.

    Returns:
        firings (f,), max (f,), top_codes (f, k) as codes of the text's strings; neighbours (f, 10) the living
        features whose decoder rows are most nearly parallel, with their cosines, -1 where there are none and
        where they aren't `worth_finding`; xy (f, 2) where the unit decoder rows of living features lie by
        `method`, NaN for others.
    """
    live, rows = layer.live, layer.W_dec
    units = np.asarray(rows[live], dtype=np.float32)
    units = units / np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-12)
    count = len(rows)
    near, cosines = np.full((count, NEIGHBOURS), -1, np.int32), np.zeros((count, NEIGHBOURS), np.float32)
    xy = np.full((count, 2), np.nan, np.float32)
    if len(live) > 2:
        if worth_finding(len(live), units.shape[1], layer.acts.moments.n):
            found, values = nearest(units, min(NEIGHBOURS, len(live) - 1))
            near[live, : found.shape[1]], cosines[live, : found.shape[1]] = live[found], values
        xy[live] = laid_out(units, method)
    return {
        "firings": np.asarray(layer.acts.moments.firings, dtype=np.int64),
        "max": np.asarray(layer.top.values, dtype=np.float32).max(axis=1, initial=0),
        "top_codes": layer.token_codes.astype(np.int32),
        "neighbours": near,
        "cosines": cosines,
        "xy": xy,
    }


def worth_finding(features: int, width: int, tokens: int) -> bool:
    """Whether decoder neighbours are found in seconds, or half of the time of encoding the text."""
    return features * features * width <= max(PRODUCTS, tokens * features * width / 2)
