"""The section `concepts:` of a run: rows, keywords and pictures; adding it repeats nothing."""

import shutil
import subprocess
from typing import ClassVar

import numpy as np
import pytest
import yaml
from command_line import congruence, in_process

import congruence as package
from congruence.errors import InputError, StorageError
from congruence.report import draw
from congruence.report.drawn import RECORD

CONCEPTS = {
    "lists": ["Time", "People/Roles", "Countries"],
    "overlaps": [["Time", "People/Roles"]],
    "multi_token": [{"first": "Time", "second": "People/Roles", "max_phrases": 12}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, demo_assets):
    """A finished run without concepts, then the same with them."""
    from congruence.recipes import demo

    config = demo(draws=40).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    config["a"] |= {"layers": [2]}
    config["b"] |= {"layers": [2, 3]}
    config["corpus"] |= {"documents": 120}
    folder = tmp_path_factory.mktemp("run")
    package.compare(config, out=folder / "out", progress=False)
    (folder / "config.yaml").write_text(yaml.safe_dump({**config, "concepts": CONCEPTS}))
    arguments = ("--out", folder / "out", "--no-progress", "--no-pictures")
    done = congruence("run", folder / "config.yaml", *arguments)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def run(folder):
    return package.load_run(folder / "out")


def test_every_subspace_has_its_rows(run):
    rows = run.results[run.results.concept != "all"]
    kinds = dict(zip(rows.concept, rows.subspace, strict=True)) | {"Time+People/Roles": "overlap"}
    assert kinds == {
        "Time": "semantic",
        "People/Roles": "semantic",
        "Countries": "semantic",
        "Time+People/Roles": "overlap",
        "Time×People/Roles": "multi_token",
    }
    semantic = rows[rows.subspace == "semantic"]
    assert set(semantic.null) == {"pairing", "subset", "size_matched", "unrelated_keywords"}
    assert len(semantic) == 3 * 2 * 3 * 4  # concepts, layer pairs, measures, nulls
    assert set(rows.control) == {"none"}


def test_scores_rest_on_their_pairs_and_draws(run):
    scored = run.results[(run.results.concept == "Time") & run.results.value.notna()]
    assert len(scored)
    assert (scored.n >= 3).all()
    assert scored.draws.between(20, 40).all()
    assert scored.p.between(1 / 41, 1).all()
    assert (scored.q >= scored.p - 1e-12).all()


def test_too_few_features_is_said(run):
    rows = run.results[run.results.concept == "Countries"]
    assert rows.value.isna().all()
    assert rows.warnings.str.join("; ").str.contains("too few features").all()


def test_keywords_are_of_the_lists(run):
    table = run.concept_keywords
    assert {"Time", "People/Roles", "Time+People/Roles"} >= set(table.concept)
    assert len(table)
    assert (table.features_a + table.features_b > 0).all()
    assert (table.corpus_count > 0).all()


def test_adding_concepts_repeats_no_cell_and_no_capture(folder):
    log = (folder / "out" / "run.log").read_text()
    assert log.count("cell L2-L2 computed") == 1
    assert "cell L2-L2: finished before" in log
    assert log.count("shard 1/2: computing resid_post.2, resid_post.3") == 1


def test_pictures_and_summary_show_concepts(folder, capsys):
    done = in_process(capsys, "report", folder / "out")
    drawn = {path.name for path in (folder / "out" / "figures").glob("concepts_*.png")}
    assert {"concepts_pairs.png", "concepts_rsa.png"} <= drawn
    assert "Concept subspaces" in done.stdout
    assert "too few features" in done.stdout


def test_pictures_of_a_process_beside_are_the_same(folder, tmp_path, monkeypatch):
    def drawn():
        (copy / RECORD).unlink(missing_ok=True)
        draw(copy)
        return {
            path.name: path.read_bytes() for path in [*(copy / "figures").iterdir(), copy / "report.html"]
        }

    copy = tmp_path / "run"
    shutil.copytree(package.load_run(folder / "out").folder, copy)
    expected = drawn()
    shutil.rmtree(copy / "figures")  # the page names figures that aren't there yet
    (copy / "figures").mkdir()
    (copy / "figures" / "measure_gone.png").write_bytes(b"")
    monkeypatch.setattr("congruence.report.drawn.BESIDE", 0)
    monkeypatch.setattr("congruence.report.drawn.available_threads", lambda: 2)
    monkeypatch.setattr("congruence.report.drawn.write_figures", None)  # of this process
    assert drawn() == expected
    (copy / RECORD).unlink()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("congruence.report.drawn.write_report", interrupted)
        patch.setattr("subprocess.Popen", Recorded)
        draw(copy)
    assert [process.poll() is not None for process in Recorded.started] == [True]
    (copy / "results.parquet").write_bytes(b"")
    with pytest.raises(StorageError, match=r"results\.parquet"):
        draw(copy)


def interrupted(run, **options):
    raise KeyboardInterrupt


class Recorded(subprocess.Popen):
    started: ClassVar[list[subprocess.Popen]] = []

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.started.append(self)


def test_a_grid_is_of_one_null(run):
    pairing, subset = (run.grid("rsa", "p", concept="Time", null=null) for null in ("pairing", "subset"))
    assert pairing.shape == (1, 2)
    assert not np.array_equal(pairing.to_numpy(), subset.to_numpy())
    with pytest.raises(InputError, match="subset"):
        run.grid("rsa", "p", concept="Time", null="subste")


@pytest.mark.parametrize(
    ("concepts", "said"),
    [
        (["Tme"], "Time"),
        ({"lists": ["Time"], "overlaps": [["Time", "Nature"]]}, "concepts.lists"),
        ({"lists": ["Time"], "multi_token": [{"first": "Time", "second": "Emotion"}]}, "Emotion"),
        ({"lists": ["Time"], "measures": ["rsaa"]}, "rsa"),
        ({"lists": ["Time"], "nulls": ["pairs"]}, "pairing"),
        ({"lists": ["Time"], "top": 3}, "top_k"),
        ({"lists": [{"Own": []}]}, "Own"),
    ],
)
def test_bad_sections_are_one_line_before_anything_is_loaded(
    concepts, said, small_config, write_config, tmp_path, capsys
):
    small_config["concepts"] = concepts
    done = in_process(capsys, "run", write_config(small_config), "--out", tmp_path / "out")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert said in done.stderr
    assert not (tmp_path / "out").exists()
