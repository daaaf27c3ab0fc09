"""Streams of hidden states against the forward pass of each document by itself."""

import numpy as np
import pytest
import torch

import tiny_models
from congruence.errors import InputError
from congruence.models import LanguageModel, corpus_of, hidden_states, mixed_batches, tokenize

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


def test_shuffled_rows_are_the_same_tokens(model, tokens, reference):
    rng = np.random.default_rng(0)
    found = torch.cat(
        [p["resid_post.2"] for p in hidden_states(model, tokens, HOOKS, batch_tokens=1, rng=rng)]
    )
    assert not torch.allclose(found, reference, atol=1e-3)
    torch.testing.assert_close(rounded(found), rounded(reference), rtol=0, atol=1e-3)


def rounded(states):
    return states[np.lexsort(states.numpy().round(3).T)]


def test_mixed_batches_go_through_the_corpus_evenly(model, tokens, reference):
    stream = mixed_batches(
        model, tokens, "resid_post.2", batch=8, buffer=32, rng=np.random.default_rng(0), batch_tokens=80
    )
    drawn = torch.cat([next(stream) for _ in range(10 * tokens.n // 8)])
    nearest = torch.cdist(drawn, reference).argmin(dim=1)
    counts = np.bincount(nearest, minlength=tokens.n)
    assert counts.min() >= 7
    assert counts.max() <= 13
    assert np.abs(np.diff(nearest)).mean() > 5


def test_mixed_batches_repeat_from_a_seed(model, tokens):
    def first(seed):
        return next(
            mixed_batches(model, tokens, HOOKS[0], batch=8, buffer=64, rng=np.random.default_rng(seed))
        )

    assert torch.equal(first(3), first(3))
    assert not torch.equal(first(3), first(4))


def test_several_hook_points_stay_together(model, tokens):
    stream = mixed_batches(model, tokens, list(HOOKS), batch=8, buffer=64, rng=np.random.default_rng(0))
    together = next(stream)
    alone = next(mixed_batches(model, tokens, HOOKS[1], batch=8, buffer=64, rng=np.random.default_rng(0)))
    assert together[HOOKS[0]].shape == together[HOOKS[1]].shape == (8, 32)
    torch.testing.assert_close(together[HOOKS[1]], alone)


def test_batches_can_be_trained_on(model, tokens):
    batch = next(mixed_batches(model, tokens, HOOKS[0], batch=8, buffer=64, rng=np.random.default_rng(0)))
    weight = torch.zeros(32, requires_grad=True)
    (batch @ weight).sum().backward()
    assert weight.grad is not None


def test_buffer_smaller_than_two_batches(model, tokens):
    with pytest.raises(InputError, match="at least two batches"):
        next(mixed_batches(model, tokens, HOOKS[0], batch=8, buffer=15, rng=np.random.default_rng(0)))
