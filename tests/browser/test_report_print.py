"""The report printed by Chromium: every number of its tables stands in the PDF, as the run has it."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from congruence.run import Run, load_run
from congruence.view.numbers import format_count, format_p
from congruence.view.views import headline, measure_views
from congruence.wording import format_score

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def printed(browser: Any, report: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words of the PDF in their order."""
    pypdf = pytest.importorskip("pypdf", reason="pypdf isn't installed")
    page = browser.new_context(offline=True).new_page()
    page.goto(report)
    page.wait_for_selector("#matches tbody tr")
    path = tmp_path_factory.mktemp("print") / "report.pdf"
    page.pdf(path=path, format="A4", landscape=True)
    page.context.close()
    text = " ".join(sheet.extract_text() for sheet in pypdf.PdfReader(path).pages)
    return re.sub(r"[★,()=;/×]", " ", text).split()


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return load_run(folder)


def holds(words: list[str], wanted: list[str], reach: int = 0) -> bool:
    """Whether words stand one after the other, with at most `reach` others between two of them."""
    wanted = [part for one in wanted for part in re.sub(r"[,()=;/×]", " ", one).split()]
    for start in (i for i, word in enumerate(words) if word == wanted[0]):
        at = start
        for one in wanted[1:]:
            near = words[at + 1 : at + 2 + reach]
            if one not in near:
                break
            at += 1 + near.index(one)
        else:
            return True
    return False


def rows_of_cells(run: Run) -> Iterator[tuple[list[str], tuple[int, int]]]:
    """Every row of the table of layer pairs, as words, from the run's tables."""
    views = [view for view in measure_views(run) if view.first_null]
    for cell in run.real_cells.sort_values(["layer_a", "layer_b"]).to_dict("records"):
        words = [str(cell["layer_a"]), str(cell["layer_b"])]
        words += [format_count(cell[name]) for name in ("pairs_before", "pairs_after")]
        words += [format_score(cell[name]) for name in ("mean_r_before", "mean_r_after")]
        for view in views:
            mine = (view.rows.layer_a == cell["layer_a"]) & (view.rows.layer_b == cell["layer_b"])
            (row,) = view.rows[mine].to_dict("records")
            words.append(format_score(row["value"]))
            if row["low"] == row["low"]:
                words.append(f"{format_score(row['low'])} to {format_score(row['high'])}")
            words += [f"q {format_p(row['q'])}", f"p {format_p(row['p'])}"] if row["q"] == row["q"] else []
            words += [f"ceiling {format_score(row['ceiling'])}"] if row["ceiling"] == row["ceiling"] else []
        yield words, (cell["layer_a"], cell["layer_b"])


def test_every_layer_pair_with_all_of_its_numbers(printed: list[str], run: Run) -> None:
    assert [place for words, place in rows_of_cells(run) if not holds(printed, words)] == []


def test_every_matched_feature_of_the_table(printed: list[str], run: Run) -> None:
    best = headline(measure_views(run)).best
    pairs = run.features(int(best.layer_a), int(best.layer_b), kept=True).head(25)
    missing = []
    for row in pairs.to_dict("records"):
        ends = [[format_score(row["r"]), str(row["feature_a"])], [str(row["feature_b"])]]
        counts = [format_count(row[name]) for name in ("cofirings", "firings_a", "firings_b")]
        if not (holds(printed, ends[0]) and holds(printed, ends[1] + counts, reach=24)):
            missing.append((row["feature_a"], row["feature_b"]))
    assert len(pairs) > 10
    assert missing == []


def test_every_cell_of_every_heat_map(printed: list[str], run: Run) -> None:
    """Chromium writes the cells of a map beside its rows, so that they are counted: scores, nulls, p, q."""
    from congruence.report.pictures import pictures

    there, wanted = Counter(printed), Counter[str]()
    for picture in pictures(run, headline(measure_views(run))):
        for panel in picture.panels:
            for value in panel.grid.values.ravel():
                wanted.update(re.sub(r"[,()=;/×]", " ", panel.text(value)).split())
    assert sum(wanted.values()) >= 4 * 4 * len(run.real_cells)
    assert {text: number for text, number in wanted.items() if there[text] < number} == {}


def test_what_the_filters_took_and_the_answer(printed: list[str], run: Run) -> None:
    before, after = run.pair_counts
    assert holds(printed, ["matched", format_count(before)])
    assert holds(printed, ["scored", format_count(after)])
    best = headline(measure_views(run)).best
    assert format_score(best.value) in printed
    assert not holds(printed, ["12345", "67890"])


def test_every_concept_of_the_table(printed: list[str], run: Run) -> None:
    from congruence.report.concepts import concept_lines

    lines = concept_lines(run)
    assert lines
    for line in lines:
        assert holds(printed, [line.name, line.kind]), line.name
