"""A few features of an SAE with the contexts in which they fire most strongly.

Which features are shown is decided by a rule before anyone looks: PER_LAYER of them, drawn with a fixed seed
from those that fire on between RATES[0] and RATES[1] of the comparison tokens. All drawn are shown.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from congruence.models import LanguageModel, Tokens, hidden_states
from congruence.rng import derive
from congruence.saes import load_sae

PER_LAYER = 4
CONTEXTS = 4
RATES = (0.0005, 0.02)
BEFORE, AFTER = 40, 12
"""Characters of context shown before and after the token."""


@dataclass(frozen=True)
class FeatureContexts:
    """A feature, how often it fires, and its strongest contexts with the token in bold."""

    feature: int
    firing_rate: float
    contexts: list[str]


def layer_contexts(
    model: LanguageModel, tokens: Tokens, saes: dict[str, Path]
) -> Iterator[tuple[str, list[FeatureContexts]]]:
    """The drawn features of each SAE.

    Args:
        model: the language model.
        tokens: the comparison text.
        saes: hook name -> folder of an SAE.
    """
    loaded = {hook: load_sae(folder, dtype="float32") for hook, folder in saes.items()}
    parts: dict[str, list[sparse.csr_array]] = {hook: [] for hook in saes}
    for batch in hidden_states(model, tokens, list(saes)):
        for hook, states in batch.items():
            parts[hook].append(loaded[hook].encode_csr(states))
    for hook, blocks in parts.items():
        acts = sparse.csc_array(sparse.vstack(blocks))
        yield hook, [_contexts(acts, feature, tokens) for feature in _drawn(acts, hook)]


def _drawn(acts: sparse.csc_array, hook: str) -> list[int]:
    rates = np.diff(acts.indptr) / acts.shape[0]
    candidates = np.flatnonzero((rates >= RATES[0]) & (rates <= RATES[1]))
    chosen = derive(0, "features", hook).choice(candidates, size=PER_LAYER, replace=False)
    return sorted(int(feature) for feature in chosen)


def _contexts(acts: sparse.csc_array, feature: int, tokens: Tokens) -> FeatureContexts:
    """The strongest token of each of the CONTEXTS documents in which the feature is strongest."""
    column = slice(acts.indptr[feature], acts.indptr[feature + 1])
    positions, values = acts.indices[column], acts.data[column]
    best: dict[int, int] = {}
    for position in positions[np.argsort(-values, kind="stable")]:
        best.setdefault(int(tokens.documents[position]), int(position))
    shown = [_context(tokens, position) for position in list(best.values())[:CONTEXTS]]
    return FeatureContexts(feature, len(positions) / acts.shape[0], shown)


def _context(tokens: Tokens, position: int) -> str:
    if tokens.kept_spans is None:
        raise SystemExit("the tokenizer doesn't say where its tokens stand in the text")
    text = tokens.texts[tokens.documents[position]]
    first, last = (int(place) for place in tokens.kept_spans[position])
    while first < last and text[first].isspace():
        first += 1
    before, after = text[max(0, first - BEFORE) : first], text[last : last + AFTER]
    shown = text[first:last] or "⏎"
    return " ".join(f"…{before}**{shown}**{after}…".split()).replace("|", "\\|")
