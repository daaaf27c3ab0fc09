"""Planted truth: rotated concepts are found, independent ones aren't, in all three kinds of subspace."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from planted_concepts import PLACE, config_of, make_cell, make_world

from congruence.run import contrasts
from congruence.run.cell import compute_cell
from congruence.run.contrasts import interaction_rows
from congruence.run.keywords import keyword_rows
from congruence.run.plan import NullSettings
from congruence.run.selections.concepts import concept_selections
from congruence.run.selections.phrases import phrase_selection
from congruence.significance import benjamini_hochberg
from shape_checks import unchecked

PLANTED = {"semantic": ["alike", "alike2"], "overlap": ["alike+alike2"],
           "multi_token": ["alike×alike2", "alike×alike2 (needs phrase)"]}  # fmt: skip
ABSENT = {"semantic": ["apart", "apart2"], "overlap": ["apart+apart2"],
          "multi_token": ["apart×apart2", "apart×apart2 (needs phrase)"]}  # fmt: skip


def concept_outcomes(cell):
    outcomes = compute_cell(PLACE, concept_selections(cell), NullSettings(cell.seed))
    return {outcome.selection.concept: outcome for outcome in outcomes}


def phrase_outcome(cell, a, b):
    (outcome,) = compute_cell(PLACE, iter([phrase_selection(cell, a, b)]), NullSettings(cell.seed))
    return outcome


def results(seed, draws=199):
    """All rows of one world, with q over the subspaces of each kind."""
    world = make_world(seed)
    cell, phrases = make_cell(world, config_of(), draws)
    outcomes = concept_outcomes(cell)
    rows = [row for outcome in outcomes.values() for row in outcome.rows]
    for layers in phrases:
        rows += phrase_outcome(cell, *layers).rows
    rows += interaction_rows(PLACE, cell, outcomes, NullSettings(seed))
    table = pd.DataFrame([row for row, _ in rows])
    family = ["subspace", "measure", "null"]
    table["q"] = table.groupby(family)["p"].transform(lambda p: benjamini_hochberg(p.to_numpy()))
    return table, cell, outcomes, rows


def rates(seeds):
    """Share of seeds with q < .05, by whether it was planted, kind, measure and null."""
    tables = pd.concat([results(seed)[0].assign(seed=seed) for seed in seeds])
    tables = tables[tables.subspace != "interaction"]
    tables["planted"] = tables.concept.str.startswith("alike")
    tables["found"] = tables.q < 0.05
    return tables.groupby(["planted", "subspace", "measure", "null"]).found.agg(["mean", "count"])


def test_one_world():
    table, cell, outcomes, rows = results(0)
    assert table.value.notna().all()
    assert set(table[table.subspace == "semantic"].null) == {
        "pairing", "subset", "size_matched", "unrelated_keywords"}  # fmt: skip
    assert set(table[table.subspace == "multi_token"].null) == {"pairing", "subset", "size_matched"}
    for kind in PLANTED:
        real = table[(table.subspace == kind) & table.concept.isin(PLANTED[kind])]
        assert (real.q < 0.05).all(), real
        assert (real.null_mean < 0.5 * real.value).all()
    counts = table[(table.concept == "alike") & (table.null == "pairing")].n
    assert counts.between(24, 30).all()  # one feature a keyword, and some that hum there
    assert all(len(scores) == 199 for _, scores in rows)
    use = keyword_rows(PLACE, cell, outcomes)
    alike = [row for row in use if row["concept"] == "alike"]
    assert {row["keyword"] for row in alike} == {f"alikew{i}" for i in range(24)}
    assert all(row["features_a"] >= 1 and (row["n_without"] == -1 or row["n_without"] < 30) for row in alike)
    assert sum("rsa" in [change["measure"] for change in row["change"]] for row in alike) == 5


def test_phrase_features_need_the_phrase():
    world = make_world(1)
    _, phrases = make_cell(world, config_of(), 50)
    for layers in phrases:
        shown = layers[0].phrases.shown
        first = shown.config.first
        for layer in layers:
            needing = [world.owner[feature] for feature in layer.need.features()]
            assert needing.count(f"{first} phrase") == 24
            assert needing.count(first) == needing.count(f"{first}2") == 0  # their word is enough for them
            if shown.config.members == "needs_phrase":
                assert len(layer.features) == len(needing)
            else:
                own = [world.owner[feature] for feature in layer.features]
                assert sum(own.count(name) for name in (f"{first} phrase", first, f"{first}2")) > 0.8 * len(
                    own
                )


def test_active_members_are_all_that_fire():
    world = make_world(2)
    config = config_of()
    active = config.multi_token[0].model_copy(update={"members": "active"})
    cell, phrases = make_cell(world, config.model_copy(update={"multi_token": [active]}), 50)
    layer = phrases[0][0]
    owners = [world.owner[feature] for feature in layer.features]
    planted = {"alike", "alike2", "alike phrase"}
    assert sum(owner in planted for owner in owners) == 72
    assert len(owners) > 72  # those that hum on a phrase are active too
    assert phrase_outcome(cell, *phrases[0]).rows[0][0]["n"] > 48


def test_interaction_is_null_for_equal_parts():
    table = results(3)[0]
    rows = table[table.subspace == "interaction"]
    assert set(rows.null) == {"unrelated_keywords"}
    assert rows.value.abs().max() < 0.6
    parts = rows[rows.concept == "alike+alike2"].details.iloc[0]["parts"]
    assert [part["concept"] for part in parts] == ["alike", "alike2"]


@pytest.mark.bits
def test_the_draws_of_a_union_are_scored_once():
    """Scores of its own test serve, but for draws that were made anew there."""
    world = make_world(3)
    config = config_of()
    cell, _ = make_cell(world, config, 60)
    (lengths,) = (contrasts._lists(cell, name, None).lengths for name in ["alike+alike2"])
    for least in (config.min_features, int(np.median(lengths))):
        cell, _ = make_cell(world, config_of(min_features=least), 60)
        outcomes = concept_outcomes(cell)
        untested = {
            name: replace(outcome, rows=[(row, None) for row, _ in outcome.rows])
            for name, outcome in outcomes.items()
        }
        found, anew = (
            interaction_rows(PLACE, cell, those, NullSettings(cell.seed)) for those in (outcomes, untested)
        )
        assert found
        for (row, scores), (row_anew, scores_anew) in zip(found, anew, strict=True):
            assert repr(row) == repr(row_anew)
            np.testing.assert_array_equal(scores, scores_anew)
        assert (contrasts._lists(cell, "alike+alike2", None).lengths < least).any() == (least > 3)


def test_too_few_features_is_a_result():
    world = make_world(4)
    config = config_of(min_features=60)
    cell, phrases = make_cell(world, config, 20)
    outcomes = concept_outcomes(cell)
    table = pd.DataFrame([row for outcome in outcomes.values() for row, _ in outcome.rows])
    alike = table[table.concept == "alike"]
    assert alike.value.isna().all()
    assert alike.warnings.str.join("; ").str.contains(r"too few features: \d\d of 60 needed").all()
    assert len(alike) == 12  # three measures, four nulls
    outcome = phrase_outcome(cell, *phrases[1])
    assert "of 60 needed" in outcome.rows[0][0]["warnings"][0]
    assert "no score" in interaction_rows(PLACE, cell, outcomes, NullSettings(4))[0][0]["warnings"][0]


def test_the_same_seed_gives_the_same_rows():
    first, second = results(5, 50)[0], results(5, 50)[0]
    drop = ["seconds"]
    pd.testing.assert_frame_equal(first.drop(columns=drop), second.drop(columns=drop))


@pytest.mark.slow
@unchecked()
def test_rates_over_fifty_seeds():
    """Planted: found in 98 % of seeds or more. Absent: at most 14 % (more than 7 of 50 has p < .01)."""
    found = rates(range(50))
    planted, absent = found.loc[True], found.loc[False]
    assert (planted["mean"] >= 0.98).all(), planted
    assert (absent["mean"] <= 0.14).all(), absent
    assert absent["mean"].mean() <= 0.06
    assert np.isfinite(found["mean"]).all()
