"""Streams of hidden states against the forward pass of each document by itself."""

import numpy as np
import pytest
import torch

import tiny_models
from congruence.models import LanguageModel, corpus_of, hidden_states, streaming, tokenize

HOOKS = ("resid_post.0", "resid_post.2")


@pytest.fixture(scope="module")
def model():
    return LanguageModel.from_module(tiny_models.module("gpt2"), tiny_models.tokenizer(), name="t", key="k")


@pytest.fixture(scope="module")
def tokens(model):
    return tokenize(corpus_of(tiny_models.TEXTS[:4]), model.tokenizer, max_tokens=40, prepend_bos=True)


@pytest.fixture(scope="module")
def reference(model, tokens):
    """Document by document, without padding."""
    parts = []
    for ids, mask, keep in zip(tokens.input_ids, tokens.attention_mask, tokens.keep, strict=True):
        found = model.capture(torch.from_numpy(ids[mask])[None].long(), None, ["resid_post.2"])
        parts.append(found["resid_post.2"][0][torch.from_numpy(keep[mask])])
    return torch.cat(parts)


@pytest.mark.parametrize("batch_tokens", [1, 90, 4096])
def test_whole_corpus_in_order(model, tokens, reference, batch_tokens):
    parts = list(hidden_states(model, tokens, HOOKS, batch_tokens=batch_tokens))
    assert set(parts[0]) == set(HOOKS)
    found = torch.cat([part["resid_post.2"] for part in parts])
    torch.testing.assert_close(found, reference, rtol=1e-4, atol=1e-4)


def test_rows_of_one_length_go_together(model, tokens, reference, monkeypatch):
    lengths = tokens.attention_mask.sum(axis=1)
    widths: list[int] = []
    capture = model.capture
    monkeypatch.setattr(
        model, "capture", lambda ids, *rest: (widths.append(ids.shape[1]), capture(ids, *rest))[1]
    )
    monkeypatch.setattr(streaming, "LEAST_POSITIONS", 1)
    monkeypatch.setattr(streaming, "WORTH", 1.0)
    (found,) = (part["resid_post.2"] for part in hidden_states(model, tokens, HOOKS))
    assert widths == sorted(lengths, reverse=True)
    assert lengths.min() < lengths.max()
    torch.testing.assert_close(found, reference, rtol=1e-4, atol=1e-4)
    widths.clear()
    monkeypatch.setattr(streaming, "WORTH", 0.0)
    next(hidden_states(model, tokens, HOOKS))
    assert widths == [lengths.max()]


def test_shuffled_rows_are_the_same_tokens(model, tokens, reference):
    rng = np.random.default_rng(0)
    found = torch.cat(
        [p["resid_post.2"] for p in hidden_states(model, tokens, HOOKS, batch_tokens=1, rng=rng)]
    )
    assert not torch.allclose(found, reference, atol=1e-3)
    torch.testing.assert_close(rounded(found), rounded(reference), rtol=0, atol=1e-3)


def rounded(states):
    return states[np.lexsort(states.numpy().round(3).T)]


def test_batches_can_be_trained_on(model, tokens):
    batch = next(hidden_states(model, tokens, HOOKS))[HOOKS[0]]
    weight = torch.zeros(32, requires_grad=True)
    (batch @ weight).sum().backward()
    assert weight.grad is not None
