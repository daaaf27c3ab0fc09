"""The study: its sums by hand, its chapters on small worlds, its command, and the page in the docs."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from congruence.errors import InputError, StorageError
from congruence.filters import FILTERS
from congruence.matching import MATCHERS
from congruence.metrics import METRICS
from congruence.records import Matching
from congruence.significance.verdicts import NOT_SHARED, SHARED
from congruence.synthetic import make_world
from congruence.synthetic.study import Size, doing, looking, read_summary, run_study, summary_of
from congruence.synthetic.study.looking import presence_on
from congruence.synthetic.study.page import measured
from congruence.synthetic.study.pairing import GIVEN, filters_on, judged, matchers_on
from congruence.synthetic.study.scoring import measures, p_on, scores_on, true_pairs
from congruence.synthetic.study.sharing import WITH, WITHOUT, verdicts_on
from congruence.synthetic.study.summary import as_csv
from congruence.synthetic.study.task import COLUMNS

DOCS = Path(__file__).resolve().parents[3] / "docs"
TINY = replace(
    Size.of("quick"), features=24, tokens=2000, curve_worlds=1, curve_features=40, power_pairs=(40,),
    power_worlds=1, null_worlds=1, verdict_worlds=2, shares=(0.5,), per_dimension=(4.0,),
)  # fmt: skip


@pytest.fixture(scope="module")
def world():
    return make_world(features=40, tokens=4000, seed=3)


def _pairs(a, b):
    a, b = np.asarray(a, np.int64), np.asarray(b, np.int64)
    ones = np.ones(len(a))
    return Matching("given", a, b, ones, ones, ones, ones, ones, ones > 0, "", 0.0)


def test_precision_and_recall_by_hand(world):
    right = world.truth.pairs()
    own = [np.flatnonzero(~world.truth.is_shared(m))[:3] for m in (0, 1)]
    a, b = np.concatenate([right[:5, 0], own[0]]), np.concatenate([right[:5, 1], own[1]])
    found = judged(world, _pairs(a, b))
    assert found == pytest.approx({"coverage": 8 / 40, "precision": 5 / 8, "recall": 5 / 20})
    nothing = judged(world, _pairs([], []).select(np.zeros(0, bool)))
    assert math.isnan(nothing["precision"])
    assert nothing["recall"] == nothing["coverage"] == 0


def test_every_matcher_filter_and_measure_is_looked_at(world):
    assert {row["subject"] for row in matchers_on(world)} == set(MATCHERS) - set(GIVEN)
    assert {row["subject"] for row in filters_on(world, 19)} == {"(no filter)", *FILTERS}
    looked_at = {measure.name for rotate in (True, False) for measure in measures(rotate=rotate)}
    assert looked_at == set(METRICS)


def test_true_pairs_pair_every_feature_once(world):
    a, b = true_pairs(world)
    assert sorted(a) == sorted(b) == list(range(40))
    assert world.truth.are_partners(a, b).sum() == 20


def test_scores_rise_with_the_share():
    def scores(share):
        found = scores_on(make_world(features=60, tokens=4000, shared=share, direction_noise=0.3))
        return {row["subject"]: row["value"] for row in found if row["setting"] == "true pairs"}

    nothing, everything = scores(0.0), scores(1.0)
    assert nothing["(pairs)"] == 0
    assert everything["(pairs)"] == 1
    for measure in ("rsa", "linear_cka", "translation_accuracy", "mutual_knn", "procrustes"):
        assert everything[measure] > nothing[measure] + 0.3


def test_p_is_not_small_where_nothing_is_shared():
    options = {"features": 40, "tokens": 3000, "shared": 0.0}
    rows = [row for seed in range(2) for row in p_on(make_world(**options, seed=seed), 19)]
    p = pd.DataFrame(rows).groupby("setting").value
    assert set(p.groups) == {"pairing", "firing_rate", "document_shift"}
    assert (p.mean() > 0.2).all()
    shared = pd.DataFrame(p_on(make_world(features=40, tokens=3000, shared=1.0), 19))
    shared = shared[shared.setting != "document_shift"]  # of thirty shifts one is none
    strong = shared[shared.subject.isin(["rsa", "linear_cka", "translation_accuracy"])]
    assert (strong.value <= 0.05 + 1e-9).all()


def _row(**values):
    return dict.fromkeys(COLUMNS, "") | {"shared": 0.5, "seed": 0, "value": 0.0} | values


def test_means_power_and_shares_of_p_by_hand():
    power = [
        _row(chapter="50 or 60 % of 9", subject="m", setting="s", quantity="score", shared=share, value=value)
        for share, values in ((0.5, (0.4, 0.6)), (0.6, (0.7, 0.9)))
        for value in values
    ]
    p = [_row(chapter="nothing shared", subject="m", quantity="p", value=v) for v in (0.05, 0.5, 0.75, 1.0)]
    summary = summary_of(pd.DataFrame(power + p)).set_index(["quantity", "shared"])
    sd = math.sqrt(0.02)
    assert summary.loc[("score", 0.5), "mean"] == 0.5
    assert summary.loc[("score", 0.5), "sd"] == round(sd, 4)
    expected = 0.5 * (1 + math.erf((0.3 - 1.6448536 * sd) / sd / math.sqrt(2)))
    assert summary.loc[("power", 0.6), "mean"] == pytest.approx(expected, abs=2e-4)
    assert summary.loc[("p ≤ .05", 0.5), "mean"] == 0.25


@pytest.mark.slow
def test_a_stopped_study_goes_on_and_ends_the_same(tmp_path, monkeypatch):
    from congruence.synthetic.study import study as module

    tasks = [task for task in module.tasks_of(TINY) if task.chapter in ("filters", "best r")][:4]
    monkeypatch.setattr(module, "tasks_of", lambda size: tasks)

    class Stop(BaseException):
        pass

    class Stopping:
        def advance(self, task, done, total, unit):
            if done == 2 and task == "filters":
                raise Stop

    with pytest.raises(Stop):
        run_study(TINY, tmp_path / "x", progress=Stopping())
    assert not (tmp_path / "x" / "truth.csv").exists()
    resumed = run_study(TINY, tmp_path / "x")
    assert (resumed.computed, resumed.found) == (len(tasks) - 2, 2)
    again = run_study(TINY, tmp_path / "x")
    assert (again.computed, again.found) == (0, len(tasks))
    whole = run_study(TINY, tmp_path / "y")
    assert whole.computed == len(tasks) == 4
    for name in ("truth.csv", "truth.md", "truth.parquet"):
        assert (tmp_path / "x" / name).read_bytes() == (tmp_path / "y" / name).read_bytes()
    with pytest.raises(StorageError, match=r"write|make|folder"):
        run_study(TINY, tmp_path / "x" / "truth.csv")


@pytest.mark.slow
def test_the_command(tmp_path, capsys, monkeypatch):
    from congruence.cli.main import main
    from congruence.synthetic.study import study as module

    monkeypatch.setattr(module.Size, "of", classmethod(lambda cls, name, **_: TINY))
    out = tmp_path / "truth"
    main(["truth", "--quick", "--out", str(out), "--no-progress"])
    assert "worlds measured" in capsys.readouterr().out
    page = (out / "truth.md").read_text()
    for figure in re.findall(r"\]\((figures/[^)]+)\)", page):
        assert (out / figure).stat().st_size > 1000
    assert len(re.findall(r"^## ", page, re.M)) == 11
    about = json.loads((out / "truth.json").read_text())
    assert about["kind"] == "congruence/truth"
    assert about["command"].startswith("congruence truth --quick --seed 0")
    table = pd.read_parquet(out / "truth.parquet")
    assert list(table.columns) == list(COLUMNS)
    pd.testing.assert_frame_equal(
        summary_of(table), read_summary(out / "truth.csv"), check_dtype=False, atol=1e-9
    )


@pytest.mark.parametrize("arguments", [["--draws", "5"], ["--seed", "-1"], ["--out", "/dev/null"]])
def test_bad_arguments_are_one_line(arguments, capsys):
    from congruence.cli.main import main

    with pytest.raises(SystemExit) as stop:
        main(["truth", "--quick", *arguments])
    assert stop.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_study_has_a_name_and_enough_draws():
    with pytest.raises(InputError, match="'quick' or 'full'"):
        Size.of("huge")
    with pytest.raises(InputError, match="at least 19"):
        Size.of("quick", draws=5)
    assert Size.of("full", seed=4, draws=49).pair_draws == 49


def test_the_docs_show_what_the_command_measured():
    """docs/truth.md holds, word for word, what the page of docs/truth.csv says."""
    page = (DOCS / "truth.md").read_text()
    command = re.search(r"<!-- measured by: (.*) -->", page)[1]
    figures = dict(re.findall(r"\]\(figures/truth-(\w+)(\.png)\)", page))
    figures = {name: f"figures/truth-{name}.png" for name in figures}
    assert len(figures) == 8
    summary = read_summary(DOCS / "truth.csv")
    assert measured(summary, command=command, figures=figures) in page
    assert as_csv(summary) == (DOCS / "truth.csv").read_text()


def test_a_summary_that_is_none_is_refused(tmp_path):
    with pytest.raises(StorageError, match="run congruence truth"):
        read_summary(tmp_path / "truth.csv")
    (tmp_path / "truth.csv").write_text("a,b\n1,2\n")
    with pytest.raises(StorageError, match="no column"):
        read_summary(tmp_path / "truth.csv")


def test_verdicts_keep_their_false_discovery_rate_and_tell_planted_pairs_apart():
    """A short form of docs/truth.md's 200 pairs."""
    said = {}
    for name, share in {"copy": 1.0, "replaced": 0.7, "independent": 0.0}.items():
        rows = verdicts_on(make_world(features=120, tokens=12_000, shared=share, seed=5))
        found = {(row["subject"], row["setting"], row["quantity"]): row["value"] for row in rows}
        said[name] = [found[claim, WITH, "said of"] for claim in (SHARED, NOT_SHARED)]
        assert max(found[claim, WITH, "false among them"] for claim in (SHARED, NOT_SHARED)) <= 0.05
        assert found[NOT_SHARED, WITHOUT, "said of"] == 0
    assert said["copy"] == [pytest.approx(1, abs=0.03), 0]
    assert said["replaced"] == [pytest.approx(0.7, abs=0.03), pytest.approx(0.27, abs=0.05)]
    assert said["independent"] == [pytest.approx(0, abs=0.02), pytest.approx(1, abs=0.05)]


def test_presence_tells_the_model_from_its_dictionary():
    rows = presence_on(make_world(features=64, width=96, tokens=8000, seed=2))
    found = {(row["subject"], row["quantity"]): row["value"] for row in rows}
    held, dropped, own = looking.KINDS
    assert found[held, "said to be present"] == found[dropped, "said to be present"] == 1
    assert found[own, "said to be absent"] > 0.8
    assert found[dropped, "of it in the SAE's error"] > 0.8 > 0.2 > found[held, "of it in the SAE's error"]


def function_of(**options):
    """(question, setting, quantity) -> what the study says of a small world."""
    rows = doing.function_on(
        make_world(features=40, width=80, tokens=4000, document_tokens=40, seed=6, **options)
    )
    return {(row["subject"], row["setting"], row["quantity"]): row["value"] for row in rows}


COMPARED = (doing.LOGITS, doing.ABLATION)
"""Questions that compare what either model does; substitution asks b alone."""


def test_pairs_that_do_the_same_are_told_from_those_that_only_fire_alike():
    found = function_of(shared=1.0, other_effects=0.5)
    assert found[doing.FIRING, "", "said of"] > 0.95
    assert abs(found[doing.FIRING, doing.ALIKE, "AUC"] - 0.5) < 0.2
    for question in COMPARED:
        assert found[question, doing.ALIKE, "AUC"] > 0.95
        assert found[question, "> 0.5", "precision"] > 0.95
        assert found[question, "> 0.5", "recall"] > 0.9
        assert found[question, doing.ALIKE, "score"] < 0.2
    # a's feature has the direction of b's, mapped, and b does with it what it does with its own
    assert abs(found[doing.SUBSTITUTION, doing.ALIKE, "AUC"] - 0.5) < 0.2
    assert found[doing.SUBSTITUTION, doing.NEGATIVES, "AUC"] > 0.95


@pytest.mark.slow
def test_function_tells_the_planted_pairs_of_models_apart():
    """Rotated copies, one feature swapped, 30 % replaced, an independent model, and features that fire alike."""
    exact = function_of(shared=1.0, missed=0.0, jitter=0.0)
    for question in (*COMPARED, doing.SUBSTITUTION):
        assert exact[question, doing.SAME, "score"] == pytest.approx(1, abs=0.02)
        assert exact[question, "", "recall"] == 1
        assert exact[question, doing.NEGATIVES, "AUC"] > 0.99
    for name, planted in doing.KINDS.items():
        found, share = function_of(**planted), doing.planted_share(name)
        assert found[doing.LOGITS, "", "said of"] == pytest.approx(share, abs=0.12), name
        assert found[doing.ABLATION, "", "said of"] >= share - 0.03, (
            name
        )  # chance is more for what fires alike
        for question in COMPARED if share else ():
            assert found[question, "> 0.5", "precision"] > 0.95, name
            assert found[question, "> 0.5", "recall"] > 0.9, name
        for question in COMPARED if not share else ():
            kind = doing.ALIKE if planted["shared"] else doing.STRANGERS
            assert abs(found[question, kind, "score"]) < 0.1
            assert (question, "> 0.5", "precision") not in found
