"""Concept subspaces in the report: unions and their interactions apart, every null, what has no score."""

from pathlib import Path

import pandas as pd
import pytest
from planted_run import write_planted_run

from congruence.report.concept_pictures import concept_pictures
from congruence.report.concepts import concept_keywords, concept_lines, lead_measure, subspaces
from congruence.report.html import write_report
from congruence.report.terminal import concept_rows
from congruence.run.results import Run, load_run

NULLS = ("pairing", "subset")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = write_planted_run(
        tmp_path_factory.mktemp("concepts") / "run",
        measures=("pc1_correlation", "rsa"),
        nulls=NULLS,
        concepts=("Time", "Biology", "Time+Nature", "Time+Nature!"),
        kinds={"Time+Nature": "overlap", "Time+Nature!": "interaction"},
        scoreless=("Biology",),
    )
    keywords = [_keyword(a, word, count) for a in range(4) for word, count in (("day", 3), ("<i>", 1))]
    pd.DataFrame(keywords).to_parquet(folder / "concept_keywords.parquet")
    return load_run(folder)


def _keyword(layer: int, word: str, count: int) -> dict:
    return {
        "concept": "Time", "layer_a": layer, "layer_b": layer, "keyword": word, "features_a": count,
        "features_b": count, "pairs": count, "ratio": 0.5 * count,
        "without": [], "change": [{"measure": "rsa", "value": -0.25}] if word == "day" else [],
    }  # fmt: skip


def test_a_union_and_its_interaction_are_two_subspaces(run):
    assert [(s.name, s.kind) for s in subspaces(run)] == [
        ("Time", "semantic"),
        ("Biology", "semantic"),
        ("Time+Nature", "overlap"),
        ("Time+Nature", "interaction"),
    ]
    drawn = {picture.name: picture for picture in concept_pictures(run)}
    assert [row[0].title for row in drawn["concepts_rsa"].rows] == ["Time", "Time+Nature"]
    assert [panel.title for panel in drawn["concepts_interaction_rsa"].panels] == ["Time+Nature"]
    assert [panel.title for panel in drawn["concepts_pairs"].panels] == ["Time", "Biology", "Time+Nature"]


def test_a_subspace_without_scores_is_named_with_the_reason(run):
    score = next(picture for picture in concept_pictures(run) if picture.name == "concepts_rsa")
    assert "Biology: too few features: at most 1 of 3 needed" in score.subtitle
    assert "(a: 1" not in score.subtitle


def test_every_null_has_its_p_and_q(run):
    for measure in ("pc1_correlation", "rsa"):
        picture = next(p for p in concept_pictures(run) if p.name == f"concepts_{measure}")
        for score, *evidence in picture.rows:
            here = (run.results.concept == score.title) & (run.results.measure == measure)
            rows = run.results[here & (run.results.subspace != "interaction")]
            assert [panel.title for panel in evidence] == ["q: pairs shuffled", "q: random features"]
            for null, panel in zip(NULLS, evidence, strict=True):
                of_null = rows[rows.null == null].sort_values(["layer_a", "layer_b"])
                assert panel.grid.values.ravel().tolist() == of_null.q.tolist()
            note = score.notes[0, 0]
            assert "p 0.001; q 0.001" in note
            assert "subset: p 0.001, q 0.001" in note


def test_lines_count_layer_pairs_under_each_null(run):
    assert lead_measure(subspaces(run)) == "rsa"
    lines = {line.name: line for line in concept_lines(run)}
    assert set(lines) == {"Time", "Biology", "Time+Nature"}
    rows = run.results[(run.results.concept == "Time") & (run.results.measure == "rsa")]
    for null in NULLS:
        q = rows[rows.null == null].q
        assert lines["Time"].above[null] == ((q <= 0.05).sum(), 20)
    assert 0 < lines["Time"].above["pairing"][0] < 20
    assert lines["Biology"].reason.startswith("too few features")


def test_keywords_are_those_of_the_best_layer_pair(run):
    (line,) = concept_keywords(run)
    best = next(s for s in subspaces(run) if s.name == "Time").usual("rsa").best
    assert (line.layer_a, line.layer_b) == (best.layer_a, best.layer_b)
    assert [word.word for word in line.keywords] == ["day", "<i>"]
    assert line.keywords[0].change == -0.25


def test_page_and_terminal_say_it(run):
    page = Path(write_report(run.path)).read_text()
    assert "too few features: at most 1 of 3 needed" in page
    assert "&lt;i&gt;" in page
    assert "<i>" not in page.split("keywords</th>")[1].split("</table>")[0]
    said = "\n".join(text.plain for text in concept_rows(run))
    assert "Concept subspaces" in said
    assert "too few features" in said
    assert max(len(line) for line in said.splitlines()[:-2]) <= 80


def test_a_run_without_concepts_says_nothing_of_them(tmp_path):
    plain = load_run(write_planted_run(tmp_path / "run", measures=("rsa",)))
    assert concept_pictures(plain) == []
    assert list(concept_rows(plain)) == []
    assert concept_keywords(plain) == []
