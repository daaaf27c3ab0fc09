"""Verdicts on features in a run: the table, its shares, what shows it, what a changed key computes, presence."""

import numpy as np
import pandas as pd
import pytest
from stored_run import run, tiny

from congruence.errors import ConfigError, InputError
from congruence.recipes import demo
from congruence.run import load_run
from congruence.run.export import export
from congruence.run.schema import FEATURES
from congruence.stats import correlate


@pytest.fixture(scope="module")
def config() -> dict:
    base = demo(draws=10).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    small = tiny(base, corpus=base["corpus"] | {"documents": 30})
    return small | {"b": small["b"] | {"layers": [2, 3]}}


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    return run(config, tmp_path_factory.mktemp("verdicts") / "run", pictures=True)


def test_every_living_feature_has_a_row(finished):
    table = finished.features()
    assert list(table.columns) == [column.name for column in FEATURES]
    alive = {("a", 1): finished.cells.alive_a.iloc[0]}
    alive |= {("b", row.layer_b): row.alive_b for row in finished.cells.itertuples()}
    assert table.groupby(["side", "layer"]).size().to_dict() == alive
    assert (table.firings > 0).all()
    assert table.q.dropna().between(0, 1).all()
    assert set(table.verdict) <= {"shared", "not shared", "can't be told"}
    assert ((table.reason == "") == (table.verdict != "can't be told")).all()
    of_a, of_b = table[table.side == "a"], table[table.side == "b"]
    assert (of_a.ceiling_of == "").all()  # one layer and one seed: nothing to hold it against
    assert of_a.ceiling.isna().all()
    assert not (of_a.verdict == "not shared").any()
    assert (of_b.ceiling_of == "layers").all()
    assert "Time" in {name for names in table.concepts for name in names}


def test_the_partner_is_the_best_of_all_layers(finished):
    from congruence.activations import ActivationStore

    def acts(name):
        told = finished.info["evidence"]["layers"][name]["activations"]
        return ActivationStore.open(finished.path / "activations" / told).to_csr()

    table = finished.features()
    mine = table[table.side == "a"]
    found = {layer: correlate(acts("a/real/1"), acts(f"b/real/{layer}")) for layer in (2, 3)}
    r = np.stack([found[layer].values[mine.feature, 0] for layer in (2, 3)])
    np.testing.assert_allclose(mine.r, r.max(axis=0))
    assert mine.partner_layer.tolist() == (2 + r.argmax(axis=0)).tolist()
    for row in mine.head(40).itertuples():
        assert row.partner == found[row.partner_layer].indices[row.feature, 0]
        back = found[row.partner_layer].b_to_a.indices[row.partner, 0]
        assert row.mutual == (back == row.feature)


def test_shares_add_up_and_are_said_everywhere(finished):
    shares, table = finished.shared(), finished.features()
    for (side, layer), rows in shares.groupby(["side", "layer"]):
        mine = table[(table.side == side) & ((table.layer == layer) | (layer == -1))]
        assert rows["count"].sum() == len(mine) == rows.features.iloc[0]
        assert rows.set_index("verdict")["count"]["shared"] == (mine.verdict == "shared").sum()
        assert ((rows.low <= rows.share + 1e-12) & (rows.share <= rows.high + 1e-12)).all()
    assert (finished.shared(concept="Time").features < shares.features.max()).all()
    with pytest.raises(InputError, match="Time"):
        finished.shared(concept="Tim")
    share = shares[(shares.side == "a") & (shares.layer == -1) & (shares.verdict == "shared")].share.iloc[0]
    words = f"{100 * share:.0f} % ("
    told = " ".join(str(finished.summary()).split())
    assert f"{words}" in told
    assert "features have a counterpart in demo-large" in told
    page = (finished.folder / "report.html").read_text()
    assert 'id="shared"' in page
    assert words in page


def test_pairs_are_still_asked_for_by_their_layers(finished):
    assert len(finished.features(1, 2)) == len(finished.matches_of(1, 2))
    with pytest.raises(InputError, match="names one layer"):
        finished.features(1)


def test_the_table_is_exported(finished, tmp_path):
    export(finished, "parquet", tmp_path / "out")
    table = pd.read_parquet(tmp_path / "out" / "features.parquet")
    assert table.verdict.tolist() == finished.features().verdict.tolist()


def test_a_changed_key_computes_no_capture_and_no_cell(finished, config):
    log = finished.path / "run.log"
    before = len(log.read_text())
    key = finished.configuration
    other = run(config | {"verdicts": {"share": 0.9, "fdr": 0.01}}, finished.path)
    said = log.read_text()[before:]
    assert "computing" not in said
    assert "computed in" not in said
    assert other.configuration != key
    first = load_run(finished.path, configuration=key)
    assert other.features().r.tolist() == first.features().r.tolist()
    assert (other.features().verdict == "shared").sum() < (first.features().verdict == "shared").sum()


def test_it_can_be_left_out_and_says_so(finished, config):
    off = run(config | {"verdicts": False}, finished.path)
    assert not off.holds("features")
    assert "counterpart" not in str(off.summary())
    with pytest.raises(InputError, match="verdicts is false"):
        off.features()
    with pytest.raises(InputError, match="no verdicts"):
        off.shared()


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"draws": 0}, "verdicts.draws = 0: use a whole number from 1"),
        ({"share": 1.5}, "verdicts.share = 1.5"),
        ({"fdr": 0}, "verdicts.fdr = 0"),
        ({"presense": True}, "presence"),
        ("yes please", "verdicts"),
    ],
)
def test_bad_values_are_one_line(config, section, words, tmp_path):
    with pytest.raises(ConfigError) as error:
        run(config | {"verdicts": section}, tmp_path / "run")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_one_document_leaves_it_out_and_says_why(config, tmp_path):
    alone = config | {"corpus": config["corpus"] | {"documents": 1}, "concepts": None}
    alone["b"] = alone["b"] | {"layers": [2]}
    found = run(alone, tmp_path / "run")
    with pytest.raises(InputError, match="one document"):
        found.shared()


@pytest.mark.slow
def test_presence_of_features_in_the_other_models_states(finished, config):
    found = run(config | {"verdicts": {"presence": True}}, finished.path)
    table = found.features()
    looked = table[table.presence != ""]
    assert looked.groupby(["side", "layer"]).size().between(100, 250).all()
    assert looked.readout_layer[looked.side == "a"].isin([2, 3]).all()
    assert (looked.readout_layer[looked.side == "b"] == 1).all()
    assert set(looked.presence) <= {"present", "absent", "can't be told"}
    known = looked.dropna(subset=["readout", "readout_ceiling"])
    assert (known.readout > known.readout_null).mean() > 0.5
    # what the features do to the states comes again, and the SAEs hold nearly all of it
    assert known.scaling.median() > 0.5
    assert abs(known.scaling_error.median()) < 0.2
    before = len((found.path / "run.log").read_text())
    again = run(config | {"verdicts": {"presence": True}}, finished.path)
    pd.testing.assert_frame_equal(again.features(), table)
    assert "computing" not in (found.path / "run.log").read_text()[before:]
