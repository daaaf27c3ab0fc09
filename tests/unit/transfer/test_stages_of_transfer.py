"""Sums against states themselves, what splits are made of, and rotations of states against those of decoders."""

import numpy as np
import pytest
import torch

from congruence.errors import ConfigError, InputError
from congruence.saes import Sae
from congruence.transfer import StateMoments, fit_map, make_function, rotation_agreement
from congruence.transfer.judge import RANDOM, SHIFTED, WRONG_LAYER, judged_maps
from congruence.transfer.reader import Reader
from congruence.transfer.split import Split
from congruence.transfer.states import LayerPair, LayerStates

OFFSETS = np.cumsum([0, 30, 80, 10, 60, 40, 90, 20, 70])


def layers(rng, n=OFFSETS[-1], widths=(6, 8), mean=30.0):
    x = rng.normal(size=(n, widths[0])) @ rng.normal(size=(widths[0], widths[0])) + mean
    y = x @ rng.normal(size=widths) + rng.normal(size=(n, widths[1])) - mean
    return x, y


def r2(y, given):
    return 1 - ((y - given) ** 2).sum() / ((y - y.mean(axis=0)) ** 2).sum()


@pytest.fixture(scope="module")
def world():
    x, y = layers(np.random.default_rng(0))
    split = Split.of(OFFSETS, 3, judged=100)
    return x, y, split


def pair_of(x, y, split):
    return LayerPair.of(LayerStates.of(x, split), LayerStates.of(y, split), split)


def test_r2_from_sums_is_that_of_least_squares_on_the_states(world):
    """The slow obvious way: numpy's lstsq with a column of ones, applied to the held-out states."""
    x, y, split = world
    pair = pair_of(x, y, split)
    for source, target, one in ((x, y, pair), (y, x, pair.reverse())):
        ones = np.concatenate([source, np.ones((len(source), 1))], axis=1)
        solution = np.linalg.lstsq(ones[split.fit], target[split.fit], rcond=None)[0]
        fitted = fit_map(one.fit, "affine")
        assert fitted.explained(one.held) == pytest.approx(
            r2(target[split.held], ones[split.held] @ solution)
        )
        for kind in ("orthogonal", "ridge"):
            fitted = fit_map(one.fit, kind)
            assert fitted.explained(one.held) == pytest.approx(
                r2(target[split.held], fitted.apply(source[split.held]))
            )


def test_products_made_once_serve_both_directions(world):
    x, y, split = world
    pair = pair_of(x, y, split)
    there, back = pair.fit, pair.reverse().fit
    np.testing.assert_array_equal(there.xy, back.xy.T)
    for name, of_x, of_y in (("fit", x[split.fit], y[split.fit]), ("held", x[split.held], y[split.held])):
        for one, told in ((pair, StateMoments.of(of_x, of_y)), (pair.reverse(), StateMoments.of(of_y, of_x))):
            for part in ("n", "x", "y", "xx", "xy", "yy"):
                np.testing.assert_allclose(getattr(getattr(one, name), part), getattr(told, part))
    rolled = np.roll(x[split.fit], split.shift, axis=0)
    np.testing.assert_allclose(pair.reverse().shifted.xy, y[split.fit].T @ rolled)


def test_a_split_is_by_whole_documents(world):
    _, _, split = world
    document = np.repeat(np.arange(len(OFFSETS) - 1), np.diff(OFFSETS))
    assert not set(document[split.fit]) & set(document[split.held])
    assert split.fit.sum() + split.held.sum() == OFFSETS[-1]
    judged = set(document[split.judged])
    assert judged <= set(document[split.held])
    assert sum(np.isin(document, list(judged))) == len(split.judged) >= 50
    assert 0 < split.shift < split.fit.sum()
    with pytest.raises(InputError, match="3 documents can't fit maps and judge them: give at least 4"):
        Split.of(OFFSETS[:4], 0)


def test_a_map_that_cannot_be_fitted_says_why_and_the_others_stand():
    rng = np.random.default_rng(2)
    offsets = np.array([0, 3, 6, 9, 12])
    x, y = layers(rng, n=12)
    found = judged_maps(pair_of(x, y, Split.of(offsets, 0)), None)
    doubtful = [one for one in found if one.doubt]
    assert [one.kind for one in doubtful] == ["affine"]
    assert "use ridge" in doubtful[0].doubt
    assert np.isnan(doubtful[0].r2)
    assert all(np.isfinite(one.r2) for one in found if not one.doubt)


def test_the_map_of_a_wrong_layer_is_a_null_and_needs_no_sae(world):
    x, y, split = world
    rng = np.random.default_rng(4)
    wrong = pair_of(x, rng.normal(size=y.shape), split)
    found = {(one.kind, one.null): one.r2 for one in judged_maps(pair_of(x, y, split), None, wrong=wrong)}
    assert found["affine", ""] > 0.5
    for null in (SHIFTED, RANDOM, WRONG_LAYER):
        assert found["orthogonal", null] < found["orthogonal", ""] - 0.2


def test_the_rotation_of_the_states_agrees_with_that_of_decoder_rows_only_where_it_is_the_same():
    rng = np.random.default_rng(5)
    rotation = np.linalg.qr(rng.normal(size=(24, 16)))[0].T  # (16, 24)
    rows = rng.normal(size=(300, 16))
    partners = rows @ rotation + 0.05 * rng.normal(size=(300, 24))
    same = rotation_agreement(rows, partners, 3 * rotation)
    assert same.cosine > 0.95
    assert same.finds > 0.95
    assert abs(same.null) < 0.2
    assert same.pairs == 300
    other = np.linalg.qr(rng.normal(size=(24, 16)))[0].T
    different = rotation_agreement(rows, partners, other)
    assert abs(different.cosine) < 0.3
    assert different.finds < 0.1
    assert rotation_agreement(rows[:5], partners[:5], rotation).pairs == 5
    with pytest.raises(InputError, match="give paired rows"):
        rotation_agreement(rows, rows, rotation)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("transfr", {}, "transfer"),
        ("transfer", {"maps": ["affin"]}, "did you mean 'affine'"),
        ("transfer", {"maps": []}, "name at least one value"),
        ("transfer", {"penalty": 0}, "above 0"),
        ("transfer", {"tokens": 3}, "from 16"),
        ("transfer", {"judged": "many"}, "judged='many'"),
        ("transfer", {"keep_map": True}, "keep_maps"),
        ("transfer", {"keep_maps": 1}, "true or false"),
    ],
)
def test_options_are_checked_in_one_line(name, options, words):
    with pytest.raises(ConfigError) as refused:
        make_function(name, **options)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_copy_one_direction_off_a_third_off_and_an_independent_one_are_told_apart():
    """Sparse features of 24 dimensions, rotated into another basis with some directions drawn anew."""
    rng = np.random.default_rng(6)
    features, width, documents = 40, 24, 40
    acts = np.where(
        rng.random((documents * 60, features)) < 0.1, rng.lognormal(size=(documents * 60, features)), 0
    )
    directions = rng.normal(size=(features, width)) / width**0.5
    rotation = np.linalg.qr(rng.normal(size=(width, width)))[0]
    split = Split.of(np.arange(0, len(acts) + 1, 60), 0)

    def r2_of(replaced, moved=0):
        other = directions.copy()
        other[:replaced] = rng.normal(size=(replaced, width)) / width**0.5
        y = 3 * np.roll(acts, moved, axis=0) @ other @ rotation + 5
        pair = pair_of(acts @ directions, y, split)
        return judged_maps(pair, None, kinds=["orthogonal"], nulls=False)[0].r2

    rotated, one, third, independent = r2_of(0), r2_of(1), r2_of(12), r2_of(40, moved=600)
    assert rotated == pytest.approx(1, abs=1e-9)
    assert 0.93 < one < 0.995
    assert 0.4 < third < 0.9
    assert abs(independent) < 0.1


def test_a_pair_made_before_gives_the_same_as_one_made_alone(world):
    """What a run keeps of a pair of layers, for its neighbours' wrong layer, is what it would make anew."""
    x, y, split = world
    rng = np.random.default_rng(7)
    states = [LayerStates.of(one, split) for one in (x, y, x @ rng.normal(size=(6, 8)))]
    kept: dict[int, dict] = {0: {}, 1: {}}

    def pair(to, made=None):
        return LayerPair.of(states[0], states[to + 1], split, made)

    for to in (0, 1, 0):
        for turn in (lambda one: one, LayerPair.reverse):
            alone = judged_maps(turn(pair(to)), None, wrong=turn(pair(1 - to)))
            shared = judged_maps(turn(pair(to, kept[to])), None, wrong=turn(pair(1 - to, kept[1 - to])))
            for one, other in zip(alone, shared, strict=True):
                assert (one.kind, one.null, one.r2) == (other.kind, other.null, other.r2)
                np.testing.assert_array_equal(one.map.matrix, other.map.matrix)
    assert set(kept[0]) == {"fit", "held", "shifted", "rotation", "rotation back"}


def test_agreement_with_native_features_is_that_of_each_feature_by_itself():
    """F1 and mean r against numpy's, with features that never fire and that have one value everywhere."""
    rng = np.random.default_rng(8)
    width, features, n = 6, 30, 80
    sae = Sae(
        W_enc=torch.from_numpy(rng.normal(size=(width, features)).astype(np.float32)),
        W_dec=torch.from_numpy(rng.normal(size=(features, width)).astype(np.float32)),
        b_enc=torch.from_numpy(np.where(np.arange(features) < 2, -50, 0).astype(np.float32)),
        b_dec=torch.zeros(width),
    )
    sae.W_enc[:, 2] = 0
    sae.b_enc[2] = 1.5
    native, mapped = rng.normal(size=(2, n, width))
    mapped += native
    found = Reader.of(sae, native).read(mapped)
    one, other = (
        sae.encode(torch.from_numpy(x.astype(np.float32))).double().numpy() for x in (mapped, native)
    )
    live = [f for f in range(features) if np.ptp(one[:, f]) > 0 and np.ptp(other[:, f]) > 0]
    assert len(live) == features - 3
    assert found.r == pytest.approx(
        np.mean([np.corrcoef(one[:, f], other[:, f])[0, 1] for f in live]), abs=1e-12
    )
    both = ((one > 0) & (other > 0)).sum()
    assert found.f1 == pytest.approx(2 * both / ((one > 0).sum() + (other > 0).sum()))
    given = sae.decode(sae.encode(torch.from_numpy(mapped.astype(np.float32)))).numpy()
    assert found.explained == pytest.approx(r2(mapped, given))
    assert found.explained_of_target == pytest.approx(r2(native, given))
    silent = Reader.of(sae, np.zeros((n, width))).read(mapped)
    assert np.isnan(silent.r)


def test_maps_are_the_same_for_any_number_of_threads(world, monkeypatch):
    x, y, split = world
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
        found.append(judged_maps(pair_of(x, y, split), None))
    for one, other in zip(*found, strict=True):
        assert (one.kind, one.null, one.r2) == (other.kind, other.null, other.r2)
        np.testing.assert_array_equal(one.map.matrix, other.map.matrix)
