"""Capture, hooks and alignment on real models: the one beside the checkout, and the package's own."""

from importlib import resources

import numpy as np
import pytest
import torch

from congruence.activations import PooledActs, capture_features
from congruence.models import (
    align_tokens,
    hidden_states,
    load_corpus,
    load_model,
    token_strings,
    tokenize,
    tokenizer_difference,
)
from tiny_sae import TinySae


@pytest.fixture(scope="module")
def stories(shared):
    return load_model(shared / "models" / "stories15M")


@pytest.fixture(scope="module")
def corpus(shared):
    return load_corpus(shared / "text" / "stories", documents=12)


@pytest.fixture(scope="module")
def tokens(stories, corpus):
    return tokenize(corpus, stories.tokenizer, max_tokens=128)


def test_documents_and_tokens(stories, corpus, tokens):
    assert len(corpus) == 12
    assert not any("<|endoftext|>" in text for text in corpus.texts)
    assert (tokens.input_ids[:, 0] == stories.tokenizer.bos_token_id).all()
    assert not tokens.keep[:, 0].any()
    first = tokens.token_ids[: tokens.document_offsets[1]]
    assert corpus.texts[0].startswith("".join(token_strings(stories.tokenizer, first)).strip())


def test_hooks_against_the_models_own_hidden_states(stories, tokens):
    ids = torch.from_numpy(tokens.input_ids).long()
    mask = torch.from_numpy(tokens.attention_mask)
    with torch.no_grad():
        own = stories.module(ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states
        last = stories.module.model.norm(stories.capture(ids, mask, ["layers.5"])["layers.5"])
    keep = torch.from_numpy(tokens.keep)
    names = [f"blocks.{i}.hook_resid_post" for i in range(5)]
    found = [
        torch.cat(parts)
        for parts in zip(*(s.values() for s in hidden_states(stories, tokens, names)), strict=True)
    ]
    for layer, states in enumerate(found):
        torch.testing.assert_close(states, own[layer + 1][keep], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(last[keep], own[-1][keep], rtol=1e-3, atol=1e-3)


def test_all_layers_on_disk(stories, tokens, tmp_path):
    saes = {f"resid_post.{layer}": TinySae(layer, d_in=288, d_sae=512, k=8) for layer in range(6)}
    stores = capture_features(stories, tokens, saes, tmp_path)
    for name, states in next(hidden_states(stories, tokens, list(saes), batch_tokens=10**6)).items():
        expected = saes[name].encode(states).numpy()
        found = stores[name].to_csr()
        assert found.shape == expected.shape
        assert (np.diff(found.indptr) <= 8).all()
        unlike = np.abs(found.toarray() - expected) > 1e-3
        assert unlike.mean() < 1e-4  # a near tie may fall the other way in a batch of another size


def test_two_tokenizers_on_one_text(stories, corpus, tokens, tmp_path):
    demo = resources.files("congruence") / "assets" / "demo" / "small"
    if not demo.is_dir():
        pytest.skip("the demo's models aren't in this checkout")
    small = load_model(str(demo))
    other = tokenize(corpus, small.tokenizer, max_tokens=128)
    assert "vocabularies of" in tokenizer_difference(stories.tokenizer, small.tokenizer, tokens, other)
    aligned = align_tokens(tokens, other)
    assert min(aligned.coverage_a, aligned.coverage_b) > 0.8  # the shorter side ends some documents early
    store = capture_features(small, other, {"layers.1": TinySae(d_in=96)}, tmp_path)["layers.1"]
    pooled = PooledActs(store, aligned.groups_b, "last", aligned.document_offsets, aligned.unit_ids)
    assert pooled.to_csr().shape == (len(aligned), 48)
    assert {"Once", "upon", "a", "time"} <= set(aligned.unit_strings)
