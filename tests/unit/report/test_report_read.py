"""Reading a run's folder, and saying in one line why something isn't one."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from planted_run import write_planted_run

from congruence.errors import StorageError
from congruence.run.results import load_run
from congruence.view.views import cell_grid, headline, measure_views


def test_reads_every_table(planted: Path) -> None:
    run = load_run(planted)
    assert len(run.results) == 2 * 20 * 4 + 2 * 4
    assert run.pair_counts[0] == 19 * 1800 + 2
    assert len(run.matches_of(1, 2)) == 12
    assert run.side_name("a") == "planted-small"


def test_equal_names_are_told_apart(tmp_path: Path) -> None:
    run = load_run(write_planted_run(tmp_path / "run", names=("same", "same")))
    assert (run.side_name("a"), run.side_name("b")) == ("same (a)", "same (b)")


def test_missing_optional_columns_have_defaults(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", control_side=False)
    table = pd.read_parquet(folder / "results.parquet")
    dropped = [
        "p_max_t", "subspace", "warnings", "details", "null_q05", "null_q95", "low", "high", "interval",
        "calibrated", "ceiling", "scored",
    ]  # fmt: skip
    table.drop(columns=dropped).to_parquet(folder / "results.parquet")
    run = load_run(folder)
    assert {c.side for c in measure_views(run)[0].ceilings} == {""}
    assert all(texts == [] for texts in run.results.warnings)
    assert all(details == {} for details in run.results.details)


def test_grids_keep_layers_that_are_not_consecutive(tmp_path: Path) -> None:
    run = load_run(write_planted_run(tmp_path / "run", layers_a=(2, 7), layers_b=(1, 5, 30)))
    grid = measure_views(run)[0].grid("value")
    assert (grid.layers_a, grid.layers_b) == ((2, 7), (1, 5, 30))
    row = run.results.query("control == 'none' and layer_a == 7 and layer_b == 5").iloc[0]
    assert grid.values[1, 1] == row.value
    assert cell_grid(run, "pairs_before").values.shape == (2, 3)


@pytest.mark.parametrize(
    ("measures", "leader"),
    [
        (("rsa", "svcca", "translation_accuracy"), "translation_accuracy"),
        (("rsa", "svcca(variance=0.9)"), "svcca(variance=0.9)"),
        (("linear_cka", "rsa"), "rsa"),
        (("mystery", "linear_cka"), "mystery"),
    ],
)
def test_headline_measure(tmp_path: Path, measures: tuple[str, ...], leader: str) -> None:
    run = load_run(write_planted_run(tmp_path / "run", measures=measures))
    assert headline(measure_views(run)).measure == leader


def test_pairing_null_leads_whatever_its_place(tmp_path: Path) -> None:
    run = load_run(write_planted_run(tmp_path / "run", measures=("rsa",), nulls=("subset", "pairing")))
    assert [(view.null, view.slug) for view in measure_views(run)] == [
        ("pairing", "rsa"),
        ("subset", "rsa_subset"),
    ]


def _no_folder(folder: Path) -> Path:
    return folder / "nowhere"


def _file(folder: Path) -> Path:
    return folder / "run.json"


def _no_run_json(folder: Path) -> Path:
    (folder / "run.json").unlink()
    return folder


def _other_kind(folder: Path) -> Path:
    (folder / "run.json").write_text('{"kind": "congruence/cell"}')
    return folder


def _newer(folder: Path) -> Path:
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(info | {"format_version": 99}))
    return folder


def _older(folder: Path) -> Path:
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(info | {"format_version": 1}))
    return folder


def _no_sides(folder: Path) -> Path:
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(info | {"sides": None}))
    return folder


def _unfinished(folder: Path) -> Path:
    (folder / "cells.parquet").unlink()
    return folder


def _torn(folder: Path) -> Path:
    content = (folder / "results.parquet").read_bytes()
    (folder / "results.parquet").write_bytes(content[: len(content) // 2])
    return folder


def _no_column(folder: Path) -> Path:
    pd.read_parquet(folder / "results.parquet").drop(columns="q").to_parquet(folder / "results.parquet")
    return folder


def _no_rows(folder: Path) -> Path:
    pd.read_parquet(folder / "results.parquet").head(0).to_parquet(folder / "results.parquet")
    return folder


@pytest.mark.parametrize(
    "spoil",
    [
        _no_folder, _file, _no_run_json, _other_kind, _newer, _older, _no_sides, _unfinished, _torn,
        _no_column, _no_rows,
    ],
)  # fmt: skip
def test_what_is_not_a_finished_run_is_named_in_one_line(tmp_path: Path, spoil) -> None:
    place = spoil(write_planted_run(tmp_path / "run"))
    with pytest.raises(StorageError) as caught:
        load_run(place)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_older_run_is_refused_with_the_remedy(tmp_path: Path) -> None:
    folder = _older(write_planted_run(tmp_path / "run"))
    with pytest.raises(
        StorageError, match=r"format 1, older than this congruence reads \(3\): give the command"
    ):
        load_run(folder)


def test_lists_and_mappings_are_pythons_own(planted: Path) -> None:
    run = load_run(planted)
    assert run.results.warnings.map(type).eq(list).all()
    assert {"held_out": 450} in list(run.results.details)
    assert {} in list(run.results.details)
    assert run.cells.removed[0][0]["step"] == "non_concept"


def test_reading_needs_neither_torch_nor_numba(planted: Path) -> None:
    code = (
        f"import sys, congruence.run; congruence.run.load_run({str(planted)!r})\n"
        "assert not {'torch', 'numba', 'transformers'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
