"""Each filter on a small table of pairs worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from congruence.errors import ConfigError
from congruence.filters import FILTERS, FilterStep, Pairs, apply_filters, encode_tokens
from congruence.records import Matching

TOKENS_A = [[" king", " queen"], [" dog", "."], [" sun"], [" run", " ran"], []]
TOKENS_B = [[" king", " crown"], [" dog", " cat"], [" sun", "<s>"], [" walk", " go"], [" sun"]]


def matching(feature_a, feature_b, r) -> Matching:
    p = len(r)
    counts = np.arange(p) + 3
    return Matching(
        "many_to_one", np.array(feature_a), np.array(feature_b), np.array(r, float), counts + 1, counts,
        counts, np.full(p, 0.05), np.arange(p) % 2 == 0, "sum of r", float(np.sum(r)),
        null_r=np.full(p, 0.3), p_r=np.array([0.01, 0.05, 0.06, 1.0, 0.04])[:p],
    )  # fmt: skip


@pytest.fixture
def pairs() -> Pairs:
    a, b, strings = encode_tokens(TOKENS_A, TOKENS_B, k=2)
    table = matching([0, 1, 1, 2, 3], [0, 1, 2, 3, 4], [0.9, 0.4, 0.6, 0.1, 0.3])
    return Pairs(table, a, b, strings, frozenset({"<s>"}))


# random_tokens takes two pairs as non_concept does; seed 0 draws " dog" (pair 1), then " walk" (pair 3).
# non_concept: pair 1 holds "."; pair 2 the tokenizer's "<s>". shared_token: pairs 3 and 4 share nothing (an
# empty list shares nothing). min_r is strict: .1 is not above .1. Pairs 1 and 2 share feature 1 of A.
EXPECTED = {
    "non_concept": ({}, [1, 0, 0, 1, 1]),
    "random_tokens": ({"seed": 0}, [1, 0, 1, 0, 1]),
    "shared_token": ({}, [1, 1, 1, 0, 0]),
    "min_r": ({"value": 0.1}, [1, 1, 1, 0, 1]),
    "min_cofirings": ({"value": 5}, [0, 0, 1, 1, 1]),
    "min_firings": ({"value": 6}, [0, 0, 0, 1, 1]),
    "min_margin": ({"value": 0.05}, [0, 0, 0, 0, 0]),
    "mutual": ({}, [1, 0, 1, 0, 1]),
    "one_to_one": ({"keep": "best"}, [1, 0, 1, 1, 1]),
    "beats_null": ({"alpha": 0.05}, [1, 1, 0, 0, 1]),
}


def test_every_filter_is_in_the_table():
    assert set(FILTERS.names()) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_keeps_what_was_worked_out_by_hand(pairs, name):
    options, keep = EXPECTED[name]
    assert FILTERS.get(name)(pairs, **options).tolist() == [bool(k) for k in keep]


def test_one_to_one_first_goes_by_index_as_published(pairs):
    assert FILTERS.get("one_to_one")(pairs, keep="first").tolist() == [True, True, False, True, True]


def test_beats_null_needs_the_null_of_the_best_r(pairs):
    without = replace(pairs, matching=replace(pairs.matching, p_r=None))
    with pytest.raises(ConfigError, match=r"pairing\.null_draws"):
        FILTERS.get("beats_null")(without)
    with pytest.raises(ConfigError, match="alpha=5"):
        apply_filters(pairs, [FilterStep("beats_null", {"alpha": 5})])


def test_one_to_one_refuses_another_word(pairs):
    with pytest.raises(ConfigError, match="use one of 'best', 'first'"):
        apply_filters(pairs, [FilterStep("one_to_one", {"keep": "last"})])


def test_special_token_needs_the_tokenizer_to_name_it(pairs):
    without = Pairs(pairs.matching, pairs.tokens_a, pairs.tokens_b, pairs.strings)
    assert FILTERS.get("non_concept")(without)[2]


def test_steps_see_what_earlier_ones_left_and_say_what_they_took(pairs):
    steps = [
        FilterStep("shared_token", {}),
        FilterStep("one_to_one", {}),
        FilterStep("min_r", {"value": 0.7}),
    ]
    filtered = apply_filters(pairs, steps)
    assert filtered.removed == {"shared_token": 2, "one_to_one": 1, "min_r": 1}
    assert filtered.removed_by.tolist() == ["", "one_to_one", "min_r", "shared_token", "shared_token"]
    assert filtered.pairs.matching.feature_b.tolist() == [0]


def test_a_step_that_takes_nothing_says_so(pairs):
    assert apply_filters(pairs, [FilterStep("min_r", {"value": -1.0})]).removed == {"min_r": 0}


def test_wrong_option_is_one_line(pairs):
    with pytest.raises(ConfigError, match="filter 'min_r': unknown option 'threshold'"):
        apply_filters(pairs, [FilterStep("min_r", {"threshold": 1})])


def test_random_tokens_take_as_many_pairs_as_non_concept_and_by_other_tokens(pairs):
    rng = np.random.default_rng(1)
    strings = [*(f" word{i}" for i in range(40)), ".", ",", "\n", "<s>"]
    tokens = rng.integers(0, len(strings), (2, 200, 5))
    tokens[:, :, 3:] = -1
    many = Pairs(matching(*[np.arange(200)] * 2, np.ones(200)), *tokens, strings, frozenset({"<s>"}))
    wanted = ~FILTERS.get("non_concept")(many)
    seen = set()
    for seed in range(3):
        gone = ~FILTERS.get("random_tokens")(many, seed=seed)
        assert gone.sum() == wanted.sum() > 20
        both = np.concatenate([many.tokens_a, many.tokens_b], axis=1)
        whole = {code for code in range(40) if gone[(both == code).any(axis=1)].all()}
        others = [row for row in both[gone].tolist() if not whole & set(row)]
        last = set.intersection(set(range(40)), *map(set, others))
        assert not others or last  # only the last token drawn leaves some of its pairs
        seen.add(tuple(gone))
        assert (gone == ~FILTERS.get("random_tokens")(many, seed=seed)).all()
    assert len(seen) == 3


def test_no_pairs_pass_through_every_filter(pairs):
    none = pairs.select(np.zeros(5, dtype=bool))
    for name, (options, _) in EXPECTED.items():
        assert FILTERS.get(name)(none, **options).shape == (0,)
