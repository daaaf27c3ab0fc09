"""What a made-up world promises: rates, overlap, rotation, hierarchy, splitting, absorption, the same bits."""

import numpy as np
import pytest
import torch

from congruence.errors import ConfigError, InputError
from congruence.matching import MATCHERS, match
from congruence.records import FeatureActs
from congruence.synthetic import WorldOptions, language_model, make_world, recovered, true_sae, unembedding_of
from congruence.synthetic.study.pairing import GIVEN

CLEAN = {"jitter": 0.0, "missed": 0.0, "correlation": 0.0, "hierarchy": 0.0}


def fires(model):
    return (model.acts() > 0).toarray()


def test_shapes_and_protocol():
    world = make_world(features=40, tokens=1050, width=(24, 32, 16), models=3, document_tokens=100)
    offsets = world.document_offsets
    assert offsets[0] == 0
    assert offsets[-1] == 1050 == len(world.token_ids)
    assert np.diff(offsets).tolist() == [100] * 10 + [50]
    assert world.token_ids.max() < len(world.strings) == 500
    for model, width in zip(world.models, (24, 32, 16), strict=True):
        assert isinstance(model, FeatureActs)
        assert model.W_dec.shape == (40, width)
        assert model.states().shape == (1050, width)
        assert model.acts().shape == model.shape == (1050, 40)
        np.testing.assert_allclose(np.linalg.norm(model.W_dec, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("share", "expected"), [(0, 0), (0.1, 10), (0.355, 36), (1, 100)])
def test_overlap_is_exact(share, expected):
    truth = make_world(features=100, shared=share, models=3).truth
    for a, b in [(0, 1), (1, 2), (0, 2)]:
        assert len(truth.pairs(models=(a, b))) == expected
        assert len(np.intersect1d(truth.concept[a], truth.concept[b])) == expected
        found = truth.pairs(models=(a, b))
        assert truth.are_partners(*found.T, models=(a, b)).all()
    assert truth.is_shared(1).sum() == expected


def test_features_stand_in_no_order():
    truth = make_world(features=400, shared=1.0).truth
    assert (truth.concept[0] == truth.concept[1]).mean() < 0.02


@pytest.mark.parametrize("options", [CLEAN, {**CLEAN, "correlation": 0.8, "hierarchy": 0.6}])
def test_rates_are_those_asked_for(options):
    world = make_world(features=60, tokens=60_000, **options)
    model, truth = world.models[0], world.truth
    asked = truth.rate[truth.concept[0]]
    seen = np.asarray((model.acts() > 0).mean(axis=0))
    assert asked.max() <= 0.1 + 1e-12
    assert asked.min() >= 0.003 * 0.9
    # fires cluster where a topic's documents do: the spread is above that of independent tokens
    error = np.sqrt(asked / 60_000) * (1 if options is CLEAN else 6)
    assert (np.abs(seen - asked) < 4.5 * error).all()
    missed = make_world(features=60, tokens=60_000, **{**options, "missed": 0.4}).models[0]
    assert missed.acts().nnz == pytest.approx(0.6 * model.acts().nnz, rel=0.02)


def test_rates_fall_as_a_power_of_the_rank():
    truth = make_world(features=500, shared=1.0, max_rate=0.1, min_rate=0.001, topics=1).truth
    rate = np.sort(truth.rate)[::-1]
    slope = np.diff(np.log(rate[[4, 49, 499]])) / np.diff(np.log([5, 50, 500]))
    np.testing.assert_allclose(slope, np.log(0.001 / 0.1) / np.log(500), rtol=0.02)


def test_children_fire_only_where_their_parent_does():
    world = make_world(features=80, tokens=6000, hierarchy=0.5, jitter=0.1, missed=0.0)
    truth = world.truth
    assert (truth.parent >= 0).sum() >= 40
    for model in world.models:
        on, concept = fires(model), truth.concept[model.number]
        place = {c: i for i, c in enumerate(concept)}
        children = [i for i, c in enumerate(concept) if truth.parent[c] >= 0]
        assert len(children) > 10
        for child in children:
            assert not (on[:, child] & ~on[:, place[truth.parent[concept[child]]]]).any()
            assert truth.rate[concept[child]] * 2 <= truth.rate[truth.parent[concept[child]]] + 1e-12


def test_features_of_a_topic_fire_together():
    def mean_r(correlation, same):
        world = make_world(features=60, tokens=20_000, **{**CLEAN, "correlation": correlation})
        topic = world.truth.topic[world.truth.concept[0]]
        r = np.corrcoef(fires(world.models[0]).T)
        alike = (topic[:, None] == topic) & ~np.eye(60, dtype=bool)
        return r[alike if same else topic[:, None] != topic].mean()

    assert abs(mean_r(0.0, True)) < 0.005
    assert mean_r(0.8, True) > 0.03
    assert mean_r(0.8, False) < 0.0


def test_rotation_leaves_what_is_between_features():
    world = make_world(features=50, shared=0.6, width=(32, 48), tokens=400)
    pairs = world.truth.pairs()
    a, b = (model.W_dec[features] for model, features in zip(world.models, pairs.T, strict=True))
    np.testing.assert_allclose(a @ a.T, b @ b.T, atol=1e-5)
    assert np.abs(a @ b[:, :32].T).diagonal().mean() < 0.4  # the axes have nothing to do with each other
    own = [model.W_dec[~world.truth.is_shared(model.number)] for model in world.models]
    above = np.triu_indices(20, 1)
    assert abs(np.corrcoef(*((rows @ rows.T)[above] for rows in own))[0, 1]) < 0.25
    still = make_world(features=50, shared=0.6, width=32, tokens=400, rotate=False)
    a, b = (m.W_dec[f] for m, f in zip(still.models, still.truth.pairs().T, strict=True))
    np.testing.assert_array_equal(a, b)


def test_parts_of_a_split_feature_share_its_tokens_out():
    world = make_world(features=60, shared=0.5, splitting=0.5, split_into=3, tokens=8000, **CLEAN)
    truth, (a, b) = world.truth, world.models
    assert b.shape[1] == 60 + 2 * 15
    split = np.flatnonzero(truth.part[1] >= 0)
    assert len(split) == 45
    on_a, on_b = fires(a), fires(b)
    for concept in np.unique(truth.concept[1][split]):
        parts = np.flatnonzero(truth.concept[1] == concept)
        (whole,) = np.flatnonzero(truth.concept[0] == concept)
        assert len(parts) == 3
        np.testing.assert_array_equal(on_b[:, parts].sum(axis=1), on_a[:, whole])
    assert len(truth.pairs()) == 15 + 45


def test_a_parent_is_silent_where_a_child_absorbed_it():
    world = make_world(features=80, shared=1.0, absorption=1.0, tokens=6000, **{**CLEAN, "hierarchy": 0.5})
    truth, (a, b) = world.truth, world.models
    assert not truth.absorbs[0].any()
    assert truth.absorbs[1].sum() == (truth.parent[truth.concept[1]] >= 0).sum() > 20
    on, directions = fires(b), b.W_dec
    place = {c: i for i, c in enumerate(truth.concept[1])}
    for child in np.flatnonzero(truth.absorbs[1]):
        parent = place[truth.parent[truth.concept[1][child]]]
        assert not (on[:, child] & on[:, parent]).any()
        assert directions[child] @ directions[parent] > 0.5
    assert a.acts().nnz > b.acts().nnz


def test_states_are_made_of_the_features():
    world = make_world(features=30, tokens=500, width=40)
    for model in world.models:
        np.testing.assert_allclose(model.states(), model.acts() @ model.W_dec + model.mean, atol=1e-6)
    noisy = make_world(features=30, tokens=20_000, width=40, noise=0.5)
    clean = make_world(features=30, tokens=20_000, width=40)
    added = noisy.models[0].states() - clean.models[0].states()
    assert np.linalg.norm(added, axis=1).mean() == pytest.approx(0.5, rel=0.02)


@pytest.mark.bits
def test_the_same_seed_gives_the_same_bits():
    options = {"features": 50, "tokens": 20_000, "splitting": 0.2, "absorption": 0.5, "noise": 0.1}
    one, again = make_world(**options), make_world(**options)
    other = make_world(**options, seed=1)
    assert one.key == again.key != other.key
    np.testing.assert_array_equal(one.token_ids, again.token_ids)
    for x, y, z in zip(one.models, again.models, other.models, strict=True):
        assert (x.acts() != y.acts()).nnz == 0
        np.testing.assert_array_equal(x.W_dec, y.W_dec)
        np.testing.assert_array_equal(x.acts()[5000:5100].toarray(), y.acts()[5000:5100].toarray())
        assert not np.array_equal(x.W_dec, z.W_dec)


def test_a_block_depends_on_its_number_alone():
    firing = make_world(features=50, tokens=30_000).firing
    assert firing.blocks == 4
    third = firing.block(2)
    for number, block in enumerate(firing):
        if number == 2:
            np.testing.assert_array_equal(block.concept, third.concept)
            np.testing.assert_array_equal(block.token_ids, third.token_ids)
    assert third.start == 2 * 81 * 100


def test_another_text_is_read_by_the_same_models():
    world = make_world(features=40, tokens=3000)
    other = world.other_text(7)
    assert other.truth is world.truth
    for one, same in zip(world.models, other.models, strict=True):
        np.testing.assert_array_equal(one.W_dec, same.W_dec)
        np.testing.assert_array_equal(one.mean, same.mean)
        assert (one.acts() != same.acts()).nnz > 0


def test_the_strongest_token_of_a_feature_is_its_own():
    world = make_world(features=30, tokens=20_000, token_share=1.0, **CLEAN)
    acts, concept = world.models[0].acts().tocsc(), world.truth.concept[0]
    own = world.firing.own_token[concept]
    top = [
        acts.indices[acts.indptr[i] + acts.data[acts.indptr[i] : acts.indptr[i + 1]].argmax()]
        for i in range(30)
    ]
    assert (world.token_ids[top] == own).mean() > 0.6  # elsewhere a feature that fires there is stronger


def test_the_true_dictionary_gives_the_planted_activations_back():
    world = make_world(features=48, tokens=9000, width=64)
    for model in world.models:
        sae = true_sae(model)
        states, planted = torch.from_numpy(model.states()), model.acts().toarray()
        found = sae.encode(states).numpy()
        np.testing.assert_array_equal(found[:8192] > 0, planted[:8192] > 0)
        assert ((found > 0) != (planted > 0)).sum() <= 2  # a weaker firing than any of those it was fitted on
        both = (found > 0) & (planted > 0)
        np.testing.assert_allclose(found[both], planted[both], atol=2e-3)
        np.testing.assert_allclose(sae.decode(sae.encode(states))[:8192], model.states()[:8192], atol=5e-3)
        nearest = recovered(model, sae.W_dec.numpy())
        np.testing.assert_array_equal(nearest.concept, world.truth.concept[model.number])


def test_more_features_than_dimensions_interfere():
    model = make_world(features=128, tokens=8000, width=32).models[0]
    found = true_sae(model).encode_csr(torch.from_numpy(model.states()))
    planted = model.acts()
    both = (found > 0).multiply(planted > 0).sum()
    assert 0.5 < 2 * both / (found.nnz + planted.nnz) < 0.98


@pytest.mark.parametrize("method", [name for name in MATCHERS.names() if name not in GIVEN])
def test_every_matcher_finds_a_world_that_is_wholly_shared(method):
    world = make_world(features=40, shared=1.0, tokens=8000, missed=0.0, jitter=0.05)
    pairs = match(*world.models, method=method)
    assert len(pairs) == 40
    assert world.truth.are_partners(pairs.feature_a, pairs.feature_b).all()
    assert pairs.mutual.all()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shared": 1.2}, "shared=1.2: use a share from 0 to 1"),
        ({"shared": -0.1}, "shared=-0.1"),
        ({"shared": "half"}, "shared='half'"),
        ({"features": 3}, "features=3: use a whole number of at least 8"),
        ({"features": 50.5}, "features=50.5"),
        ({"tokens": 1}, "tokens=1"),
        ({"tokens": 150}, "make 2 document of document_tokens=100: give at least two"),
        ({"width": (32, 64, 16)}, "names 3 widths and there are 2 models"),
        ({"width": ()}, "width=()"),
        ({"width": 1}, "width=1"),
        ({"min_rate": 0.2}, "min_rate=0.2 is above max_rate=0.1"),
        ({"max_rate": 1.0}, "max_rate=1.0"),
        ({"max_rate": 0.5, "correlation": 0.9, "topics": 20}, "lower one of the three"),
        ({"missed": 1.0}, "missed=1.0"),
        ({"noise": float("nan")}, "noise=nan"),
        ({"jitter": float("inf")}, "jitter=inf"),
        ({"models": 0}, "models=0"),
        ({"split_into": 1}, "split_into=1"),
        ({"seed": -1}, "seed=-1"),
        ({"rotate": 1}, "rotate=1"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, words):
    with pytest.raises(InputError, match=r".") as refused:
        make_world(**options)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'features'"):
        make_world(feature=50)
    assert WorldOptions().n_shared == 300
    with pytest.raises(InputError, match="models 0 to 1"):
        make_world(features=8).truth.pairs(models=(0, 2))


def test_what_is_shared_does_the_same_but_for_the_share_that_does_not():
    world = make_world(features=60, shared=0.5, models=3, width=128, tokens=2000, other_effects=0.4, seed=2)
    pairs = world.truth.pairs().T
    assert world.effects.do_the_same(*pairs).sum() == 18
    assert world.effects.do_the_same(*world.truth.pairs(models=(1, 2)).T, models=(1, 2)).sum() == 18
    assert not world.effects.do_the_same(pairs[0], np.roll(pairs[1], 1)).any()
    assert world.other_text(5).effects is world.effects
    with pytest.raises(InputError, match="models 0 to 2"):
        world.effects.do_the_same(*pairs, models=(0, 3))
    a = world.models[0]
    planted = world.effects.logits(0, 500)
    assert ((planted > 0).sum(axis=1) == 10).all()
    np.testing.assert_allclose(a.W_dec @ unembedding_of(a), planted, atol=0.05)


def test_a_made_up_model_predicts_by_its_states():
    model = make_world(features=30, tokens=500, width=24).models[1]
    head = language_model(model)
    rows = torch.tensor([[3, 400, 7]])
    with torch.no_grad():
        given = head.module(input_ids=rows).logits[0].numpy()
    np.testing.assert_allclose(given, model.states()[[3, 400, 7]] @ unembedding_of(model), atol=1e-5)
    np.testing.assert_array_equal(
        head.capture(rows, None, ["blocks.0"])["blocks.0"][0], model.states()[rows[0]]
    )
