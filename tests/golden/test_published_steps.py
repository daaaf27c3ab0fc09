"""With the quirks, every step of a cell is the published one; without any one of them, something else."""

from dataclasses import dataclass

import numpy as np
import pytest
from published_steps import published

from congruence.config import as_published, parse_config
from congruence.nulls.permutations import permutations_for
from congruence.rng import derive_seed
from congruence.run.grid import Cell, Source
from congruence.run.layer import Layer, shared_vocabulary
from congruence.run.plan import Plan
from congruence.run.run_cells import whole_result
from congruence.stats import prepare, top_tokens

STRINGS = [*(f" word{i}" for i in range(40)), ".", "<bos>", "\n"]
CELL = Cell("none", "", Source("a", "real", 0), Source("b", "real", 0))
DRAWS = 20


@dataclass
class World:
    """Sparse features of two models over the same tokens, and what they write."""

    acts_a: np.ndarray
    acts_b: np.ndarray
    W_a: np.ndarray
    W_b: np.ndarray
    token_ids: np.ndarray


def world(seed, *, n=700, f=60, g=75, dead=0):
    """Features that fire on tokens of their own word, some on points, some on fewer than five tokens."""
    rng = np.random.default_rng(seed)
    token_ids = rng.integers(0, 40, n)
    token_ids[rng.random(n) < 0.1] = 40
    token_ids[::70] = 41

    def side(features, width, shared):
        acts = np.zeros((n, features), np.float32)
        for feature in range(features):
            word = shared[feature % len(shared)]
            rate = rng.choice([0.05, 0.6, 0.95])
            fires = (token_ids == word) & (rng.random(n) < rate)
            fires |= rng.random(n) < rng.choice([0.0, 0.004, 0.02])
            if feature % 7 == 3:
                fires = rng.random(n) < 0.003
            fires[rng.integers(n)] = True
            acts[fires, feature] = rng.gamma(2.0, 1.0, fires.sum()).astype(np.float32)
        acts[:, features - dead :] = 0
        return acts

    words = rng.permutation(42)[:30]
    latent = rng.normal(size=(max(f, g), 6))
    a, b = (side(features, 12, words) for features in (f, g))
    W_a = latent[np.arange(f) % 30] @ rng.normal(size=(6, 12)) + rng.normal(size=(f, 12))
    W_b = latent[np.arange(g) % 30] @ rng.normal(size=(6, 16)) + rng.normal(size=(g, 16))
    unit = [W / np.linalg.norm(W, axis=1, keepdims=True) for W in (W_a, W_b)]
    return World(a, b, *(W.astype(np.float32) for W in unit), token_ids)


def plan_of(quirks, **sections):
    side = {"model": "org/model", "saes": "org/saes"}
    raw = {
        "a": side, "b": side, "corpus": {"path": "text.txt"}, "measures": ["svcca", "rsa"],
        "pairing": {"keep": "best", "from": "b"}, "null": {"draws": 60}, "quirks": quirks,
    }  # fmt: skip
    return Plan.of(parse_config(raw | sections))


def layer(name, acts, W, token_ids, plan):
    prepared = prepare(acts, document_offsets=np.array([0, len(acts)]))
    config = plan.config
    top = top_tokens(prepared, token_ids, k=config.top_tokens, fill=config.fill_top_tokens)
    decoded = (np.arange(len(STRINGS)), STRINGS)
    words = shared_vocabulary({"a": decoded, "b": decoded}, frozenset({"<bos>"}))
    codes = np.where(top.token_ids >= 0, words.codes["a"][np.maximum(top.token_ids, 0)], -1)
    offsets = np.array([0, len(acts)])
    return Layer(name, name, prepared, top, codes, offsets, words, lambda: W)


def ours(w, quirks, **sections):
    plan = plan_of(quirks, **sections)
    a = layer("a/real/0", w.acts_a, w.W_a, w.token_ids, plan)
    b = layer("b/real/0", w.acts_b, w.W_b, w.token_ids, plan)
    return whole_result(CELL, a, b, plan)


def draws_of(plan):
    """The very re-pairings that a run with this plan draws."""
    seed = derive_seed(plan.config.seed, "null", "pairing")
    return lambda n: permutations_for(seed, range(plan.config.null.draws), n)


def kept_after(matches):
    """Pairs left after each filter, from what removed each of them."""
    left = matches
    found = {"many_to_one": list(zip(left.feature_a, left.feature_b, strict=True))}
    for step in ("non_concept", "shared_token", "one_to_one", "min_r"):
        left = left[left.removed_by != step]
        found[step] = list(zip(left.feature_a, left.feature_b, strict=True))
    return found


ALL = as_published("lan2024")


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("dead", [0, 4])
def test_every_step_is_the_published_one(seed, dead):
    w = world(seed, dead=dead)
    plan = plan_of(ALL)
    expected = published(w.acts_a, w.acts_b, w.W_a, w.W_b, w.token_ids, STRINGS, draws_of(plan))
    found = ours(w, ALL)
    after = kept_after(found.matches)
    for step, pairs in expected.steps.items():
        assert after[step] == [(a, b) for a, b, _ in pairs], step
    r = {(a, b): r for a, b, r in expected.steps["many_to_one"]}
    assert found.matches.r.tolist() == pytest.approx([r[pair] for pair in after["many_to_one"]], abs=1e-6)
    rows = {row["measure"]: row for row in found.rows}
    for label, score, p, null in (
        ("pc1_correlation", expected.svcca, expected.p_svcca, expected.null_svcca),
        ("rsa", expected.rsa, expected.p_rsa, expected.null_rsa),
    ):
        row = rows[label]
        assert row["n"] == len(expected.pairs)
        assert row["draws"] == DRAWS
        assert row["value"] == pytest.approx(score, abs=1e-6)
        assert row["null_mean"] == pytest.approx(null, abs=1e-6)
        assert row["p"] == pytest.approx(p, abs=1e-12)


def told(result):
    """Everything that a cell says, as one comparable value."""
    columns = ["feature_a", "feature_b", "r", "removed_by"]
    rows = [(row["measure"], row["value"], row["p"], row["draws"]) for row in result.rows]
    return result.matches[columns].to_numpy().tolist(), rows


OF_A_CELL = [
    "ddof", "constant_features", "filled_top_tokens", "keep_first", "min_r_only", "one_component_svcca",
    "p_without_plus_one", "draws_as_stored",
]  # fmt: skip


@pytest.mark.parametrize("quirk", OF_A_CELL)
def test_without_any_one_of_them_it_is_not(quirk):
    w = world(1, dead=4)
    without = ours(w, [name for name in ALL if name != quirk])
    assert told(without) != told(ours(w, ALL))
    alone = ours(w, [quirk])
    assert told(alone) != told(ours(w, []))


def test_many_to_one_from_either_side_is_the_published_best():
    w = world(4, dead=3)
    given = {"b": (w.acts_a, w.acts_b, w.W_a, w.W_b), "a": (w.acts_b, w.acts_a, w.W_b, w.W_a)}
    for from_, arrays in given.items():
        expected = published(*arrays, w.token_ids, STRINGS, lambda n: [range(n)])
        pairing = {"from": from_, "method": "many_to_one"}
        matches = ours(w, ALL, pairing=pairing).matches
        seeker, partner = ("feature_b", "feature_a") if from_ == "b" else ("feature_a", "feature_b")
        pairs = [(a, b) for a, b, _ in expected.steps["many_to_one"]]
        assert list(zip(matches[partner], matches[seeker], strict=True)) == pairs


def test_one_draw_behind_a_many_to_one_grid():
    w = world(1)
    plan = plan_of(ALL, pairing={"method": "many_to_one"})
    (row, *_) = ours(w, ALL, pairing={"method": "many_to_one"}).rows
    assert plan.config.null.draws == row["draws"] == 1
    assert row["p"] in (0.0, 1.0)


def test_p_is_the_share_of_draws_that_reach_the_score():
    from congruence.significance.summary import p_value

    scores = np.array([1.0, 2.0, 3.0, 4.0])
    assert p_value(3.0, scores, plus_one=False) == 0.5
    assert p_value(5.0, scores, plus_one=False) == 0.0
    assert p_value(5.0, scores) == 0.2
