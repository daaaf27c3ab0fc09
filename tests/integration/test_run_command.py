"""`congruence run` on the embedded models: results, record, pictures, and reading them back."""

import json

import numpy as np
import pandas as pd
import pytest
from command_line import congruence

import congruence as package


@pytest.fixture(scope="module")
def finished(tmp_path_factory, demo_assets):
    from congruence.recipes import demo

    config = demo(draws=50).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    config["a"] |= {"layers": [1, 2]}
    config["b"] |= {"layers": [2, 3]}
    config["corpus"] |= {"documents": 60}
    folder = tmp_path_factory.mktemp("run")
    (folder / "config.yaml").write_text(json.dumps(config))
    done = congruence("run", folder / "config.yaml", "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder / "out", done


def test_files_lie_where_the_readme_says(finished):
    out, _ = finished
    for name in ("run.json", "results.parquet", "cells.parquet", "matches.parquet", "report.html", "run.log"):
        assert (out / name).stat().st_size > 0
    assert list((out / "figures").glob("*.png"))
    assert list((out / "figures").glob("*.svg"))


def test_one_row_a_layer_pair_and_measure(finished):
    run = package.load_run(finished[0])
    real = run.results[run.results.control == "none"]
    assert len(real) == 2 * 2 * real.measure.nunique()
    assert not real.duplicated(["layer_a", "layer_b", "measure"]).any()
    assert (real.draws == 50).all()
    assert real.p.between(1 / 51, 1).all()
    assert (real.q >= real.p - 1e-12).all()
    assert (real.p_max_t >= real.p - 1e-12).all()


def test_a_row_says_what_made_it(finished):
    run = package.load_run(finished[0])
    assert run.info["seed"] == 0
    assert run.info["versions"]["congruence"] == package.__version__
    assert set(run.info["keys"]["activations"]) >= {"a/real/1", "a/real/2", "b/real/2", "b/real/3"}
    assert run.config["null"]["draws"] == 50
    assert run.results.null.unique().tolist() == ["pairing"]


def test_every_sae_is_on_record(finished):
    sides = package.load_run(finished[0]).info["sides"]
    assert set(sides["a"]["saes"]) == {"1", "2"}
    assert set(sides["b"]["saes"]) == {"2", "3"}
    sae = sides["a"]["saes"]["2"]
    assert sae["source"].endswith("assets/demo/saes/small")
    assert sae["sae_id"] == sae["hook_name"] == "blocks.2.hook_resid_post"
    assert sae["files"] == ["cfg.json", "sae_weights.safetensors"]
    assert (sae["format"], sae["architecture"], sae["d_in"], sae["d_sae"]) == ("saelens", "topk", 96, 768)
    assert 15 < sae["l0"] <= 16
    assert 0 < sae["fvu"] < 0.3
    assert len(sae["key"]) == 16
    assert len({sae["key"] for side in sides.values() for sae in side["saes"].values()}) == 4
    report = (finished[0] / "report.html").read_text()
    assert (
        "layer 2: blocks.2.hook_resid_post (saelens, blocks.2.hook_resid_post, topk, 768 features" in report
    )
    assert "SAEs of demo-small: …/saes/small; topk, 768 features, L0 16, FVU" in finished[1].stdout.replace(
        "\n", " "
    )


def test_kept_matches_are_one_to_one_and_counted(finished):
    run = package.load_run(finished[0])
    matches = run.matches
    for _, cell in run.cells.iterrows():
        rows = matches[
            (matches.control == cell.control) & (matches.control_side == cell.control_side)
            & (matches.layer_a == cell.layer_a) & (matches.layer_b == cell.layer_b)
        ]  # fmt: skip
        kept = rows[rows.kept]
        assert len(rows) == cell.pairs_before
        assert len(kept) == cell.pairs_after
        assert not kept.feature_a.duplicated().any()
        assert not kept.feature_b.duplicated().any()
        assert (kept.r > 0.1).all()
        assert (kept.cofirings >= 5).all()
        assert sum(step["pairs"] for step in cell.removed) == cell.pairs_before - cell.pairs_after
        assert np.isclose(kept.r.mean(), cell.mean_r_after)


def test_top_tokens_are_kept_pairs_common_ground(finished):
    kept = package.load_run(finished[0]).matches.query("kept")
    assert all(set(a) & set(b) for a, b in zip(kept.top_tokens_a, kept.top_tokens_b, strict=True))


def test_the_ceiling_is_above_the_comparison_and_that_above_chance(finished):
    results = package.load_run(finished[0]).results.query("measure == 'translation_accuracy'")
    ceiling = results.query("control == 'other_seed'").value.min()
    best = results.query("control == 'none'").value.max()
    assert ceiling > best > 5 * results.null_mean.max()


def test_grid_is_a_table_of_layers(finished):
    grid = package.load_run(finished[0]).grid("rsa")
    assert grid.index.tolist() == [1, 2]
    assert grid.columns.tolist() == [2, 3]
    assert grid.notna().all(axis=None)


def test_summary_names_the_report(finished):
    assert "report.html" in finished[1].stdout


def test_a_second_run_reads_everything(finished, small_config):
    out, _ = finished
    before = package.load_run(out).results
    log = (out / "run.log").read_text()
    again = package.compare(small_config, out=out, progress=False)
    pd.testing.assert_frame_equal(before, again.results)
    added = (out / "run.log").read_text()[len(log) :]
    assert "computed" not in added
    assert "computing" not in added
    assert added.count("finished before") == len(again.cells)
