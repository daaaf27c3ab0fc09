"""The summary in the terminal, at 80 columns, with and without colour, and the command that prints it."""

import io
import re
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from planted_run import untest, write_planted_run
from rich.console import Console

from congruence.cli.main import main
from congruence.cli.report import command
from congruence.report import summary, write_report
from congruence.run.results import load_run
from congruence.view.views import headline, measure_views


def printed(folder: Path, *, width: int = 80, **options) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width, **options).print(summary(folder))
    return stream.getvalue()


def flowing(folder: Path) -> str:
    return " ".join(printed(folder).split())


def test_grid_and_answer_without_colour(planted: Path) -> None:
    text = printed(planted)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80
    start = next(i for i, line in enumerate(text.splitlines()) if line.endswith("of each layer pair"))
    grid = [line.split() for line in text.splitlines()[start + 3 : start + 7]]
    assert [row[0] for row in grid] == ["0", "1", "2", "3"]
    assert grid[3][1] == "–"
    assert sum(cell.startswith(">") for row in grid for cell in row) == 1
    assert sum(cell.endswith("*") for row in grid for cell in row) == 18
    heading, first = text.splitlines()[start + 2 : start + 4]
    assert [heading[i - 1] for i in range(len(first)) if first[i] == "*"] == ["0", "1", "2", "3"]


def test_answer_names_score_null_p_and_ceiling(planted: Path) -> None:
    text = flowing(planted)
    for words in (
        "are most alike: a rotation fitted on half", "the score is 0.001 on average over 1,000 draws",
        "p = 0.001 (one-sided, the smallest these draws can give)", "max-T", "The ceiling is on average 0.92",
        "18 of 19 layer pairs are above chance", "1 could not be scored",
        "Control 'rerandomized': highest score",
    ):  # fmt: skip
        assert words in text


def test_colour_where_the_terminal_has_it(planted: Path) -> None:
    assert "\x1b[" in printed(planted, force_terminal=True, color_system="truecolor")
    assert "\x1b[4" not in printed(planted, force_terminal=True, no_color=True)


def test_nothing_found_is_said_first(tmp_path: Path) -> None:
    text = flowing(write_planted_run(tmp_path / "run", signal=0.0))
    assert "No layer pair is above chance after correction, so this run is no evidence" in text
    assert "are most alike" not in text
    assert "0 of 20 layer pairs are above chance" in text


def test_a_high_score_that_does_not_stand_is_not_the_best(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", measures=("svcca",))
    table = pd.read_parquet(folder / "results.parquet")
    here = (table.control == "none") & (table.layer_a == 3) & (table.layer_b == 0)
    table.loc[here, ["value", "p", "q"]] = [1.0, 1.0, 1.0]
    table.to_parquet(folder / "results.parquet")
    assert "layer 3 and planted-large layer 0 are most alike" not in flowing(folder)


def test_a_score_at_its_ceiling_is_said(tmp_path: Path) -> None:
    assert "the score is not below it" in flowing(write_planted_run(tmp_path / "run", signal=0.99))


@pytest.mark.parametrize("shape", [(1, 1), (12, 32), (5, 12)])
def test_any_grid_fits_the_width(tmp_path: Path, shape: tuple[int, int]) -> None:
    folder = write_planted_run(
        tmp_path / "run", layers_a=range(shape[0]), layers_b=range(100, 100 + shape[1]), measures=("rsa",)
    )
    for width in (40, 80, 200):
        assert max(map(len, printed(folder, width=width).splitlines())) <= width
    text = printed(folder)
    shown = [layer for layer in range(100, 100 + shape[1]) if f" {layer} " in text]
    assert len(shown) == min(12, shape[1])
    assert ("12 of 32 (highest scores) layers" in " ".join(text.split())) == (shape[1] > 12)
    best = load_run(folder).results.query("control == 'none'").sort_values("value").iloc[-1]
    assert best.layer_b in shown
    assert ">" in text


def test_the_answer_comes_before_the_grid(planted: Path) -> None:
    text = flowing(planted)
    assert text.index("are most alike") < text.index("of each layer pair")


def test_ten_draws_are_no_evidence_of_anything(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", draws=10, controls=["neurons"], measures=("rsa",))
    text = flowing(folder)
    assert "can't be told: 10 draws can't give p below 0.091; use at least 399" in text
    assert "no evidence" not in text
    assert "above chance (q" not in text
    assert re.search(r"Control 'neurons': highest score 0\.\d+, can't be told: 10 draws", text)
    page = write_report(folder).read_text()
    assert "can&#39;t be told: 10 draws" in page
    assert "no evidence" not in page
    assert "no layer pair has q" not in page


def test_draws_that_suffice_only_for_many_pairs_at_once_are_said(tmp_path: Path) -> None:
    text = flowing(write_planted_run(tmp_path / "run", signal=0.0, draws=99, measures=("rsa",)))
    assert "99 draws are few for 20 layer pairs" in text
    assert "use at least 399" in text
    assert "draws are few" not in flowing(write_planted_run(tmp_path / "more", signal=0.0, draws=399))


def test_draws_without_a_score_count_against_the_claim(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", draws=999, measures=("rsa",), ceiling=False)
    table = pd.read_parquet(folder / "results.parquet")
    table.assign(scored=900, p=0.1, q=0.12).to_parquet(folder / "results.parquet")
    text = flowing(folder)
    assert "can't be told: only 900 of 999 draws gave a score, so p can't be below 0.10" in text
    assert "99 draws gave no score and count against it" in text
    assert "the smallest these draws can give" in text


def test_scores_without_draws_are_not_tested_and_no_evidence_is_not_said(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", measures=("svcca",))
    untest(folder)
    text = flowing(folder)
    assert "The scores were not tested: n < 2 (k_a + k_b)." in text
    assert "no evidence" not in text
    assert "No layer pair" not in text
    page = write_report(folder).read_text()
    assert "Not tested against chance" in page
    assert "no evidence" not in page


def test_some_scores_without_draws_do_not_lead_and_are_counted(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", measures=("svcca",))
    untest(folder, layer_a=3)
    table = pd.read_parquet(folder / "results.parquet")
    table.loc[table.layer_a == 3, "value"] = 1.0
    table.to_parquet(folder / "results.parquet")
    text = flowing(folder)
    assert "planted-small layer 3 and" not in text.split("are most alike")[0]
    assert "15 layer pairs are above chance (q ≤ 0.05); 5 were not tested: n < 2 (k_a + k_b)." in text


def test_a_tested_measure_leads_before_an_untested_one(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", measures=("svcca", "rsa"))
    untest(folder, "svcca")
    assert headline(measure_views(load_run(folder))).measure == "rsa"


def test_interval_and_the_ceiling_of_the_layer_pair_are_said(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", measures=("rsa",))
    table = pd.read_parquet(folder / "results.parquet")
    table.loc[table.control == "none", ["low", "high", "ceiling", "value"]] = [0.31, 0.52, 0.87, 0.42]
    table.to_parquet(folder / "results.parquet")
    text = flowing(folder)
    assert "Its 95% interval is 0.31 to 0.52 over pairs (bootstrap)." in text
    assert "The ceiling is on average 0.87" in text


def test_one_layer_pair_has_no_correction_to_speak_of(tmp_path: Path) -> None:
    text = flowing(write_planted_run(tmp_path / "run", layers_a=(3,), layers_b=(5,), ceiling=False))
    assert "No ceiling was run" in text
    assert "after correction over" not in text


@pytest.mark.parametrize(
    ("alternative", "words"), [("less", "below chance"), ("two-sided", "different from")]
)
def test_other_alternatives_are_worded(tmp_path: Path, alternative: str, words: str) -> None:
    folder = write_planted_run(tmp_path / "run", measures=("rsa",))
    table = pd.read_parquet(folder / "results.parquet")
    table.assign(alternative=alternative).to_parquet(folder / "results.parquet")
    assert words in flowing(folder)


def test_a_narrow_encoding_gets_plain_characters(planted: Path) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=stream, width=80).print(summary(planted))
    stream.flush()
    assert b"q <= 0.05" in stream.buffer.getvalue()  # type: ignore[attr-defined]


def test_markup_in_names_is_text(tmp_path: Path) -> None:
    folder = write_planted_run(tmp_path / "run", names=("[red]a[/red]", "[/]"), measures=("rsa",))
    assert "[red]a[/red] × [/]" in printed(folder)


def test_command_redraws_a_finished_run(tmp_path: Path) -> None:
    out = tmp_path / ("a-long-name" * 9) / "run"
    out.parent.mkdir()
    folder = write_planted_run(out, layers_a=(0, 1), layers_b=(0, 1), measures=("rsa",))
    result = CliRunner().invoke(command, [str(folder)])
    assert result.exit_code == 0, result.output
    assert "most alike" in " ".join(result.output.split())
    assert (folder / "report.html").stat().st_size > 10_000
    assert (folder / "figures" / "headline.png").exists()
    assert f"{folder / 'report.html'}\n" in result.output


@pytest.mark.parametrize("place", ["nowhere", "empty", "file"])
def test_what_is_no_run_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as caught:
        main(["report", str(tmp_path / place)])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.strip().splitlines()[-1].startswith("error: ")
    assert error.count("error: ") == 1
