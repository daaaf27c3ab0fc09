"""What reports take out of arrays is what a table of pandas gives in the slow, obvious way."""

import json

import numpy as np
import pandas as pd
import pytest

from congruence.run.results import load_run
from congruence.view import Answers, CellKey, Query
from congruence.view.json_text import list_of, mapping_of, size_of, text_of
from congruence.view.matches import SORTS
from congruence.view.plain import by_row, counted, number, numbers
from congruence.view.rows import Rows
from congruence.view.unmatched import _lost
from congruence.view.views import concepts_of, measure_views, other_controls, records

COLUMNS = ("value", "n", "null_mean", "calibrated", "p", "q", "ceiling")


@pytest.fixture(scope="module")
def run(planted):
    return load_run(planted)


@pytest.fixture(scope="module")
def grids(run):
    """Control, concept and subspace of every grid."""
    found = [("none", "all", "all"), *(("none", *one) for one in concepts_of(run))]
    return [*found, *((control, "all", "all") for control in other_controls(run))]


def test_views_hold_the_rows_of_their_grid(run, grids):
    table, seen = run.results, 0
    for control, concept, subspace in grids:
        of_grid = table[
            (table.control == control) & (table.concept == concept) & (table.subspace == subspace)
        ]
        views = measure_views(run, control=control, concept=concept, subspace=subspace)
        assert list(dict.fromkeys(v.measure for v in views)) == of_grid.measure.unique().tolist()
        for view in views:
            rows = of_grid[(of_grid.measure == view.measure) & (of_grid.null == view.null)]
            pd.testing.assert_frame_equal(view.rows, rows)
            assert view.layers_a == tuple(sorted(of_grid.layer_a.unique()))
            known = rows[rows.value.notna()]
            tested = known[known.q.notna()]
            assert (len(view.scored), len(view.tested)) == (len(known), len(tested))
            assert len(view.untested) == len(known) - len(tested)
            assert len(view.significant) == (tested.q <= 0.05).sum()
            seen += len(rows)
    assert seen == (table.control != "other_seed").sum()


def test_grids_and_best_rows(run, grids):
    for control, concept, subspace in grids:
        for view in measure_views(run, control=control, concept=concept, subspace=subspace):
            for column in COLUMNS:
                wanted = view.rows.pivot(index="layer_a", columns="layer_b", values=column)
                found = view.grid(column)
                assert found.layers_a == tuple(wanted.index)
                assert found.layers_b == tuple(wanted.columns)
                np.testing.assert_array_equal(found.values, wanted.to_numpy(dtype=np.float64))
            tested = view.rows[view.rows.value.notna() & view.rows.q.notna()]
            standing = tested[tested.q <= 0.05]
            chosen = next((t for t in (standing, tested) if len(t)), view.rows.dropna(subset=["value"]))
            assert view.best is not None
            assert view.best.name == chosen.value.idxmax()


def test_ceilings(run):
    table = run.results
    for view in measure_views(run):
        same = table[(table.control == "other_seed") & (table.measure == view.measure) & table.value.notna()]
        same = same.drop_duplicates(["control_side", "layer_a", "layer_b"])
        found = [(c.side, c.layer, c.value) for c in view.ceilings]
        assert found == list(zip(same.control_side, same.layer_a, same.value, strict=True))
        assert found


def test_records_and_groups(run):
    for table in (run.results, run.cells, run.matches.iloc[:50], run.results.iloc[:0]):
        assert repr(records(table)) == repr(table.to_dict("records"))
    groups = Rows.of(run.results).groups("measure", "layer_a")
    wanted = run.results.groupby(["measure", "layer_a"], sort=False).indices
    assert list(groups) == list(dict.fromkeys(zip(run.results.measure, run.results.layer_a, strict=True)))
    for key, places in groups.items():
        np.testing.assert_array_equal(places, wanted[key])


@pytest.mark.parametrize("kept", ["kept", "removed", "all"])
def test_pairs_are_found_in_order(run, kept):
    answers = Answers(run)
    matches = answers.pairs_of(CellKey("none", "", 1, 1))
    table = matches.table if kept == "all" else matches.table[matches.table.kept == (kept == "kept")]
    for sort in SORTS:
        for descending in (True, False):
            total, rows = matches.find(Query(sort=sort, descending=descending, kept=kept, offset=3, limit=20))
            key = table[sort].astype(float) * (-1 if descending else 1)
            ordered = table.assign(key=key).sort_values(["key", "feature_a", "feature_b"], na_position="last")
            assert total == len(table)
            assert rows.index.tolist() == ordered.index[3:23].tolist()


def test_one_pair_and_what_filters_took(run):
    matches = Answers(run).pairs_of(CellKey("none", "", 1, 1))
    table = matches.table
    for place in (0, len(table) // 2, len(table) - 1):
        row = table.iloc[place]
        found = matches.one(int(row.feature_a), int(row.feature_b))
        assert found is not None
        assert {name: found[name] for name in row.index if row[name] == row[name]} == {
            name: value for name, value in row.items() if value == value
        }
        assert found["top_tokens_a"] == matches.top.listed("a", [place])[0]
    assert matches.one(-1, -1) is None
    for side in "ab":
        lost, kept = _lost(table, side)
        taken = table[~table.kept].sort_values("r", ascending=False, kind="stable")
        first = taken.drop_duplicates(f"feature_{side}")
        assert lost == dict(zip(first[f"feature_{side}"], first.index, strict=True))
        assert kept.tolist() == sorted(table[f"feature_{side}"][table.kept].unique())


@pytest.mark.parametrize("size", [1, 2, 300])
def test_counts_are_those_of_a_histogram(size):
    rng = np.random.default_rng(size)
    values = np.round(rng.normal(size=size), 1)  # many on an edge
    edges = np.linspace(values.min(), values.max() + (size == 1), 11)
    assert counted(values, edges) == np.histogram(values, edges)[0].tolist()
    assert counted(values, edges[3:8]) == np.histogram(values, edges[3:8])[0].tolist()
    assert counted(values[:0], edges) == [0] * 10


def test_numbers_by_row():
    values = np.array([[0.1234567, np.nan], [np.inf, -3.0]])
    assert by_row(values) == [numbers(row) for row in values] == [[number(v) for v in row] for row in values]


TEXTS = [
    "plain",
    'quo"te',
    "back\\slash",
    "\\u1234 as text",
    "\x00\x1f\n",
    "\x7f\x80é߿ࠀ€�",
    "😀🚀",
    "&<>",
    "  ",
]


@pytest.mark.parametrize("text", [*TEXTS, "".join(TEXTS)])
def test_size_of_json(text):
    plain = json.dumps([text, {text: 1.5}], ensure_ascii=False, separators=(",", ":"))
    assert size_of(text_of([text, {text: 1.5}])) == len(plain.encode())


def test_json_put_together_is_json():
    value = {"a": [1, 2.5, None, "é"], "ö\\": {"x": True}, "empty": {}}
    parts = {name: text_of(one) for name, one in value.items()}
    assert mapping_of(parts) == text_of(value)
    assert list_of([text_of(one) for one in value["a"]]) == text_of(value["a"])
    with pytest.raises(ValueError, match="JSON"):
        text_of([float("nan")])
