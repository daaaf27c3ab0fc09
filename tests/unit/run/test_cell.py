"""The loop of a cell: what one measure can't do leaves the others alone."""

import numpy as np
import pytest

from congruence.metrics import METRICS, DecoderRows, base
from congruence.nulls import Case, make_null
from congruence.run import cell as loop
from congruence.run.cell import compute_cell
from congruence.run.grid import Cell, Source
from congruence.run.plan import NullSettings
from congruence.run.selections.base import Selection

N = 60
PLACE = Cell("none", "", Source("a", "real", 0), Source("b", "real", 0))


def rows_of(measures):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 5)).astype(np.float32)
    y = (x + rng.normal(size=(N, 5))).astype(np.float32)
    case = Case(N, 0, rows=(DecoderRows(x), DecoderRows(y)), pairs=(np.arange(N), np.arange(N)))
    selection = Selection(
        "all", "all", case, [METRICS.get(name).bind() for name in measures], [make_null("pairing")], draws=20
    )
    (outcome,) = compute_cell(PLACE, iter([selection]), NullSettings())
    return {row["measure"]: row for row, _ in outcome.rows}


@pytest.mark.parametrize("side_by_side", [1, 10**6], ids=["many pairs", "few pairs"])
def test_a_measure_without_memory_leaves_the_others_scored(side_by_side, monkeypatch):
    measures = ("rsa", "mean_cosine", "rbf_cka")
    needs = {name: METRICS.get(name).bind().memory(N, 5, 5) for name in measures}
    monkeypatch.setattr(loop, "SIDE_BY_SIDE", side_by_side)
    monkeypatch.setattr(base, "ALWAYS_THERE", 0)
    monkeypatch.setattr(base, "available_bytes", lambda: needs["mean_cosine"])
    rows = rows_of(measures)
    assert np.isfinite(rows["mean_cosine"]["value"])
    assert rows["mean_cosine"]["p"] <= 1
    for name in ("rsa", "rbf_cka"):
        assert np.isnan(rows[name]["value"])
        assert f"{name} of {N} pairs needs about" in rows[name]["warnings"][0]


@pytest.mark.bits
def test_the_order_of_preparing_decides_nothing(monkeypatch):
    measures = ("rsa", "translation_accuracy", "pc1_correlation", "svcca")
    few = rows_of(measures)
    monkeypatch.setattr(loop, "SIDE_BY_SIDE", 1)
    side_by_side = rows_of(measures)
    monkeypatch.setattr(loop, "AT_ONCE", 0)
    in_turn = rows_of(measures)
    for name in measures:
        numbers = [
            tuple(rows[name][c] for c in ("value", "p", "null_mean")) for rows in (few, side_by_side, in_turn)
        ]
        assert numbers[0] == numbers[1] == numbers[2]


def test_what_needs_much_memory_is_told(monkeypatch):
    """A run makes room before such a selection, by the same number that has its measures take turns."""
    rng = np.random.default_rng(0)
    rows = DecoderRows(rng.normal(size=(N, 5)).astype(np.float32))
    case = Case(N, 0, rows=(rows, rows), pairs=(np.arange(N), np.arange(N)))
    measures = [METRICS.get(name).bind() for name in ("rsa", "mean_cosine")]
    selection = Selection("all", "all", case, measures, [], draws=20)
    assert selection.needs == [measure.memory(N, 5, 5) for measure in measures]
    assert not loop.is_heavy(selection)
    monkeypatch.setattr(loop, "AT_ONCE", sum(selection.needs) - 1)
    assert loop.is_heavy(selection)
