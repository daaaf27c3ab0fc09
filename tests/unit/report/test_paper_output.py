"""What people take out of a run: figures, tables, answers in Python, several runs side by side, exports."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from planted_run import write_planted_run

from congruence.cli.main import main
from congruence.errors import InputError, StorageError
from congruence.report.paper.plot import plot, write_paper_figures
from congruence.report.paper.style import Style
from congruence.report.tables import paper_tables, written
from congruence.run import compare_runs, load_run
from congruence.run.export import export
from congruence.run.stored import CellResult, save_cell
from congruence.view.views import headline, measure_views


@pytest.fixture(scope="module")
def with_draws(planted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the planted run that keeps the draws of rsa at layers 2 and 3."""
    folder = tmp_path_factory.mktemp("draws") / "run"
    shutil.copytree(planted, folder)
    row = {"layer_a": 2, "layer_b": 3, "measure": "rsa", "null": "pairing"}
    scores = np.r_[np.linspace(0, 0.06, 999), np.nan]
    save_cell(CellResult([row], {}, pd.DataFrame({"r": [0.5]}), {0: scores}), folder / "cells" / "L2-L3-00")
    info = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(info | {"uses": {"cells": ["L2-L3-00"]}}))
    return folder


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert ended.value.code == 2
    told = capsys.readouterr().err.strip()
    assert "\n" not in told
    assert "Traceback" not in told
    return told


def test_the_best_pair_is_the_reports(planted: Path) -> None:
    run = load_run(planted)
    lead = headline(measure_views(run))
    best = run.best()
    assert (best.measure, best.layer_a, best.layer_b) == (lead.measure, lead.best.layer_a, lead.best.layer_b)
    for view in measure_views(run):
        assert run.best(view.measure).equals(view.best)


def test_the_best_pair_stands_before_a_higher_score_that_doesnt(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run")
    table = pd.read_parquet(folder / "results.parquet")
    high = (table.measure == "rsa") & (table.layer_a == 0) & (table.layer_b == 4) & (table.control == "none")
    table.loc[high, ["value", "q"]] = [0.99, 0.8]
    table.to_parquet(folder / "results.parquet", index=False)
    best = load_run(folder).best("rsa")
    assert (best.layer_a, best.layer_b) != (0, 4)
    assert best.q <= 0.05


def test_a_run_answers_by_name(planted: Path) -> None:
    run = load_run(planted)
    assert run.measures == ["translation_accuracy", "pc1_correlation", "svcca", "rsa"]
    assert (run.nulls, run.concepts, run.controls) == (["pairing"], [], ["rerandomized", "other_seed"])
    assert repr(run).startswith("Run(planted-small × planted-large: 4 measures, best translation_accuracy")
    assert all(not name.startswith("_") for name in dir(run))
    assert {"best", "plot", "pair", "features", "null_scores", "to_latex", "report", "summary"} <= set(
        dir(run)
    )
    assert "are most alike" in str(run.summary())
    assert "planted-small × planted-large" in run._repr_html_()


def test_features_and_pairs_of_a_layer_pair(planted: Path) -> None:
    run = load_run(planted)
    found = run.features(2, 3)
    assert found.r.is_monotonic_decreasing
    assert len(run.features(2, 3, kept=True)) == found.kept.sum() < len(found)
    second = found.iloc[1]
    pair = run.pair(2, int(second.feature_a), 3, int(second.feature_b))
    assert (pair["rank"], pair["r"]) == (2, second.r)
    assert pair["contexts"] is None
    assert "No contexts are stored" in repr(pair)
    assert "planted-small layer 2 feature" in pair._repr_html_()
    with pytest.raises(InputError, match="aren't a pair"):
        run.pair(2, int(second.feature_a), 3, 10**6)
    with pytest.raises(InputError, match="weren't compared: a has 0, 1, 2, 3"):
        run.features(9, 3)


def test_null_scores_are_those_of_the_cell(with_draws: Path, planted: Path) -> None:
    scores = load_run(with_draws).null_scores("rsa", 2, 3)
    assert (len(scores), np.isnan(scores).sum(), scores[1]) == (1000, 1, 0.06 / 998)
    with pytest.raises(StorageError, match="keeps no null scores"):
        load_run(planted).null_scores("rsa", 2, 3)
    with pytest.raises(InputError, match="weren't compared"):
        load_run(with_draws).null_scores("rsa", 2, 30)


def test_figures_keep_text_as_text(with_draws: Path, tmp_path: Path) -> None:
    out, style = tmp_path / "paper", Style("page", 9, title=False)
    only = ["scores_rsa", "beside_rsa"]
    written_twice = [
        [path.read_bytes() for path in write_paper_figures(
            with_draws, out, formats=("svg", "pdf", "png"), style=style, beside=with_draws, only=only
        )]
        for _ in range(2)
    ]  # fmt: skip
    assert written_twice[0] == written_twice[1]
    assert {path.suffix for path in out.iterdir()} == {".svg", ".pdf", ".png", ".md"}
    svg = (out / "scores_rsa.svg").read_text()
    best = load_run(with_draws).best("rsa")
    assert re.search(rf">{best.value:.2f}\*</text>", svg)
    assert "RSA</text>" not in svg  # no title, unless it is asked for
    assert b"/FontFile2" in (out / "scores_rsa.pdf").read_bytes()
    assert "frame: best layer pair" in (out / "captions.md").read_text()


def test_plot_gives_a_figure_without_pyplot(with_draws: Path) -> None:
    import sys

    from matplotlib.figure import Figure

    run = load_run(with_draws)
    figure = run.plot("rsa")
    assert isinstance(figure, Figure)
    assert figure.get_figwidth() == 3.35
    assert figure._repr_png_()[:4] == b"\x89PNG"
    assert run.plot("depth_rsa", width="page", title=True).get_suptitle() != ""
    assert run.plot("svcca", kind="null").get_suptitle() == ""
    assert "matplotlib.pyplot" not in sys.modules
    with pytest.raises(InputError, match="unknown figure 'rso': did you mean"):
        run.plot("rso")
    with pytest.raises(InputError, match="font_size=99"):
        plot(run, "rsa", font_size=99)


def test_a_wide_grid_is_legible_and_whole(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", layers_a=range(26), layers_b=range(42), measures=["rsa"])
    for width in ("column", "page"):
        figure = load_run(folder).plot("rsa", width=width)
        image = figure.axes[0].images[0].get_array()
        assert image.shape == (26, 42)
        assert figure.get_figheight() < 9


def test_tables_in_three_formats(planted: Path) -> None:
    run = load_run(planted)
    tables = {table.name: table for table in paper_tables(run)}
    best = run.best("rsa")
    latex = run.to_latex("rsa")
    assert r"\toprule" in latex
    assert f"{best.value:.2f}$^{{*}}$" in latex
    assert r"$^{*}$: q $\leq$ 0.05 over 19 layer pairs" in latex
    assert written(tables["scores_rsa"], "markdown").splitlines()[0] == "| layer | 0 | 1 | 2 | 3 | 4 |"
    rows = [line.split(",") for line in written(tables["scores_rsa"], "csv").splitlines()]
    assert rows[4][1] == "–"
    with pytest.raises(InputError, match="unknown table"):
        run.to_latex("nothing")


def test_what_would_break_latex_is_escaped(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", names=("50%_a&b#{x}", "c$d^e\\f~|\u202e"))
    latex = load_run(folder).to_latex()
    assert r"50\%\_a\&b\#\{x\}" in latex
    assert r"c\$d\textasciicircum{}e\textbackslash{}f\textasciitilde{}|" in latex
    assert "\u202e" not in latex


def test_runs_side_by_side(with_draws: Path, tmp_path: Path) -> None:
    other = write_planted_run(tmp_path / "weaker", signal=0.2)
    found = compare_runs(with_draws, other)
    rsa = found.measures[found.measures.measure == "rsa"].iloc[0]
    assert rsa["mean"] == pytest.approx((rsa[found.runs[0]] + rsa[found.runs[1]]) / 2)
    assert rsa["std"] == pytest.approx(abs(rsa[found.runs[0]] - rsa[found.runs[1]]) / np.sqrt(2))
    assert set(found.differences.test) == {"intervals", ""}  # a layer pair without a score has no test
    assert len(found.beyond_chance)
    assert (found.beyond_chance.difference < 0).all()
    same = compare_runs(with_draws, write_planted_run(tmp_path / "same", missing=[(3, 0)]))
    assert same.beyond_chance.empty
    assert "0 of" in same.sentences()[0]


def test_without_intervals_draws_or_spreads_are_used_and_told(with_draws: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "one" / "run", tmp_path / "two" / "run"]
    for folder, shift in zip(folders, (0, -0.2), strict=True):
        shutil.copytree(with_draws, folder)
        table = pd.read_parquet(folder / "results.parquet").assign(low=np.nan, high=np.nan)
        table["value"] += shift
        table.to_parquet(folder / "results.parquet", index=False)
    found = compare_runs(*folders)
    assert found.runs == ("one/run", "two/run")
    here = found.differences.query("measure == 'rsa' and layer_a == 2 and layer_b == 3").iloc[0]
    # every difference of draws is 0, but for the one draw without a score, which counts
    assert (here.test, here.p) == ("paired draws", 2 / 1001)
    assert "null spread" in set(found.differences.test)
    assert any("not whether another" in sentence for sentence in found.sentences())


def test_exports_open_without_us(planted: Path, tmp_path: Path) -> None:
    export(planted, "parquet", tmp_path / "plain")
    table = pd.read_parquet(tmp_path / "plain" / "matches.parquet")
    assert isinstance(json.loads(table.top_tokens_a[0]), list)
    found = export(planted, "embedding-atlas", tmp_path / "atlas", layers=[(1, 2)])
    atlas = pd.read_parquet(found.paths[0])
    assert len(atlas) == 2 * len(load_run(planted).features(1, 2))
    assert {"x", "y", "text", "neighbors", "r", "margin", "verdict"} <= set(atlas.columns)
    assert "no x, y and neighbors" in found.notes[0]  # a planted run has no SAEs
    sources = {"a": "m/{layer}-res", "b": "n/{layer}-mlp"}
    export(planted, "neuronpedia", tmp_path / "lists", layers=[(1, 2)], neuronpedia=sources)
    first = json.loads((tmp_path / "lists" / "features_b.json").read_text())[0]
    assert (first["modelId"], first["layer"]) == ("n", "2-mlp")


def test_bad_requests_are_one_line(planted: Path, tmp_path: Path, capsys) -> None:
    assert "isn't a folder" in refused(capsys, "figures", tmp_path / "none")
    assert "unknown figure 'x'" in refused(capsys, "figures", planted, "--only", "x", "--out", tmp_path / "f")
    assert "4 to 24 points" in refused(
        capsys, "figures", planted, "--font-size", "1", "--out", tmp_path / "f"
    )
    assert "unknown table" in refused(capsys, "tables", planted, "--only", "x")
    assert "two or more" in refused(capsys, "compare-runs", planted)
    assert "lies inside the run" in refused(
        capsys, "export", planted, "--to", "parquet", "--out", planted / "x"
    )
    bad = ["export", planted, "--to", "embedding-atlas", "--out", tmp_path / "x", "--layers"]
    assert "two numbers, such as 3,4" in refused(capsys, *bad, "a")
    assert "have no pairs" in refused(capsys, *bad, "70,1")
    assert "--source-a" in refused(capsys, "export", planted, "--to", "neuronpedia", "--out", tmp_path / "x")


def test_commands_print_tables_and_data(planted: Path, tmp_path: Path, capsys) -> None:
    main(["tables", str(planted), "--format", "latex", "--out", str(tmp_path / "t")])
    assert (tmp_path / "t" / "best.tex").exists()
    other = write_planted_run(tmp_path / "other", signal=0.2)
    capsys.readouterr()
    main(["diff", str(planted), str(other), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert len(told["measures"]) == 4
    main(["compare-runs", str(planted), str(other), "--csv"])
    assert capsys.readouterr().out.startswith("concept,subspace,measure,null,layer_a,layer_b")
