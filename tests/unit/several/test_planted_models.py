"""Four made-up models: features come home, and consensus features are the planted ones; what isn't shared doesn't."""

from itertools import combinations

import numpy as np
import pytest

from congruence.several import Links, clustered, come_home, consensus
from congruence.several.cycles import fixed_points
from congruence.stats import correlate
from congruence.synthetic import make_world


def links_of(one, other) -> Links:
    """Mutual best partners of two made-up models, by their planted activations."""
    a, b = one.acts(), other.acts()
    found = correlate(a, b)
    partner, back = found.a_to_b.indices[:, 0], found.b_to_a.indices[:, 0]
    x = np.flatnonzero(partner >= 0)
    x = x[back[partner[x]] == x]
    y = partner[x]
    return Links.of(
        feature_x=x, feature_y=y, r=found.a_to_b.values[x, 0],
        firings_x=found.firings_a[x], firings_y=found.firings_b[y],
    )  # fmt: skip


@pytest.fixture(scope="module")
def world():
    return make_world(features=80, shared=0.5, models=4, tokens=4000, width=32, hierarchy=0.0, seed=3)


@pytest.fixture(scope="module")
def links(world):
    return {(x, y): links_of(world.models[x], world.models[y]) for x, y in combinations(range(4), 2)}


def shared_of(world, model):
    return set(np.flatnonzero(world.truth.is_shared(model)).tolist())


def test_shared_features_come_home_and_private_ones_seldom(world, links):
    ab, bc, ca = links[0, 1], links[1, 2], links[0, 2].swapped()
    cycle = come_home(ab, bc, ca)
    shared = shared_of(world, 0)
    true = ab.select(np.isin(ab.feature_x, [*shared]))
    of_shared = come_home(true, bc, ca)
    assert of_shared.home >= 0.9 * len(shared)
    assert of_shared.home >= 0.95 * of_shared.followed
    private = come_home(ab.select(~np.isin(ab.feature_x, [*shared])), bc, ca)
    assert private.home <= 0.2 * max(private.followed, 1) + 2
    assert cycle.home == of_shared.home + private.home
    assert cycle.p < 1e-12
    assert cycle.chance < 5


def test_the_null_is_that_of_dealt_out_partners(links):
    """The exact mean and p against permutations within the same strata, drawn."""
    from congruence.several.cycles import _strata

    ab, bc, ca = links[0, 1], links[1, 2], links[0, 2].swapped()
    rng = np.random.default_rng(0)
    strata = _strata(ca.firings_y)
    homes = []
    for _ in range(400):
        dealt = np.arange(len(ca))
        for stratum in range(strata.max() + 1):
            dealt[strata == stratum] = rng.permutation(dealt[strata == stratum])
        turned = Links.of(
            feature_x=ca.feature_x, feature_y=ca.feature_y[dealt], r=ca.r,
            firings_x=ca.firings_x, firings_y=ca.firings_y[dealt],
        )  # fmt: skip
        cycle = come_home(ab, bc, turned)
        homes.append((cycle.home, cycle.p))
    mean = come_home(ab, bc, ca).chance
    found = np.array([home for home, _ in homes])
    assert found.mean() == pytest.approx(mean, abs=4 * found.std() / 20)
    assert np.mean([p <= 0.05 for _, p in homes]) <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 400)
    assert min(p for _, p in homes) < 0.2


@pytest.mark.parametrize(("places", "size"), [(0, 4), (1, 1), (2, 5), (4, 4), (5, 7)])
def test_fixed_points_as_counted(places, size):
    from itertools import permutations

    counts = np.bincount([sum(p[i] == i for i in range(places)) for p in permutations(range(size))])
    np.testing.assert_allclose(
        fixed_points(places, size)[: len(counts)], counts / counts.sum(), rtol=1e-9, atol=1e-12
    )


def test_consensus_features_are_the_planted_ones(world, links):
    names = "wxyz"
    groups = consensus({(names[x], names[y]): some for (x, y), some in links.items()}, [*names])
    concept = {name: world.truth.concept[number] for number, name in enumerate(names)}
    whole = [group for group in groups if len(group.members) == 4 and len(group.links) == group.possible]
    right = [len({int(concept[m][feature]) for m, _, feature in group.members}) == 1 for group in whole]
    assert np.mean(right) > 0.95
    assert sum(right) >= 0.9 * world.options.n_shared
    assert all(len({model for model, _, _ in group.members}) == len(group.members) for group in groups)
    placed = [member for group in groups for member in group.members]
    assert len(placed) == len(set(placed))
    # the same whatever the order in which pairs come
    again = consensus(
        {(names[y], names[x]): some.swapped() for (x, y), some in reversed(links.items())}, [*names]
    )
    assert {group.members for group in again} == {group.members for group in groups}


def test_a_weaker_link_joins_no_second_feature_of_a_model():
    def link(x, y, r):
        return Links.of(feature_x=[x], feature_y=[y], r=[r])

    # x0 – y0 – z0 – x1: the weakest, y0 – z0's continuation to x1, would bring x a second time
    (group,) = (g for g in consensus({
        ("x", "y"): link(0, 0, 0.9), ("y", "z"): link(0, 0, 0.8), ("x", "z"): link(1, 0, 0.3),
    }))  # fmt: skip
    assert group.members == (("x", 0, 0), ("y", 0, 0), ("z", 0, 0))
    assert (len(group.links), group.possible, group.refused) == (2, 3, 1)


def test_best_links_of_all_layers_are_one_to_one():
    links = Links.of(
        layer_x=[0, 0, 1], feature_x=[5, 5, 2], layer_y=[0, 1, 1], feature_y=[7, 3, 3], r=[0.5, 0.8, 0.9]
    )
    best = links.best()
    assert best.feature_x.tolist() == [2]  # 5 prefers 3, which prefers 2
    assert links.at(0, 1).r.tolist() == [0.8]
    assert len(links.at(3, 3)) == 0
    assert links.swapped().feature_x.tolist() == [7, 3, 3]


def test_models_that_are_alike_stand_side_by_side():
    values = np.full((4, 4), 0.2)
    values[0, 2] = values[2, 0] = 0.9
    values[1, 3] = values[3, 1] = 0.8
    found = clustered(["p", "q", "r", "s"], values)
    assert found is not None
    assert {frozenset(found.order[:2]), frozenset(found.order[2:])} == {frozenset("pr"), frozenset("qs")}
    np.testing.assert_allclose([row[2] for row in found.linkage], [0.1, 0.2, 0.8])
    assert clustered(["p", "q", "r"], np.full((3, 3), np.nan)) is None
