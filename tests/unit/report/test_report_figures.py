"""The figures: which there are, and what they show."""

import io
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from planted_run import untest, write_planted_run

from congruence.report import write_figures
from congruence.report.figures import render
from congruence.report.pictures import Picture, headline_picture, measure_picture
from congruence.report.pictures import pictures as pictures_of
from congruence.report.scales import (
    DARK,
    LEVELS,
    LIGHT,
    contrast,
    count_scale,
    p_scale,
    score_scale,
    shade,
    text_on,
)
from congruence.run.results import Run, load_run
from congruence.view.views import headline, measure_views

PNG = b"\x89PNG\r\n\x1a\n"


def pictures(run: Run) -> list[Picture]:
    return pictures_of(run, headline(measure_views(run)))


def test_every_promised_file_is_there(tmp_path: Path) -> None:
    folder = write_planted_run(
        tmp_path / "run",
        layers_a=(0, 1),
        layers_b=(0, 1),
        measures=("svcca", "rsa"),
        nulls=("pairing", "subset"),
    )
    written = {path.name for path in write_figures(folder)}
    for name in ("measure_svcca", "measure_rsa", "measure_rsa_subset", "pairs", "headline"):
        assert {f"{name}.png", f"{name}.svg"} <= written
    assert all((folder / "figures" / name).stat().st_size > 1000 for name in written)
    assert (folder / "figures" / "headline.png").read_bytes().startswith(PNG)
    assert not list((folder / "figures").glob(".*"))


def test_same_run_gives_same_bytes(planted: Path) -> None:
    run = load_run(planted)
    picture = pictures(run)[0]
    assert render(picture, "a", "b") == render(picture, "a", "b")


def test_drawing_leaves_matplotlib_as_it_was(planted: Path) -> None:
    import sys

    import matplotlib

    before = dict(matplotlib.rcParams)
    render(pictures(load_run(planted))[0], "a", "b")
    assert dict(matplotlib.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


@pytest.mark.parametrize("name", ["$\\frac{1$", "日本語モデル", "<b>&amp;", "m" * 200, ""])
def test_any_model_name_can_be_drawn(tmp_path: Path, name: str) -> None:
    run = load_run(
        write_planted_run(
            tmp_path / "run", names=(name, "b"), layers_a=(0, 1), layers_b=(0, 1), measures=("rsa",)
        )
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = render(pictures(run)[0], run.side_name("a"), run.side_name("b"))
    assert drawn["png"].startswith(PNG)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (12, 32)])
def test_every_grid_size_can_be_drawn(tmp_path: Path, shape: tuple[int, int]) -> None:
    layers_a, layers_b = range(shape[0]), range(shape[1])
    folder = write_planted_run(tmp_path / "run", layers_a=layers_a, layers_b=layers_b, measures=("rsa",))
    run = load_run(folder)
    view = measure_views(run)[0]
    for picture in (measure_picture(run, view), headline_picture(run, view)):
        drawn = render(picture, "a", "b")
        assert len(drawn["svg"]) > 5000


def test_cells_hold_the_values_of_the_results(planted: Path) -> None:
    run = load_run(planted)
    view = headline(measure_views(run))
    score = measure_picture(run, view).panels[0]
    rows = run.results.query("control == 'none' and measure == 'translation_accuracy'")
    for row in rows.itertuples():
        place = score.grid.layers_a.index(row.layer_a), score.grid.layers_b.index(row.layer_b)
        np.testing.assert_equal(score.grid.values[place], row.value)
        assert score.stars[place] == (row.q <= 0.05)
    best = rows.loc[rows.value.idxmax()]
    assert score.best == (best.layer_a, best.layer_b)


def test_ceiling_and_null_are_named_on_the_colour_bar(planted: Path) -> None:
    run = load_run(planted)
    score = measure_picture(run, headline(measure_views(run)))
    assert [words for _, words in score.marks] == ["0.001 null", "0.92 ceiling"]
    assert "0.92" in score.subtitle


def test_no_ceiling_is_said(tmp_path: Path) -> None:
    run = load_run(write_planted_run(tmp_path / "run", ceiling=False))
    assert "no same-model ceiling" in measure_picture(run, measure_views(run)[0]).subtitle


def test_headline_claims_nothing_where_nothing_is_found(tmp_path: Path) -> None:
    run = load_run(write_planted_run(tmp_path / "run", signal=0.0))
    assert headline_picture(run, headline(measure_views(run))).title.startswith("No layer pair")


def test_measure_labels_with_options_make_plain_file_names(tmp_path: Path) -> None:
    run = load_run(write_planted_run(tmp_path / "run", measures=("svcca(variance=0.9, on_forced=warn)",)))
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", picture.name) for picture in pictures(run))
    assert len({picture.name for picture in pictures(run)}) == len(pictures(run))


def test_text_can_be_read_on_every_colour() -> None:
    for palette in [*LIGHT.values(), *DARK.values()]:
        for step in range(LEVELS):
            background = shade(palette, step / (LEVELS - 1))
            assert contrast(text_on(background), background) >= 4.5


def test_lightness_alone_orders_every_palette() -> None:
    for palettes, ink in ((LIGHT, "#ffffff"), (DARK, "#000000")):
        for palette in palettes.values():
            steps = [contrast(shade(palette, i / 40), ink) for i in range(41)]
            assert all(np.diff(steps) > 0)


def test_scores_share_zero_to_one_and_others_do_not() -> None:
    assert score_scale(np.array([0.1, 0.3]), label="").high == 1.0
    assert score_scale(np.array([np.nan]), label="").high == 1.0
    assert score_scale(np.array([7.3]), label="").high == 8.0
    assert score_scale(np.array([-0.2, 0.5]), label="").position(-0.2) == 0.0


def test_p_scale_runs_from_one_to_the_floor() -> None:
    scale = p_scale(1000, label="p")
    assert scale.position(1.0) == 0.0
    assert scale.position(1 / 1001) == pytest.approx(1.0)
    assert scale.position(1e-9) == 1.0
    assert np.isnan(scale.position(float("nan")))


@pytest.mark.parametrize("counts", [[0], [0, 0], [3], [1, 40], [2, 30_000], [np.nan], [np.nan, 5]])
def test_count_scale_takes_any_counts(counts: list[float]) -> None:
    scale = count_scale(np.array(counts, dtype=float), label="pairs")
    places = [scale.position(count) for count in counts if np.isfinite(count)]
    assert all(0 <= place <= 1 for place in places)
    assert scale.low < scale.high


def test_panels_of_a_measure_are_score_null_calibrated_and_q(planted: Path) -> None:
    run = load_run(planted)
    view = headline(measure_views(run))
    (panels,) = measure_picture(run, view).rows
    for panel, column in zip(panels, ("value", "null_mean", "calibrated", "q"), strict=True):
        np.testing.assert_equal(panel.grid.values, view.grid(column).values)
    assert panels[0].scale is panels[1].scale is panels[2].scale
    assert panels[3].scale is not panels[0].scale
    note = panels[0].notes[0, 0]
    assert "95% interval" in note
    assert "p 0.001; q 0.001" in note


def test_a_measure_without_draws_has_its_scores_alone(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", measures=("svcca",))
    untest(folder)
    run = load_run(folder)
    picture = measure_picture(run, measure_views(run)[0])
    assert [panel.title for panel in picture.panels] == ["score"]
    assert picture.legend == "not tested: n < 2 (k_a + k_b)"
    assert len(render(picture, "a", "b")["svg"]) > 5000


def test_a_small_cell_without_a_number_has_its_dash(tmp_path: Path) -> None:
    from PIL import Image

    folder = write_planted_run(
        tmp_path / "run", layers_a=range(12), layers_b=range(32), measures=("rsa",), missing=[(3, 0)]
    )
    run = load_run(folder)
    picture = measure_picture(run, measure_views(run)[0])
    pixels = np.asarray(Image.open(io.BytesIO(render(picture, "a", "b")["png"]))).astype(int)
    empty = np.all(pixels == (233, 236, 239), axis=2)
    top = int(np.flatnonzero(empty.sum(axis=1) > 20)[0])
    columns = np.flatnonzero(empty[top])
    cell = pixels[top : top + 20, columns[0] : columns[-1]]
    assert cell.min() < 180


def test_controls_share_one_figure_and_the_colours_of_the_real_grid(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", controls=["rerandomized", "neurons"])
    picture = next(p for p in pictures(load_run(folder)) if p.name == "controls")
    assert [panel.title for panel in picture.panels] == ["control 'rerandomized'", "control 'neurons'"]
    assert len(picture.scales) == 1
    assert "rerandomized: both models with their weights redrawn" in picture.subtitle


def test_texts_drawn_in_turn_are_as_collections_of_their_own(monkeypatch):
    import matplotlib
    from matplotlib.artist import Artist
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D

    from congruence.report import sheet

    def apart(axes, texts):
        points = Affine2D().scale(1 / 72) + axes.figure.dpi_scale_trans
        for text, marks in texts.items():
            drawn = PathCollection(
                [sheet._outline(*text)], offsets=[mark[:2] for mark in marks],
                offset_transform=axes.transData, facecolors=[ink for _, _, ink in marks], linewidths=0,
                zorder=2,
            )  # fmt: skip
            drawn.set_transform(points)
            drawn.set_snap(False)
            axes.add_collection(drawn, autolim=False)
        return Artist()  # draws nothing

    def drawn():
        with matplotlib.rc_context({"svg.hashsalt": "x"}):
            figure = Figure(figsize=(3, 2))
            axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 3), ylim=(2, 0))
            axes.set_axis_off()
            found = sheet.Sheet()
            for number in range(12):
                found.cell((0.2 * number, 0.5, 0.2, 0.3), "#9ad7c3")
                found.text((0.2 * number + 0.1, 0.65), f"0.{number % 5}", 5, "#000000")
            found.text((0.2, 1.2), "layer", 9, "#10161d", align=0.0)
            found.text((2.9, 1.2), "–", 9, "#5b6672", align=1.0)
            found.draw(axes, 5.0)
            return sheet.png(figure), sheet.svg(figure)

    together = drawn()
    monkeypatch.setattr(sheet, "_texts", apart)
    alone = drawn()
    assert together[0] == alone[0]
    assert together[1] == alone[1]
