"""Logit weights, stitched passes and pairs taken out, on a small random model against slow obvious ways."""

import numpy as np
import pytest
import torch
from scipy import sparse
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from congruence.errors import ConfigError, InputError, ModelError
from congruence.function import LogitSpace, logit_agreement, shared_tokens
from congruence.function.positions import Ablator
from congruence.function.promoted import promoted
from congruence.function.quality import above_null, p_of_pairs, quality_curve
from congruence.function.sampling import hard_negatives, stratified
from congruence.function.stitching import Stitched, loss_recovered
from congruence.function.substitution import Bench
from congruence.function.unembedding import unembedding
from congruence.models import LanguageModel, Tokens
from congruence.models.edits import logits_at
from congruence.saes import Sae
from congruence.transfer import FittedMap

WIDTH, VOCABULARY, BLOCKS = 24, 150, 3


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    sizes = {"vocab_size": VOCABULARY}
    gpt2 = GPT2LMHeadModel(
        GPT2Config(n_embd=WIDTH, n_layer=BLOCKS, n_head=3, n_positions=32, **sizes, initializer_range=0.3)
    )
    llama = LlamaForCausalLM(
        LlamaConfig(
            hidden_size=WIDTH, intermediate_size=40, num_hidden_layers=BLOCKS, num_attention_heads=3,
            max_position_embeddings=32, **sizes, initializer_range=0.3, tie_word_embeddings=False,
        )
    )  # fmt: skip
    for norm in (gpt2.transformer.ln_f, llama.model.norm):
        torch.nn.init.uniform_(norm.weight, 0.5, 2)
    torch.nn.init.normal_(gpt2.transformer.ln_f.bias)
    return {
        name: LanguageModel.from_module(module.eval(), None, name=name, key=name)
        for name, module in (("gpt2", gpt2), ("llama", llama))
    }


@pytest.fixture(scope="module")
def tokens():
    rng = np.random.default_rng(0)
    attention = np.ones((8, 20), dtype=bool)
    attention[3, 12:] = False
    keep = attention.copy()
    keep[:, 0] = False  # as a BOS
    ids = rng.integers(0, VOCABULARY, size=(8, 20)).astype(np.int32)
    return Tokens(ids, attention, keep, np.repeat(np.arange(8), 20).reshape(8, 20).astype(np.int32))


def logits(model, tokens):
    mask = torch.from_numpy(tokens.attention_mask).long()
    with torch.no_grad():
        return model.module(
            input_ids=torch.from_numpy(tokens.input_ids).long(), attention_mask=mask, use_cache=False
        ).logits


def test_logit_weights_are_those_of_the_directions_themselves(models):
    """Adding a direction to the state before the final norm, the norm's length held, moves logits so."""
    rng = np.random.default_rng(1)
    ids = np.arange(0, VOCABULARY, 2)
    for model in models.values():
        unembedded = unembedding(model, ids)
        norm = model.module.transformer.ln_f if model.name == "gpt2" else model.module.model.norm
        head = model.module.lm_head.weight.detach().double().numpy()[ids]
        gain, direction = norm.weight.detach().double().numpy(), rng.normal(size=WIDTH)
        inner = direction - direction.mean() if model.name == "gpt2" else direction
        np.testing.assert_allclose(direction @ unembedded, head @ (gain * inner), atol=1e-5)
    with pytest.raises(ModelError, match="isn't in the head"):
        unembedding(models["gpt2"], np.array([VOCABULARY]))


def test_correlations_by_inner_products_are_those_of_the_logit_vectors(models):
    rng = np.random.default_rng(2)
    spaces = [unembedding(model, np.arange(VOCABULARY)) for model in models.values()]
    rows = [rng.normal(size=(40, WIDTH)) for _ in spaces]
    rows[1][:20] = np.linalg.lstsq(spaces[1].T, (rows[0][:20] @ spaces[0]).T, rcond=None)[0].T
    found = logit_agreement(rows[0], rows[1], LogitSpace.of(*spaces), draws=99)
    logit = [row @ space for row, space in zip(rows, spaces, strict=True)]
    slow = [np.corrcoef(x, y)[0, 1] for x, y in zip(*logit, strict=True)]
    np.testing.assert_allclose(found.r, slow, atol=1e-9)
    assert found.value == pytest.approx(np.mean(slow))
    assert found.p == 0.01
    assert abs(found.draws.mean()) < 0.05
    same = logit_agreement(rows[0], rows[0], LogitSpace.of(spaces[0], spaces[0]))
    np.testing.assert_allclose(same.r, 1)
    silent = logit_agreement(np.zeros((3, WIDTH)), rows[1][:3], LogitSpace.of(*spaces))
    assert np.isnan(silent.r).all()
    assert np.isnan(silent.p)
    with pytest.raises(InputError, match="give paired rows"):
        logit_agreement(rows[0], rows[1][:3], LogitSpace.of(*spaces))


def test_a_space_of_one_model_is_made_of_one_product(models):
    u = unembedding(models["gpt2"], np.arange(VOCABULARY))
    once, thrice = LogitSpace.of(u, u), LogitSpace.of(u, u.copy())
    assert once.aa is once.ab is once.bb
    for name in ("aa", "ab", "bb"):
        np.testing.assert_allclose(getattr(once, name), getattr(thrice, name), atol=1e-9)


def test_promoted_tokens_are_the_largest_logit_weights(models):
    rng = np.random.default_rng(4)
    unembedded = unembedding(models["gpt2"], np.arange(VOCABULARY))
    unembedded[:, 7] = unembedded[:, 3]  # two tokens that are always tied
    rows = rng.normal(size=(150, WIDTH)).astype(np.float32)
    rows[5] = 0
    found, weights = promoted(rows, unembedded, most=4)
    logits = rows.astype(np.float64) @ (unembedded - unembedded.mean(axis=1, keepdims=True))
    slow = np.argsort(-logits, axis=1, kind="stable")[:, :4]
    told = np.arange(150) != 5
    assert (found[told] == slow[told]).mean() > 0.98
    np.testing.assert_allclose(
        weights[told], np.take_along_axis(logits, found, axis=1)[told], atol=1e-3 * np.abs(logits).max()
    )
    assert (found[5] == -1).all()
    for row in found[(found == 7).any(axis=1)].tolist():
        assert 7 not in row[:-1] or row.index(3) + 1 == row.index(7)
    everything, _ = promoted(rows[:1], unembedded, most=1000)
    assert everything.shape == (1, VOCABULARY)
    assert (everything[0] >= 0).sum() <= (logits[0] > 0).sum()


class Vocabulary:
    """What is read of a tokenizer, of strings as they are."""

    added_tokens_decoder: dict = {}  # noqa: RUF012 - as tokenizers have it

    def __init__(self, strings):
        self.strings, self.all_special_ids = strings, [0]

    def get_vocab(self):
        return {string: number for number, string in enumerate(self.strings)}

    def convert_ids_to_tokens(self, ids):
        return [self.strings[number] for number in ids]


def test_shared_tokens_are_those_that_stand_for_the_same_text():
    words = [f"word{number}" for number in range(200)]
    a = Vocabulary(["<s>", *words, "only a", "<0x41>", "A"])  # two tokens stand for A
    b = Vocabulary(["<s>", "A", *reversed(words[50:])])
    found = shared_tokens(a, b)
    assert found.strings == tuple(words[50:])
    assert [b.strings[one] for one in found.ids("b")] == [a.strings[one] for one in found.ids("a")]
    with pytest.raises(ConfigError, match=r"share 99 tokens, and logits are compared over at least 100"):
        shared_tokens(a, Vocabulary(["<s>", *words[:99]]))


def test_the_stitched_loss_is_that_of_the_model_where_nothing_is_changed(models, tokens):
    for model in models.values():
        row, column = np.nonzero(tokens.keep)
        own = Stitched(model, tokens, "resid_post.1", np.arange(tokens.n), batch_tokens=60)
        logprobs = torch.log_softmax(logits(model, tokens).double(), dim=-1)
        slow = [
            -float(logprobs[r, c, tokens.input_ids[r, c + 1]])
            for r, c in zip(row, column, strict=True)
            if c + 1 < 20 and tokens.attention_mask[r, c + 1]
        ]
        assert own.predictions == len(slow)
        assert own.loss() == pytest.approx(np.mean(slow), rel=1e-5)
        ids, mask = (torch.from_numpy(np.asarray(one)) for one in (tokens.input_ids, tokens.attention_mask))
        states = model.capture(ids.long(), mask.long(), ["resid_post.1"])["resid_post.1"][row, column]
        assert own.loss(states.numpy()) == pytest.approx(own.loss(), rel=1e-5)
        zero = own.loss(np.zeros((tokens.n, WIDTH)))
        assert abs(zero - own.loss()) > 0.01
        some = Stitched(model, tokens, "resid_post.1", np.array([3, 50, 51]))
        assert some.predictions == 3
        assert some.loss(states.numpy()[[3, 50, 51]]) == pytest.approx(some.loss(), rel=1e-5)
        with pytest.raises(InputError, match="2 states for 3 places"):
            some.loss(np.zeros((2, WIDTH)))


def test_an_edit_changes_the_sum_of_several_places_to_what_is_asked(models, tokens):
    """resid_mid of GPT-2 is the block's input and what attention adds."""
    ids, mask = torch.from_numpy(tokens.input_ids).long(), torch.from_numpy(tokens.attention_mask).long()
    rows, columns = torch.arange(8), torch.full((8,), 9)
    for hook in ("resid_mid.1", "resid_pre.1", "mlp_out.0", "mlp_hidden.1"):
        plain = logits_at(models["gpt2"], ids, mask, rows, columns)
        torch.testing.assert_close(plain, logits(models["gpt2"], tokens)[rows, columns])
        same = logits_at(models["gpt2"], ids, mask, rows, columns, hook_name=hook, edit=lambda x: x.clone())
        torch.testing.assert_close(same, plain, atol=1e-4, rtol=1e-4)
        gone = logits_at(models["gpt2"], ids, mask, rows, columns, hook_name=hook, edit=lambda x: 0 * x)
        assert (gone - plain).abs().max() > 1e-3
    assert not any(
        module._forward_hooks or module._forward_pre_hooks for module in models["gpt2"].module.modules()
    )


def test_a_model_without_a_head_predicts_nothing(models):
    body = LanguageModel.from_module(models["gpt2"].module.transformer, None, name="body", key="body")
    with pytest.raises(ModelError, match="body has no language head, so it predicts no tokens"):
        unembedding(body, np.arange(3))


def test_loss_recovered():
    assert loss_recovered(2.0, native=2.0, ablated=5.0) == 1
    assert loss_recovered(5.0, native=2.0, ablated=5.0) == 0
    assert np.isnan(loss_recovered(2.0, native=2.0, ablated=1.5))


def sae_of(rng, order):
    W = torch.from_numpy(rng.normal(size=(WIDTH, 60)).astype(np.float32)) / WIDTH**0.5
    W = W[:, torch.from_numpy(order)]
    return Sae(W, W.T.contiguous(), torch.full((60,), -1.2), torch.zeros(WIDTH))


@pytest.fixture(scope="module")
def bench(models, tokens):
    """A model against itself, features of b in another order: b's feature j is a's feature order[j]."""
    model, order = models["gpt2"], np.random.default_rng(9).permutation(60)
    row, column = np.nonzero(tokens.keep)
    ids, mask = torch.from_numpy(tokens.input_ids).long(), torch.from_numpy(tokens.attention_mask).long()
    states = model.capture(ids, mask, ["resid_post.0"])["resid_post.0"][row, column].numpy()
    sides = [
        Ablator(
            model,
            tokens,
            "resid_post.0",
            sae_of(np.random.default_rng(5), one),
            states,
            np.arange(tokens.n),
            160,
        )
        for one in (np.arange(60), order)
    ]
    identity = FittedMap("identity", np.eye(WIDTH), np.zeros(WIDTH), np.zeros(WIDTH), 1)
    vocabulary = np.arange(VOCABULARY)
    among = np.ones(tokens.n, dtype=bool)
    return Bench(sides[0], sides[1], identity, row, among, vocabulary, vocabulary, 3), order


def test_the_same_feature_does_the_same_and_a_hard_negative_does_not(bench):
    bench, order = bench
    fires_a, fires_b = bench.fires()
    np.testing.assert_array_equal(fires_a[order], fires_b)
    b = np.flatnonzero(fires_b >= 3)[:6]
    a = order[b]
    tops = np.full((60, 1), -1)
    negatives, _ = hard_negatives(
        a, b, partners={int(x): {int(y)} for x, y in zip(a, b, strict=True)}, firings_b=fires_b,
        top_a=tops, top_b=tops,
    )  # fmt: skip
    assert not (negatives == b).any()
    for effect in bench.effects(a, b):
        assert effect.ablation_r == pytest.approx(1, abs=1e-3)
        assert effect.substitution == pytest.approx(1, abs=1e-3)
        assert effect.kl_ablated > 0
    wrong = bench.effects(a, negatives)
    assert np.mean([one.ablation_r for one in wrong]) < 0.5
    assert np.mean([one.substitution for one in wrong]) < 0.3


def test_a_feature_taken_out_is_the_model_without_its_contribution(bench, models, tokens):
    """The slow way: one pass of one row with the feature's part of every state taken off."""
    bench, _ = bench
    side, feature = bench.a, int(np.argmax(bench.fires()[0]))
    place = int(side.strongest(feature, 1, among=bench.among, document=bench.document)[0])
    at = side.firing_before(feature, place)
    got = side.predict(np.array([place]), [(at, -side.contribution(feature, at))])[0]
    row, column = side.row[place], side.column[place]
    ids = torch.from_numpy(tokens.input_ids[[row], : column + 1]).long()

    def without(states):
        acts = side.sae.encode(states)[..., feature]
        acts[:, 0] = 0  # the first position isn't kept, so that it keeps its state
        return states - acts[..., None] * side.sae.W_dec[feature]

    told = logits_at(
        models["gpt2"], ids, torch.ones_like(ids), torch.tensor([0]), torch.tensor([column]),
        hook_name="resid_post.0", edit=without,
    )  # fmt: skip
    torch.testing.assert_close(got, torch.log_softmax(told[0], dim=-1), atol=1e-5, rtol=1e-4)


def test_features_that_never_fire_say_so(bench):
    bench, _ = bench
    silent = bench.a.sae.b_enc.clone()
    assert silent.shape == (60,)
    never = Ablator(
        bench.a.model, bench.a.tokens, bench.a.hook_name,
        Sae(bench.a.sae.W_enc, bench.a.sae.W_dec, torch.full((60,), -1e6), torch.zeros(WIDTH)),
        bench.a.states, bench.a.at,
    )  # fmt: skip
    nothing = Bench(never, never, bench.fitted, bench.document, bench.among, bench.ids_a, bench.ids_b, 2)
    (found,) = nothing.effects(np.array([3]), np.array([4]))
    assert found.reason == "neither feature fires on the held-out text"
    assert np.isnan(found.substitution)
    assert sparse.csr_array(never.acts).nnz == 0


def test_a_sample_is_stratified_and_its_weights_stand_for_all_pairs():
    rng = np.random.default_rng(3)
    r, firings = rng.random(500), rng.integers(1, 1000, size=500)
    sample = stratified(r, firings, 120)
    assert len(sample.index) == 120
    assert sample.weight.sum() == pytest.approx(500)
    assert len(set(sample.stratum)) == 12
    strongest = [one.startswith("r4") for one in sample.stratum]
    assert r[sample.index[strongest]].min() > r[sample.index[[not one for one in strongest]]].max() - 1e-9
    few = stratified(r[:5], firings[:5], 120)
    np.testing.assert_array_equal(few.index, np.arange(5))
    np.testing.assert_array_equal(few.weight, 1)


def test_hard_negatives_share_rate_and_tokens_and_are_no_partners():
    firings = np.array([100, 110, 90, 1000, 0, 105])
    top_b = np.array([[1, 2], [1, 2], [1, 9], [1, 2], [1, 2], [7, 8]])
    chosen, overlap = hard_negatives(
        np.array([0]),
        np.array([0]),
        partners={0: {0, 1}},
        firings_b=firings,
        top_a=np.array([[1, 2]]),
        top_b=top_b,
    )  # 1 is a partner as well, 3 fires too often, 4 never
    assert (chosen.tolist(), overlap.tolist()) == ([2], [1])
    alone, _ = hard_negatives(
        np.array([0]), np.array([0]), partners={}, firings_b=np.array([5]), top_a=top_b[:1], top_b=top_b[:1]
    )
    assert alone.tolist() == [-1]


def test_quality_falls_along_the_curve_where_the_ranking_is_right():
    quality = np.linspace(1, 0, 100)
    curve, area = quality_curve(quality, quality)
    assert [point["coverage"] for point in curve] == pytest.approx(np.arange(1, 11) / 10)
    assert curve[0]["quality"] == pytest.approx(quality[:10].mean())
    assert curve[-1]["quality"] == pytest.approx(0.5)
    assert area > quality_curve(-quality, quality)[1]
    weighted, _ = quality_curve(np.array([2.0, 1.0]), np.array([1.0, 0.0]), np.array([1.0, 9.0]))
    assert weighted[-1]["quality"] == pytest.approx(0.1)
    assert quality_curve(np.zeros(2), np.full(2, np.nan))[0] == []
    assert p_of_pairs(np.full(30, 0.2)) == 0.001
    assert p_of_pairs(np.tile([0.2, -0.2], 20)) > 0.3
    assert np.isnan(p_of_pairs(np.array([np.nan, 1.0])))
    above, q95 = above_null(np.array([0.96, 0.94, np.nan]), np.append(np.linspace(0, 1, 101), np.nan))
    assert above.tolist() == [True, False, False]
    assert q95 == pytest.approx(0.95)
    assert not above_null(np.ones(2), np.empty(0))[0].any()
