"""Claims asked of numbers made up to hold or not, and of the published ones; names that both sides must share."""

import numpy as np
import pandas as pd
import pytest

from congruence.recipes import RECIPES
from congruence.recipes.claims import CLAIMS
from congruence.recipes.comparison import compared
from congruence.recipes.numbers import COLUMNS, Numbers, as_printed, mean_and_spread, published

VERDICTS = {"reproduced", "not reproduced", "can't be told"}


def numbers(grids, concept="all", layers=((2, 6, 10, 14, 17, 22), (2, 6, 10, 19, 25, 39))):
    """Numbers from grids by quantity, each one value or a function of the two places in the layers."""
    rows = []
    for quantity, value in grids.items():
        for i, a in enumerate(layers[0]):
            for j, b in enumerate(layers[1]):
                rows.append([quantity, concept, a, b, float(value(i, j) if callable(value) else value)])
    return Numbers(pd.DataFrame(rows, columns=COLUMNS), "made up")


def verdict(name, recipe, ours, beside=None, parts=None):
    (found,) = [
        one
        for one in compared(RECIPES.get(recipe), ours, beside=beside, parts=parts).claims
        if one.name == name
    ]
    return found.ours.verdict


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: f"{claim.paper}-{claim.name}")
def test_every_claim_is_asked_where_nothing_and_where_the_published_numbers_are(claim):
    nothing = numbers({}, layers=((), ()))
    assert claim.recipes
    for recipe in claim.recipes:
        assert claim.check(nothing, None).verdict == "can't be told"
        theirs = published(RECIPES.get(recipe).published)
        if theirs is not None:
            told = claim.check(theirs, None)
            assert told.verdict in VERDICTS
            assert told.why


def test_a_claim_stands_once_and_every_published_recipe_has_some():
    names = [(claim.paper, claim.name) for claim in CLAIMS]
    assert len(set(names)) == len(names)
    asked = {recipe for claim in CLAIMS for recipe in claim.recipes}
    assert asked <= set(RECIPES)
    assert {name for name in RECIPES if RECIPES.get(name).published} <= asked


def inner(i, j):
    return 0 < i < 5 and 0 < j < 5


SON = "son2025-gemma"
MANY = "son2025-gemma-many-to-one"


@pytest.mark.parametrize(
    ("name", "recipe", "holds", "fails"),
    [
        ("SVCCA of .64 to .71 in the middle", SON, {"pc1_correlation": 0.68}, {"pc1_correlation": 0.4}),
        ("SVCCA of about .35 early", SON, {"pc1_correlation": 0.36}, {"pc1_correlation": 0.6}),
        ("RSA of .15 to .2 in the middle", SON, {"rsa": lambda i, j: 0.18 if inner(i, j) else 0.05}, {"rsa": 0.18}),
        ("weakest score about .3", SON, {"pc1_correlation": lambda i, j: 0.3 + 0.02 * (i + j)}, {"pc1_correlation": 0.1}),
        ("many-to-1 peak of .69", MANY, {"pc1_correlation": 0.69}, {"pc1_correlation": 0.5}),
        ("many-to-1 of .54 to .66 in the middle", MANY, {"pc1_correlation": 0.6}, {"pc1_correlation": 0.8}),
        ("many-to-1 RSA of .18 to .2", MANY, {"rsa": 0.2}, {"rsa": 0.4}),
        ("runs differ little", SON, {"pc1_correlation std": 0.1}, {"pc1_correlation std": 0.2}),
        ("mean correlation highest at 22 × 39", SON,
         {"mean r before filters": lambda i, j: 0.6 + 0.1 * (i == 5) * (j == 5)}, {"mean r before filters": 0.6}),
        ("peak at 14 × 19", SON, {"pc1_correlation": lambda i, j: 0.5 + 0.23 * (i == 3) * (j == 3)},
         {"pc1_correlation": lambda i, j: 0.5 + 0.23 * (i == 2) * (j == 3)}),
    ],
)  # fmt: skip
def test_printed_numbers_of_the_second_paper(name, recipe, holds, fails):
    assert verdict(name, recipe, numbers(holds | {"pairs": 500})) == "reproduced"
    assert verdict(name, recipe, numbers(fails | {"pairs": 500})) == "not reproduced"


def test_claims_of_parts_ask_those_parts():
    recipe, one = "lan2024-tinystories", ((0,), (0,))
    score = {name: numbers({"pc1_correlation": value, "pairs": 400}, layers=one) for name, value in {
        "filtered": 0.94, "unfiltered": 0.73, "filtered-one-to-many": 0.6, "unfiltered-one-to-many": 0.8,
        "random-tokens": 0.8, "cosine": 0.92}.items()}  # fmt: skip
    asked = {
        "filters raise the score between seeds": "reproduced",
        "filters raise it in the other direction": "not reproduced",
        "not by any filter": "reproduced",
        "pairing by cosine agrees": "reproduced",
    }
    for name, expected in asked.items():
        assert verdict(name, recipe, score["filtered"], beside=score["unfiltered"], parts=score) == expected
    few = {"filtered": score["filtered"]}
    assert all(verdict(name, recipe, score["filtered"], parts=few) == "can't be told" for name in asked)


def concepts(values, layers):
    """Numbers of concepts: name -> (score, null, p, pairs) at every layer pair."""
    tables = [
        numbers({f"{measure}{end}": value for measure in ("pc1_correlation", "rsa")
                 for end, value in zip(("", " null", " p"), four, strict=False)} | {"pairs": four[3]}, name, layers).table
        for name, four in values.items()
    ]  # fmt: skip
    return Numbers(pd.concat(tables, ignore_index=True), "made up")


def test_unions_and_phrases_are_found_by_their_printed_names():
    here = ((10,), (10,))
    parts = {"Emotions": (0.4, 0.1, 0.01, 40), "Time": (0.5, 0.1, 0.01, 40)}
    for union, recipe, name in (("Emotions + Time", "son2025-overlap", "overlaps above their parts"),
                                ("Emotions×Time", "son2025-multi-token", "phrases above their parts")):  # fmt: skip
        assert verdict(name, recipe, concepts(parts | {union: (0.6, 0.1, 0.01, 60)}, here)) == "reproduced"
        assert (
            verdict(name, recipe, concepts(parts | {union: (0.45, 0.1, 0.01, 60)}, here)) == "not reproduced"
        )
    results = pd.DataFrame({
        "concept": ["all", "Emotions+Time", "Emotions×Time (active)", "C+ code"],
        "subspace": ["all", "overlap", "multi_token", "semantic"],
    })  # fmt: skip
    assert as_printed(results).tolist() == ["all", "Emotions + Time", "Emotions×Time", "C+ code"]
    for experiment in ("son overlap", "son multi-token"):
        assert all(" + " in name or "×" in name for name in published(experiment).concepts)


def test_repeated_runs_keep_their_spread():
    runs = [numbers({"pc1_correlation": value, "pairs": 500}) for value in (0.5, 0.7)]
    mean, spread = mean_and_spread(runs)
    assert np.allclose(mean.grid("pc1_correlation"), 0.6)
    assert np.allclose(mean.grid("pc1_correlation std"), np.std([0.5, 0.7], ddof=1))
    assert set(spread.runs) == {2}
    assert mean_and_spread(runs[:1])[0].grid("pc1_correlation std").empty


def test_concepts_of_one_layer_pair_stand_or_not():
    here, name, recipe = ((3,), (5,)), "RSA of table 9 stands", "lan2024-semantic-pythia"
    good = dict.fromkeys(("Time", "Calendar", "Emotions"), (0.5, 0.1, 0.01, 40))
    assert verdict(name, recipe, concepts(good, here)) == "reproduced"
    assert verdict(name, recipe, concepts(good | {"Nature": (0.5, 0.1, 0.2, 40)}, here)) == "not reproduced"
    assert verdict(name, recipe, concepts(good | {"Nature": (0.5, 0.1, 0.2, 4)}, here)) == "reproduced"
