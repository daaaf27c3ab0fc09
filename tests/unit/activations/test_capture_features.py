"""Features on disk against the SAE on each document's own hidden states; what is refused, and when."""

import numpy as np
import pytest
import torch

from congruence.activations import ActivationStore, capture_features, capture_together, sae_key
from congruence.errors import InputError, ModelError, SaeError, StorageError
from congruence.models import LanguageModel
from congruence.records import FeatureActs


def test_every_layer_in_one_pass(model, tokens, saes, tmp_path, by_hand, same, forward_passes):
    stores = capture_features(model, tokens, saes, tmp_path, batch_tokens=160)
    assert sum(forward_passes) == len(tokens.input_ids) + 1  # one short row shows the widths first
    assert list(stores) == list(saes)
    for name, store in stores.items():
        same(store, saes[name].encode(by_hand(name)).numpy())


def test_several_sets_of_saes_share_a_pass(model, tokens, saes, sae_class, tmp_path, forward_passes):
    others = {"layers.1": sae_class(7), "layers.2": saes["layers.2"]}
    apart = [capture_features(model, tokens, chosen, tmp_path / "apart") for chosen in (saes, others)]
    del forward_passes[:]
    together = capture_together(model, tokens, [saes, others, {"layers.1": None}], tmp_path / "together")
    assert sum(forward_passes) <= len(tokens.input_ids) + 3
    for one, other in zip(apart, together, strict=False):
        assert list(one) == list(other)
        for name in one:
            assert np.array_equal(one[name].to_dense(), other[name].to_dense())
    assert together[0]["layers.2"].path == together[1]["layers.2"].path
    assert together[0]["layers.1"].path != together[1]["layers.1"].path
    assert together[2]["layers.1"].dense


def test_store_says_what_it_holds(model, tokens, saes, tmp_path):
    store = capture_features(model, tokens, saes, tmp_path)["layers.1"]
    assert isinstance(store, FeatureActs)
    assert store.shape == (tokens.n, 48)
    assert store.hook_name == "layers.1"
    assert np.array_equal(store.token_ids, tokens.token_ids)
    assert np.array_equal(store.document_offsets, tokens.document_offsets)
    assert all(block.dtype == np.float32 and block.indices.dtype == np.int32 for block in store)
    again = ActivationStore.open(store.path)
    assert again.finished
    assert (again.key, again.shape, again.shard_offsets) == (store.key, store.shape, store.shard_offsets)


def test_blocks_and_rows_are_the_whole(model, tokens, saes, tmp_path, small_shards):
    store = capture_features(model, tokens, saes, tmp_path)["layers.2"]
    assert store.n_shards == 6
    whole = store.to_csr().toarray()
    assert np.array_equal(np.concatenate([block.toarray() for block in store]), whole)
    assert np.array_equal(store.to_dense(), whole)
    for start, stop in ((0, 0), (3, 4), (10, store.n_shards * 20), (store.shape[0] - 1, store.shape[0])):
        assert np.array_equal(store.rows(start, stop).toarray(), whole[start:stop])
    with pytest.raises(InputError, match="aren't in"):
        store.rows(0, store.shape[0] + 1)


def test_pre_activation_is_relu_of_the_encoder(model, tokens, saes, tmp_path, by_hand, same):
    stores = capture_features(model, tokens, saes, tmp_path, activations="pre_activation")
    same(stores["layers.1"], saes["layers.1"].pre_activation(by_hand("layers.1")).relu().numpy())


def test_hook_offset_reads_the_block_before(model, tokens, saes, tmp_path, by_hand, same):
    stores = capture_features(model, tokens, saes, tmp_path, hook_offset=-1)
    same(stores["layers.1"], saes["layers.1"].encode(by_hand("resid_post.0")).numpy())
    same(stores["layers.0"], saes["layers.0"].encode(by_hand("resid_pre.0")).numpy())


@pytest.mark.parametrize(
    ("name", "offset"), [("layers.2", 1), ("layers.0", -2), ("model.layers.1.mlp.up_proj", -1)]
)
def test_hook_offset_out_of_the_model(model, tokens, sae_class, tmp_path, name, offset):
    with pytest.raises(ModelError, match="hook point"):
        capture_features(model, tokens, {name: sae_class()}, tmp_path, hook_offset=offset)


def test_neurons(model, tokens, tmp_path, by_hand, same):
    stores = capture_features(model, tokens, {"layers.1": None, "mlp_hidden.0": None}, tmp_path)
    assert stores["layers.1"].dense
    same(stores["layers.1"], by_hand("layers.1").numpy())
    assert np.array_equal(stores["layers.1"].to_dense(), stores["layers.1"].to_csr().toarray())
    assert stores["mlp_hidden.0"].shape == (tokens.n, 48)


def test_published_variant_counts_padding(model, saes, tmp_path):
    from congruence.models import corpus_of, tokenize

    corpus = corpus_of(["the old king", "the sea was free again and again"])
    tokens = tokenize(corpus, model.tokenizer, max_tokens=40, mask_padding=False, mask_special=False)
    store = capture_features(model, tokens, saes, tmp_path)["layers.0"]
    assert store.shape[0] == tokens.input_ids.size


def test_model_in_half_precision(tokens, saes, tmp_path, model):
    import tiny_models

    module = tiny_models.module("llama").bfloat16()
    half = LanguageModel.from_module(module, model.tokenizer, name="t", key="half")
    store = capture_features(half, tokens, saes, tmp_path)["layers.0"]
    assert store.to_csr().dtype == np.float32
    assert store.to_csr().nnz > 0


def test_progress_ends_at_the_total(model, tokens, saes, tmp_path, small_shards):
    for _ in range(2):
        seen: list[tuple[int, int]] = []
        capture_features(
            model, tokens, saes, tmp_path, batch_tokens=40, progress=lambda *at, seen=seen: seen.append(at)
        )
        done = [at for at, _ in seen]
        assert done == sorted(done)
        assert seen[-1] == (tokens.n, tokens.n)
        assert {total for _, total in seen} == {tokens.n}


def test_sae_of_another_width_leaves_nothing(model, tokens, saes, sae_class, tmp_path):
    saes["layers.1"] = sae_class(d_in=16)
    with pytest.raises(SaeError, match=r"reads vectors of 16, but layers\.1 of t gives 32"):
        capture_features(model, tokens, saes, tmp_path)
    assert not list(tmp_path.iterdir())


def test_hidden_states_that_are_not_finite(tokens, saes, tmp_path, model):
    import tiny_models

    module = tiny_models.module("llama")
    module.model.layers[1].mlp.down_proj.weight.data[0, 0] = float("nan")
    broken = LanguageModel.from_module(module, model.tokenizer, name="t", key="broken")
    with pytest.raises(ModelError, match="aren't finite"):
        capture_features(broken, tokens, saes, tmp_path)
    assert not list(tmp_path.glob("*/shard-*"))


def test_unwritable_folder(model, tokens, saes, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file"):
        capture_features(model, tokens, saes, tmp_path / "file")


def test_unknown_kind_of_activation(model, tokens, saes, tmp_path):
    with pytest.raises(InputError, match="'decode'"):
        capture_features(model, tokens, saes, tmp_path, activations="decode")


def test_key_is_of_everything_the_numbers_depend_on(model, tokens, sae_class, tmp_path):
    def key(name="layers.1", sae=None, **options):
        sae = sae or sae_class(0)
        return capture_features(model, tokens, {name: sae}, tmp_path, **options)[name].key

    other_k = sae_class(0, k=5)
    keys = [
        key(),
        key(sae=sae_class(1)),
        key(sae=other_k),
        key(activations="pre_activation"),
        key(hook_offset=-1),
        key(name="layers.2"),
    ]
    assert len(set(keys)) == 6
    assert key(batch_tokens=40) == keys[0]


def test_sae_key_is_of_what_is_computed(sae_class):
    one, two = sae_class(0), sae_class(0)
    two.path = "somewhere/else"
    assert sae_key(one) == sae_key(two)
    two.W_enc = two.W_enc.clone()
    two.W_enc[0, 0] += 1
    assert sae_key(one) != sae_key(two)
    two.W_enc = one.W_enc.bfloat16()
    assert sae_key(one) != sae_key(two)
    two.W_enc = one.W_enc.T.contiguous().T
    assert sae_key(one) == sae_key(two)
    two.scale = torch.tensor(2.0)
    assert sae_key(one) != sae_key(two)
