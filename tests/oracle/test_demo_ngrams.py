"""The n-gram baselines of docs/demo-models.md against counting one by one."""

import math
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

DEMO = Path(__file__).resolve().parents[2] / "demo"


@pytest.fixture
def ngrams(monkeypatch):
    if not DEMO.is_dir():
        pytest.skip("demo/ isn't beside the tests")
    monkeypatch.syspath_prepend(str(DEMO))
    import ngrams

    yield ngrams
    for name in ("ngrams", "language_models", "tokenizer"):
        sys.modules.pop(name, None)


@pytest.fixture
def tokens():
    rng = np.random.default_rng(0)
    return rng.integers(0, 6, size=3000), rng.integers(0, 6, size=700)


def obvious_loss(train, held_out, order, k, window, vocabulary):
    train, held_out = train.tolist(), held_out.tolist()
    starts = range(len(train) - order + 1)
    joint = Counter(tuple(train[i : i + order]) for i in starts)
    context = Counter(tuple(train[i : i + order - 1]) for i in starts)
    losses = []
    for position in range(len(held_out) // window * window):
        if position % window and position >= order - 1:
            run = tuple(held_out[position - order + 1 : position + 1])
            losses.append(-math.log((joint[run] + k) / (context[run[:-1]] + k * vocabulary)))
    return losses


@pytest.mark.parametrize("order", [1, 2, 3])
def test_counts_give_the_add_k_loss(ngrams, tokens, order):
    train, held_out = tokens
    joint, context = ngrams.ngram_counts(train, held_out, order)
    found = -np.log(ngrams.add_k(joint, context, 0.3))
    expected = obvious_loss(train, held_out, order, 0.3, ngrams.CONTEXT, ngrams.VOCABULARY)
    np.testing.assert_allclose(found[len(found) - len(expected) :], expected)
    assert len(found) - len(expected) == max(0, order - 2)


def test_best_k_is_the_best_of_the_grid(ngrams, tokens):
    best = ngrams.best_add_k(*tokens, 2, "bigram")
    joint, context = ngrams.ngram_counts(*tokens, 2)
    assert best.loss == min(-np.log(ngrams.add_k(joint, context, k)).mean() for k in ngrams.KS)
