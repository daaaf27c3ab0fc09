"""A small model, its tokens and SAEs."""

import numpy as np
import pytest
import torch

import tiny_models
from congruence.activations import plan
from congruence.models import LanguageModel, corpus_of, tokenize
from tiny_sae import TinySae


@pytest.fixture(scope="session")
def sae_class():
    return TinySae


@pytest.fixture(scope="session")
def model():
    return LanguageModel.from_module(tiny_models.module("llama"), tiny_models.tokenizer(), name="t", key="k")


@pytest.fixture(scope="session")
def tokens(model):
    return tokenize(corpus_of(tiny_models.TEXTS), model.tokenizer, max_tokens=40, prepend_bos=True)


@pytest.fixture
def saes():
    return {f"layers.{layer}": TinySae(layer) for layer in range(3)}


@pytest.fixture
def small_shards(monkeypatch):
    """Two rows of the corpus in a shard: six shards."""
    monkeypatch.setattr(plan, "SHARD_TOKENS", 80)


@pytest.fixture
def forward_passes(model):
    """Grows by the batch size with each forward pass of the model."""
    seen = []
    handle = model.module.register_forward_pre_hook(
        lambda _m, _a, kwargs: seen.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    yield seen
    handle.remove()


@pytest.fixture(scope="session")
def by_hand(model, tokens):
    """Hidden states at a hook point, document by document, without padding."""

    def states(hook_name):
        parts = []
        for ids, mask, keep in zip(tokens.input_ids, tokens.attention_mask, tokens.keep, strict=True):
            found = model.capture(torch.from_numpy(ids[mask])[None].long(), None, [hook_name])[hook_name][0]
            parts.append(found[torch.from_numpy(keep[mask])])
        return torch.cat(parts)

    return states


@pytest.fixture(scope="session")
def same():
    def check(store, expected):
        np.testing.assert_allclose(store.to_csr().toarray(), expected, rtol=1e-3, atol=1e-3)

    return check
