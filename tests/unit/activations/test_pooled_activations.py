"""A store read unit by unit is the pooled whole."""

import numpy as np
import pytest

import tiny_models
from congruence.activations import PooledActs, capture_features, pool_rows
from congruence.activations import pooling as pooling_module
from congruence.models import align_tokens, corpus_of, tokenize
from congruence.records import FeatureActs


@pytest.mark.parametrize("how", ["last", "max", "mean"])
def test_pooled_in_blocks(model, tokens, saes, tmp_path, small_shards, monkeypatch, how):
    monkeypatch.setattr(pooling_module, "_BLOCK_UNITS", 7)
    other = tiny_models.tokenizer(kind="metaspace", vocabulary=120)
    aligned = align_tokens(tokens, tokenize(corpus_of(tiny_models.TEXTS), other, max_tokens=60))
    store = capture_features(model, tokens, saes, tmp_path)["layers.1"]
    pooled = PooledActs(store, aligned.groups_a, how, aligned.document_offsets, aligned.unit_ids)
    assert isinstance(pooled, FeatureActs)
    assert pooled.shape == (len(aligned), 48)
    assert pooled.hook_name == "layers.1"
    expected = pool_rows(store.to_csr(), aligned.groups_a, how).toarray()
    np.testing.assert_allclose(pooled.to_csr().toarray(), expected, rtol=1e-6)
    assert [len(block.indptr) - 1 for block in pooled][:-1] == [7] * ((len(aligned) - 1) // 7)
