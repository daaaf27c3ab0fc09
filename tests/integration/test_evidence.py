"""What shows the features of a run is kept beside it, and says what the activations say."""

import shutil

import numpy as np
import pandas as pd
import pytest
from stored_run import run, tiny

from congruence.activations import ActivationStore
from congruence.errors import ConfigError
from congruence.recipes import demo
from congruence.run.decoder_space import check_method, laid_out, nearest, principal_plane
from congruence.run.export import export
from congruence.view import Answers, CellKey, Query

CELL = CellKey("none", "", 1, 2)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    config = demo(draws=10).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    config["corpus"] |= {"documents": 12}
    return run(tiny(config, concepts=None), tmp_path_factory.mktemp("evidence") / "run")


def acts_of(finished, source):
    told = finished.info["evidence"]["layers"][source]["activations"]
    return ActivationStore.open(finished.path / "activations" / told).to_csr().toarray()


@pytest.mark.slow
def test_contexts_are_what_the_features_fire_on(finished):
    answers = Answers(finished)
    (row, *_) = answers.matches(CELL, Query(limit=1))["rows"]
    found = answers.pair(CELL, row["feature_a"], row["feature_b"])
    a, b = (
        acts_of(finished, "a/real/1")[:, row["feature_a"]],
        acts_of(finished, "b/real/2")[:, row["feature_b"]],
    )
    assert found["counts"]["both"] == row["cofirings"] == int(((a != 0) & (b != 0)).sum())
    assert found["counts"]["only_a"] == int(((a != 0) & (b == 0)).sum())
    assert found["contexts"]["top_a"][0]["position"] == int(np.argmax(a))
    for group in found["contexts"].values():
        for context in group:
            start = context["position"] - context["peak"]
            rows = slice(start, start + len(context["tokens"]))
            np.testing.assert_allclose(context["a"], a[rows], atol=6e-4)
            np.testing.assert_allclose(context["b"], b[rows], atol=6e-4)
    top = found["contexts"]["top_a"][0]
    assert top["tokens"][top["peak"]] == row["top_tokens_a"][0]
    assert all(context["b"][context["peak"]] == 0 for context in found["contexts"]["only_a"])
    assert sum(found["a"]["histogram"]["counts"]) == row["firings_a"]
    assert len(found["a"]["neighbours"]) == 10


@pytest.mark.slow
def test_a_pair_has_its_text_in_python(finished):
    row = finished.features(1, 2, kept=True).iloc[0]
    pair = finished.pair(1, int(row.feature_a), 2, int(row.feature_b))
    a, b = (
        acts_of(finished, "a/real/1")[:, pair["feature_a"]],
        acts_of(finished, "b/real/2")[:, pair["feature_b"]],
    )
    top = pair["contexts"]["top_a"][0]
    assert max(top["a"]) == top["a"][top["peak"]] == pytest.approx(float(a.max()), abs=6e-4)
    assert pair["counts"]["only_b"] == int(((a == 0) & (b != 0)).sum())
    assert pair["shared"]["a"] == pytest.approx(a[b != 0].sum() / a.sum(), rel=1e-4)
    for context in pair["contexts"]["only_b"]:
        assert context["a"][context["peak"]] == 0 < context["b"][context["peak"]]
    assert f"«{top['tokens'][top['peak']]}»" in repr(pair)
    assert f"rank {pair['rank']}, kept" in repr(pair)
    pair["contexts"]["top_b"][0]["tokens"][0] = "<script>\u202e"
    page = pair._repr_html_()
    assert "linear-gradient" in page
    assert "&lt;script&gt;\\u202e" in page
    assert "\u202e" not in page + repr(pair)


@pytest.mark.slow
def test_an_export_has_the_coordinates_of_the_map(finished, tmp_path):
    found = export(finished, "embedding-atlas", tmp_path, layers=[(1, 2)])
    assert not any("no x, y" in note for note in found.notes)
    atlas = pd.read_parquet(found.paths[0])
    assert atlas.id.tolist() == list(range(len(atlas)))
    side = Answers(finished).map(CELL)["b"]
    at = dict(zip(side["features"], zip(side["x"], side["y"], strict=True), strict=True))
    of_b = atlas[atlas.side == "b"]
    np.testing.assert_allclose(of_b[["x", "y"]], [at[feature] for feature in of_b.feature], atol=6e-4)
    near = [one for one in of_b.neighbors if len(one["ids"])]
    assert near
    for one in near:
        assert set(atlas.side[one["ids"]]) == {"b"}
        assert list(one["distances"]) == sorted(one["distances"])


@pytest.mark.slow
def test_null_scores_lie_beside_the_score(finished):
    (score,) = Answers(finished).cell(CELL)["scores"]
    assert sum(score["histogram"]["counts"]) == 10
    assert score["null_mean"] == pytest.approx(float(finished.results.null_mean.iloc[0]), rel=1e-5)


@pytest.mark.slow
def test_features_without_a_counterpart(finished):
    answers = Answers(finished)
    found = answers.unmatched(CELL, "b", shown=10_000)
    kept = set(finished.matches[finished.matches.kept].feature_b)
    alive = set(np.flatnonzero(acts_of(finished, "b/real/2").any(axis=0)))
    assert {row["feature"] for row in found["rows"]} == alive - kept
    assert found["total"] == len(found["rows"])
    drawn = answers.map(CELL)
    assert set(drawn["b"]["features"]) == alive
    assert len(drawn["pairs"]["a"]) == len(finished.matches)


@pytest.mark.slow
def test_without_its_activations_a_run_says_so(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished.path, copy, symlinks=True, ignore=shutil.ignore_patterns("activations"))
    answers = Answers(copy)
    assert answers.overview()["holds"]["contexts"] is False
    (row, *_) = answers.matches(CELL, Query(limit=1))["rows"]
    found = answers.pair(CELL, row["feature_a"], row["feature_b"])
    assert found["contexts"] is None
    assert "isn't here" in found["contexts_words"]


@pytest.mark.slow
def test_nothing_is_written_by_looking(finished):
    def stamps():
        return {path: path.stat().st_mtime_ns for path in finished.path.rglob("*")}

    before, answers = stamps(), Answers(finished.path)
    (row, *_) = answers.matches(CELL, Query(limit=1))["rows"]
    answers.pair(CELL, row["feature_a"], row["feature_b"])
    answers.unmatched(CELL, "a")
    assert stamps() == before


def test_nearest_rows_are_those_of_all_products():
    rows = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32)
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found, cosines = nearest(units, 4)
    every = np.round(units @ units.T, 4)
    np.fill_diagonal(every, -2)
    np.testing.assert_allclose(cosines, -np.sort(-every, axis=1)[:, :4], atol=1e-4)
    np.testing.assert_allclose(np.take_along_axis(every, found, axis=1), cosines, atol=1e-4)


def test_plane_keeps_the_largest_variances():
    rows = np.random.default_rng(1).normal(size=(200, 5)) * [5, 3, 1, 1, 1]
    plane = principal_plane(rows)
    singular = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(np.sqrt((plane**2).sum(axis=0)), singular[:2], rtol=1e-3)


@pytest.mark.slow
def test_umap_keeps_groups_together_and_says_so(tmp_path):
    """Rows of four directions with noise come in four groups; a run's map is made by it where it asks."""
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(4), 40)
    rows = np.eye(24)[groups] + 0.15 * rng.normal(size=(160, 24))
    units = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    plane = laid_out(units, "umap")
    np.testing.assert_array_equal(plane, laid_out(units, "umap"))
    middles = np.array([plane[groups == g].mean(axis=0) for g in range(4)])
    near = np.linalg.norm(plane[:, None] - middles, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(near, groups)
    config = tiny(demo(draws=10).model_dump(by_alias=True, mode="json", exclude_defaults=True), concepts=None)
    config["corpus"] |= {"documents": 12}
    done = run(config | {"decoder_map": "umap"}, tmp_path / "run")
    shown = Answers(done.path).map(CELL)
    assert shown["method"] == "umap"
    assert len(shown["a"]["x"]) > 15


def test_umap_that_is_missing_is_one_line(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"decoder_map: umap needs the package umap-learn: pip install '\.\[umap\]'"
    ):
        check_method("umap")


def test_neighbours_are_those_of_a_stable_sort_and_left_out_where_they_take_too_long(monkeypatch):
    from congruence.run import decoder_space, evidence

    rng = np.random.default_rng(0)
    units = rng.normal(size=(90, 4)).astype(np.float32)
    units[50:60] = units[:10]
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    cosines = np.round(units.astype(float) @ units.T, 4)
    np.fill_diagonal(cosines, -np.inf)
    wanted = np.argsort(-cosines, axis=1, kind="stable")[:, :5]
    monkeypatch.setattr(decoder_space, "_BLOCK_BYTES", 4 * 90 * 7)
    found, values = nearest(units, 5)
    assert np.allclose(values, np.take_along_axis(cosines, found, axis=1), atol=1.01e-4)
    assert np.mean(found == wanted) > 0.99, "but for what another rounding ties"
    assert (found[50:60, 0] == np.arange(10)).all()
    assert evidence.worth_finding(32_768, 512, 30_000)
    assert evidence.worth_finding(65_536, 2304, 200_000)
    assert not evidence.worth_finding(65_536, 2304, 30_000)
