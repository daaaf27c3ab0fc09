"""The summary in the terminal, at 80 columns, with and without colour, and the command that prints it."""

import io
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from planted_run import write_planted_run
from rich.console import Console

from congruence.cli.main import main
from congruence.cli.report import command
from congruence.report import summary


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
    grid = [line.split() for line in text.splitlines()[4:8]]
    assert [row[0] for row in grid] == ["0", "1", "2", "3"]
    assert grid[3][1] == "–"
    assert sum(cell.startswith(">") for row in grid for cell in row) == 1
    assert sum(cell.endswith("*") for row in grid for cell in row) == 18
    heading, first = text.splitlines()[3:5]
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
    assert all(f" {layer} " in text for layer in range(100, 100 + shape[1]))


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
    folder = write_planted_run(tmp_path / "run", layers_a=(0, 1), layers_b=(0, 1), measures=("rsa",))
    result = CliRunner().invoke(command, [str(folder)])
    assert result.exit_code == 0, result.output
    assert "most alike" in " ".join(result.output.split())
    assert (folder / "report.html").stat().st_size > 10_000
    assert (folder / "figures" / "headline.png").exists()
    assert "report.html" in result.output


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
    assert error.startswith("error: ")
    assert error.count("\n") == 1
