"""Held-out loss of n-gram models, on exactly the positions on which the language models are scored.

add-k:  P(w | c) = (n(c, w) + k) / (n(c) + k V)
interpolated (Jelinek and Mercer): a weighted mean of the trigram, bigram and add-k unigram estimates.

k and the weights are chosen for the best loss on the held-out tokens themselves, which favours the n-grams.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from language_models import CONTEXT
from tokenizer import VOCABULARY

KS = tuple(float(k) for k in np.geomspace(1e-4, 3, 25))
STEPS = np.arange(0.0, 1.0001, 0.05)


@dataclass(frozen=True)
class NgramLoss:
    """The best loss of one n-gram model, in nats a token, and the setting that reached it."""

    name: str
    loss: float
    setting: str


def counts(codes: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """How often each of `wanted` occurs among `codes`."""
    values, number = np.unique(codes, return_counts=True)
    place = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
    return np.where(values[place] == wanted, number[place], 0).astype(np.float64)


def scored_positions(held_out: np.ndarray) -> np.ndarray:
    """Positions that `held_out_loss` scores: all but the first of each whole window of CONTEXT tokens."""
    positions = np.arange(len(held_out) // CONTEXT * CONTEXT)
    return positions[positions % CONTEXT != 0]


def ngram_counts(train: np.ndarray, held_out: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """n(context, token) and n(context) in `train` at every scored position of `held_out`.

    The context may reach back into the window before, which the language models can't see.
    """
    positions = scored_positions(held_out)
    padded = np.concatenate([np.zeros(order, dtype=np.int64), held_out.astype(np.int64)])
    context_of_train, context = _codes(train, order - 1), np.zeros(len(positions), dtype=np.int64)
    for back in range(order - 1, 0, -1):
        context = context * VOCABULARY + padded[positions + order - back]
    token = padded[positions + order]
    return (
        counts(_codes(train, order), context * VOCABULARY + token),
        counts(context_of_train[: len(train) - order + 1], context),
    )


def _codes(tokens: np.ndarray, order: int) -> np.ndarray:
    """One number for each run of `order` tokens."""
    code = np.zeros(len(tokens) - order + 1, dtype=np.int64)
    for offset in range(order):
        code = code * VOCABULARY + tokens[offset : offset + len(code)]
    return code


def add_k(joint: np.ndarray, context: np.ndarray, k: float) -> np.ndarray:
    """Probability of each scored token."""
    return (joint + k) / (context + k * VOCABULARY)


def best_add_k(train: np.ndarray, held_out: np.ndarray, order: int, name: str) -> NgramLoss:
    """The add-k model of that order at its best k."""
    joint, context = ngram_counts(train, held_out, order)
    loss, k = min((float(-np.log(add_k(joint, context, k)).mean()), k) for k in KS)
    return NgramLoss(name, loss, f"k = {k:.2g}")


def best_interpolation(train: np.ndarray, held_out: np.ndarray) -> NgramLoss:
    """The interpolated trigram model at its best weights on a grid of 0.05; unigram with add-1."""
    unigram = add_k(*ngram_counts(train, held_out, 1), 1.0)
    bigram, trigram = (
        joint / np.maximum(context, 1)
        for joint, context in (ngram_counts(train, held_out, order) for order in (2, 3))
    )
    best = (np.inf, 0.0, 0.0)
    for tri, bi in itertools.product(STEPS, STEPS):
        if 0 < tri + bi < 0.999:
            mixed = tri * trigram + bi * bigram + (1 - tri - bi) * unigram
            best = min(best, (float(-np.log(mixed).mean()), tri, bi))
    loss, tri, bi = best
    return NgramLoss("interpolated trigram", loss, f"weights {tri:.2f}, {bi:.2f}, {1 - tri - bi:.2f}")


def ngram_losses(train: np.ndarray, held_out: np.ndarray) -> list[NgramLoss]:
    """Unigram, bigram and trigram with add-k, and the interpolated trigram."""
    names = {1: "unigram, add-k", 2: "bigram, add-k", 3: "trigram, add-k"}
    found = [best_add_k(train, held_out, order, name) for order, name in names.items()]
    return [*found, best_interpolation(train, held_out)]
