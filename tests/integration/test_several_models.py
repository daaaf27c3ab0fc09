"""Three models in one run: pairs by the same code, captures shared, tables, report, resume and refusals."""

import html
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from stored_run import same_results, tiny

import congruence
from congruence.cli.main import main
from congruence.config.parsing import parse_config
from congruence.errors import ConfigError, InputError, StorageError
from congruence.recipes import demo
from congruence.report import draw
from congruence.run import ModelsRun, Run, compare, load_run
from congruence.run.models_schema import CONSENSUS, CYCLES, MATRIX, UNIVERSALITY
from congruence.run.several.matrix import matched
from congruence.storage import generations
from congruence.storage.lock import folder_lock


def sections(config: dict, **models: dict) -> dict:
    """A configuration of models in place of a and b."""
    rest = {name: value for name, value in config.items() if name not in ("a", "b")}
    return rest | {"models": models}


@pytest.fixture(scope="module")
def config() -> dict:
    base = tiny(demo(draws=10).model_dump(by_alias=True, mode="json", exclude_defaults=True), concepts=None)
    small, large = ({k: v for k, v in base[side].items() if k != "name"} for side in "ab")
    return sections(base, tiny=small, big=large, later=small | {"layers": [2]})


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory) -> ModelsRun:
    run = compare(config, out=tmp_path_factory.mktemp("models") / "run", progress=False)
    draw(run.pair_run("big", "later"))
    draw(run)
    return run


def test_every_pair_is_a_run_of_its_own(finished):
    assert isinstance(finished, ModelsRun)
    assert finished.models == ["tiny", "big", "later"]
    assert finished.pairs == [("tiny", "big"), ("tiny", "later"), ("big", "later")]
    run = finished.pair_run("later", "big")
    assert isinstance(run, Run)
    assert (run.side_name("a"), run.side_name("b")) == ("big", "later")
    assert load_run(finished.path / "pairs" / "big~later").configuration == run.configuration
    best = run.features(2, 2).iloc[0]
    contexts = run.pair(2, best.feature_a, 2, best.feature_b)
    assert contexts["contexts"]  # activations are found where all pairs share them
    with pytest.raises(InputError, match="did you mean 'later'"):
        finished.pair_run("tiny", "latr")
    with pytest.raises(InputError, match="one model twice"):
        finished.pair_run("tiny", "tiny")


def test_what_a_model_gives_is_captured_once(finished):
    stores = [path.name for path in (finished.path / "activations").iterdir() if path.name != "known"]
    assert len(stores) == 3  # three sources, though each is in two pairs
    for folder in (finished.path / "pairs").iterdir():
        assert (folder / "activations").read_text().strip() == "../../activations"


@pytest.mark.slow
def test_a_pair_is_what_the_two_give_alone(finished, config, tmp_path):
    """By the configuration that the pair's run states, and by a and b."""
    run = finished.pair_run("tiny", "big")
    told = run.config
    alone = compare(told, out=tmp_path / "alone", progress=False)
    same_results(run, alone)
    two = {name: config["models"][name] for name in ("tiny", "big")}
    parsed = parse_config({**config, "models": two})
    assert (parsed.a.label, parsed.b.label) == ("tiny", "big")
    rest = {name: value for name, value in config.items() if name != "models"}
    sides = {"a": two["tiny"] | {"name": "tiny"}, "b": two["big"] | {"name": "big"}}
    assert parsed == parse_config({**rest, **sides})


def test_tables_have_every_column(finished):
    tables = (finished._table("matrix"), finished.cycles(), finished.consensus(), finished.universality())
    for table, columns in zip(tables, (MATRIX, CYCLES, CONSENSUS, UNIVERSALITY), strict=True):
        assert list(table.columns) == [column.name for column in columns]
        assert len(table)


def test_the_matrix_is_that_of_the_pairs(finished):
    matrix = finished.matrix("rsa")
    assert matrix.loc["big", "tiny"] == matrix.loc["tiny", "big"]
    assert np.isnan(np.diag(matrix)).all()
    for x, y in finished.pairs:
        best = finished.pair_run(x, y).best("rsa")
        assert matrix.loc[x, y] == best["value"]
        assert finished.matrix("rsa", "p").loc[x, y] == best["p"]
    assert finished.matrix().equals(finished.matrix(finished.info["lead"]))
    shared = finished.matrix("shared")
    told = finished.pair_run("tiny", "big").shared()
    of_big = told[(told.side == "b") & (told.layer == -1) & (told.verdict == "shared")].share.iloc[0]
    assert shared.loc["big", "tiny"] == of_big
    assert set(finished.clusters("rsa").order) == set(finished.models)
    assert finished.clusters("rsa", of="mean").order
    for wrong in ({"measure": "rsb"}, {"of": "worst"}, {"value": "pp"}):
        with pytest.raises(InputError, match="unknown"):
            finished.matrix(**{"measure": "rsa", **wrong})


def test_layers_of_equal_relative_depth():
    assert matched([0, 2, 4], [1, 2, 3, 4, 5]) == [(0, 1), (2, 3), (4, 5)]
    assert matched([1, 2, 3, 4, 5], [0, 2, 4]) == [(1, 0), (3, 2), (5, 4)]
    assert matched([3], [0, 1, 2]) == [(3, 1)]


def test_cycles_are_followed_as_by_hand(finished):
    """tiny 1 -> big 2 -> later 2 -> tiny 1, along pairs that were kept, mutual and above chance."""

    def links(x, y):
        run = finished.pair_run(x, y)
        null = {(row.side, row.feature): row.null_r for row in run.features().itertuples()}
        rows = run.matches.query("kept and mutual and control == 'none'")
        return {
            row.feature_a: row.feature_b
            for row in rows.itertuples()
            if row.r > max(null["a", row.feature_a], null["b", row.feature_b])
        }

    ab, bc = links("tiny", "big"), links("big", "later")
    ca = {c: a for a, c in links("tiny", "later").items()}
    ends = {a: ca.get(bc.get(b)) for a, b in ab.items()}
    followed = {a: end for a, end in ends.items() if end is not None}
    row = finished.cycles().query("model_1 == 'tiny' and layer_1 == 1").iloc[0]
    assert (row.followed, row.home) == (len(followed), sum(a == end for a, end in followed.items()))
    assert row.followed > 20
    assert row.share > 10 * row.chance
    assert row.p < 1e-6
    assert len(finished.cycles()) == 6  # three starts, over all layers and at the one layer triple


def test_consensus_and_universality_agree(finished):
    table, consensus = finished.universality(), finished.consensus()
    members = {
        (member["model"], member["layer"], member["feature"]): row.consensus
        for row in consensus.itertuples() for member in row.members
    }  # fmt: skip
    assert len(members) == consensus["size"].sum()
    listed = {(r.model, r.layer, r.feature): r.consensus for r in table.itertuples() if r.consensus >= 0}
    assert listed == members
    assert (consensus["size"].diff().dropna() <= 0).all()
    assert (finished.consensus(3)["size"] == 3).all()
    assert (table.shared + table.lacking + table.untold == table.others).all()
    assert (table.shared_with.map(len) == table.shared).all()
    mine = finished.universality("big")
    for _, row in mine.head(5).iterrows():
        for partner in row.partners:
            run = finished.pair_run("big", partner["model"])
            told = run.features()
            mine = told.side == ("a" if run.side_name("a") == "big" else "b")
            told = told[mine & (told.feature == row.feature)].iloc[0]
            assert (told.partner, told.verdict) == (partner["feature"], partner["verdict"])
    assert sum(finished.info["universality"]["big"]) == pytest.approx(1)


def test_the_page_stands_alone_and_links_the_pairs(finished):
    page = html.unescape((finished.folder / "report.html").read_text())
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert set(re.findall(r'src="(.{5})', page)) == {"data:"}
    for link in re.findall(r'href="(pairs/[^"]+)"', page):
        assert (finished.path / link).exists()
    assert len(re.findall(r'href="pairs/', page)) == 1  # of the pair that has a report
    assert (finished.path / "figures" / "models_rsa.png").exists()
    assert (finished.path / "figures" / "models_rsa.svg").exists()
    said = str(finished.summary())
    assert said.splitlines()[0].strip() == "tiny × big × later"
    assert "Most alike by" in said.splitlines()[1]
    assert "come home" in said
    assert "Consensus features" in said
    assert repr(finished).startswith("ModelsRun(tiny, big, later: 3 pairs")
    assert not [name for name in dir(finished) if name.startswith("_")]
    assert "<table" in finished._repr_html_()


@pytest.mark.slow
def test_started_again_nothing_is_computed(finished, config):
    log = finished.path / "run.log"
    before = len(log.read_text())
    again = compare(config, out=finished.path, progress=False)
    said = log.read_text()[before:]
    assert "computing" not in said
    assert "computed in" not in said
    assert again.configuration == finished.configuration
    pd.testing.assert_frame_equal(again.cycles(), finished.cycles())


def test_commands_take_it_or_say_in_a_line_what_they_take(finished, config, write_config, capsys):
    def ended(*arguments: object) -> int:
        try:
            main([str(one) for one in arguments])
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    path = write_config(config)
    assert ended("validate", path) == 0
    assert "3 pairs of 3 models, 3 layer pairs" in capsys.readouterr().out
    assert ended("status", finished.path) == 0
    assert "pairs of models" in capsys.readouterr().out
    assert ended("report", finished.path) == 0
    assert "Most alike" in capsys.readouterr().out
    refused = [("explore", finished.path), ("export", finished.path, "--to", "parquet", "--out", path.parent / "x"),
               ("tables", finished.path, "--out", path.parent / "x"), ("doctor", path)]  # fmt: skip
    for arguments in refused:
        assert ended(*arguments) == 2, arguments
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert "pairs" in line or "name two" in line


def test_what_is_pruned_of_a_pair_and_of_all(finished, config, tmp_path, capsys):
    from congruence.run.prune import prune, stored_in

    copied = shutil.copytree(finished.path, tmp_path / "copy", symlinks=True)
    before, pair = sorted((copied / "activations").iterdir()), copied / "pairs" / "tiny~big"
    prune(stored_in(pair, alone=True))
    assert sorted((copied / "activations").iterdir()) == before
    first = load_run(copied)
    old = first.pair_run("tiny", "big").configuration
    other = compare(config | {"measures": ["linear_cka"]}, out=copied, progress=False)
    cells = {path.name for path in copied.glob("pairs/*/cells/*")}
    assert {one.path.name: one.used_by for one in stored_in(pair, alone=True)}[old] == (old,)
    for keep in ([first.configuration], ["all"]):
        assert not [one for one in stored_in(copied, keep=keep, alone=True) if not one.used_by]
    # a later run that was stopped after a pair: the pair's current configuration is no finished run's
    generations.publish(copied, first.configuration, ())
    generations.publish(pair, old, ())
    stopped = stored_in(copied, alone=True)
    later = {path.name for path in (copied / "pairs" / "tiny~later" / "cells").iterdir()} & {
        one.path.name for one in stopped if one.used_by
    }
    assert len(later) == 2
    assert not any(one.used_by for one in stopped if one.path.name == other.configuration)
    generations.publish(copied, other.configuration, ())
    generations.publish(pair, other.pair_run("tiny", "big").configuration, ())
    with folder_lock(pair), pytest.raises(SystemExit):
        main(["prune", str(copied), "--yes"])
    assert "is in use by" in capsys.readouterr().err
    main(["prune", str(copied), "--yes"])
    assert "Removed" in capsys.readouterr().out
    assert len(cells) == 6
    assert len({path.name for path in copied.glob("pairs/*/cells/*")}) == 3
    assert sorted((copied / "activations").iterdir()) == before
    assert load_run(copied).pair_run("tiny", "big").measures == ["linear_cka"]
    with pytest.raises(StorageError, match="holds no configuration"):
        load_run(copied, configuration=first.configuration)
    (copied / "generations" / other.configuration / "matrix.parquet").write_bytes(b"no table")
    with pytest.raises(StorageError, match="isn't what was written"):
        load_run(copied).matrix()


WRONG = {
    "one": ("name two at least", lambda m: {"tiny": m["tiny"]}),
    "case": ("where case is not told apart", lambda m: {**m, "TINY": m["big"]}),
    "slash": ("holds '/'", lambda m: {**m, "a/b": m["big"]}),
    "joined": ("holds '~'", lambda m: {**m, "a~b": m["big"]}),
    "dot": ("begins with a dot", lambda m: {**m, "..": m["big"]}),
    "device": ("device on Windows", lambda m: {**m, "nul": m["big"]}),
    "number": ("isn't text", lambda m: {**m, 3: m["big"]}),
    "long": ("longer than 60", lambda m: {**m, "n" * 61: m["big"]}),
    "many": ("210 comparisons", lambda m: {f"m{i}": m["big"] for i in range(21)}),
    "list": ("names of your own", lambda m: [*m.values()]),
    "key": ("in models.later", lambda m: {**m, "later": {**m["later"], "layer": 1}}),
    "layers": ("models.later.layers = 'x'", lambda m: {**m, "later": {**m["later"], "layers": "x"}}),
    "block": ("layer 99 isn't in later", lambda m: {**m, "later": {**m["later"], "layers": [99]}}),
    "saes": ("saes is missing", lambda m: {**m, "later": {"model": m["tiny"]["model"]}}),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_models_are_one_line(config, name, tmp_path):
    words, changed = WRONG[name]
    with pytest.raises(ConfigError) as error:
        compare(config | {"models": changed(config["models"])}, out=tmp_path / "run", progress=False)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run" / "pairs").exists()


def test_models_go_with_neither_sides_nor_a_crosscoder(config):
    side = config["models"]["tiny"]
    for wrong, words in (
        ({"a": side}, "a and models are both there"),
        ({"pairing": {"method": "crosscoder", "path": "x"}}, "two models"),
        ({"controls": ["frozen_decoder"]}, "frozen_decoder of models.tiny and models.big"),
        ({"controls": ["other_seed"]}, "other_seed of models.tiny or models.big"),
    ):
        with pytest.raises(ConfigError, match=re.escape(words)):
            congruence.compare(config | wrong, out="never")


def test_a_ceiling_is_asked_of_the_pairs_that_have_one(config):
    from congruence.config.parsing import parse_any

    models = config["models"] | {"big": config["models"]["big"] | {"other_seed": "org/saes"}}
    found = parse_any(config | {"models": models, "controls": ["other_seed"]})
    assert {names: one.controls for names, one in found.pairs.items()} == {
        ("tiny", "big"): ["other_seed"], ("tiny", "later"): [], ("big", "later"): ["other_seed"],
    }  # fmt: skip
    assert found.written()["controls"] == ["other_seed"]


@pytest.mark.slow
def test_the_demo_models_and_stories15m(small_config, shared, tmp_path):
    """Two tokenizers in one run; an SAE of stories15M is trained for a moment."""
    pytest.importorskip("sae_lens")
    from congruence.training.config import parse_training_config
    from congruence.training.sessions import train_saes

    stories = str(shared / "models" / "stories15M")
    training = {
        "model": stories, "layers": [2], "sae": {"k": 16, "d_sae": 512},
        "corpus": {"path": str(shared / "text" / "stories" / "stories.txt"), "documents": 600, "max_tokens": 128},
        "training": {"steps": 60, "batch": 512, "learning_rate": 0.004},
    }  # fmt: skip
    train_saes(parse_training_config(training), tmp_path / "saes")
    small, large = (
        {k: v for k, v in small_config[s].items() if k not in ("name", "other_seed")} for s in "ab"
    )
    models = {
        "small": small,
        "large": large,
        "stories": {"model": stories, "saes": str(tmp_path / "saes"), "layers": [2]},
    }
    config = sections(small_config, **models) | {"concepts": None, "measures": ["rsa"], "null": {"draws": 20}}
    config["corpus"] = config["corpus"] | {"pooling": "last"}
    run = compare(config, out=tmp_path / "run", progress=False, draw=draw)
    assert run.pair_run("small", "large").corpus["equal_tokenizers"] is True
    assert run.pair_run("small", "stories").corpus["equal_tokenizers"] is False
    stores = [path for path in (run.path / "activations").iterdir() if path.name != "known"]
    assert len(stores) == 2 + 2 + 1
    whole = run.cycles().query("layer_1 == -1 and model_1 == 'small'").iloc[0]
    assert whole.followed > 10
    assert whole.share > 5 * whole.chance
    assert len(run.consensus(3)) > 10
    assert run.matrix("rsa").notna().sum().sum() == 6
