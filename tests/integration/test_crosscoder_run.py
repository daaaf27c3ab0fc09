"""A run whose pairs are a crosscoder's, trained for real on the demo's small model and a noisy sibling of it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from command_line import in_process
from stored_run import flip, stored_files, unproven

import congruence as package
import crosscoder_training as training
from congruence.config.parsing import resolve
from congruence.doctor import diagnose
from congruence.errors import CongruenceError
from congruence.matching import judge_matching, match, partners_through
from congruence.saes import load_crosscoder, load_sae
from congruence.sides import corpus
from congruence.sides.crosscoder import joint_reading
from quick_first import quick_first

LAYER = training.LAYER


@pytest.fixture(scope="module")
def models(tmp_path_factory, demo_assets: Path) -> tuple[Path, Path]:
    small = demo_assets / "small"
    return small, training.sibling(small, tmp_path_factory.mktemp("models") / "sibling")


@pytest.fixture(scope="module")
def config(models: tuple[Path, Path], demo_assets: Path) -> dict[str, Any]:
    text = demo_assets / "text" / "comparison.jsonl"
    return {
        "a": {"model": str(models[0])},
        "b": {"model": str(models[1])},
        "corpus": {"path": str(text), "documents": 24, "max_tokens": 128},
        "pairing": {"method": "crosscoder", "path": str(training.ASSET)},
        "filters": [{"min_cofirings": 5}],
        "measures": ["mean_cosine", "rsa"],
        "null": {"draws": 60},
    }


@pytest.fixture(scope="module")
def run(config: dict[str, Any], tmp_path_factory) -> Any:
    out = tmp_path_factory.mktemp("crosscoder") / "out"
    return package.compare(config, out=out, progress=False), out


def test_its_shared_features_are_scored_by_both_decoders(run: Any) -> None:
    found, _ = run
    coder = load_crosscoder(training.ASSET)
    kept = found.matches[found.matches.kept]
    assert (kept.feature_a == kept.feature_b).all()
    assert len(kept) > 100
    np.testing.assert_allclose(kept.r, 1, atol=1e-6)
    rows = [coder.rows(place)[kept.feature_a] for place in (0, 1)]
    cosine = (rows[0] * rows[1]).sum(1) / np.linalg.norm(rows[0], axis=1) / np.linalg.norm(rows[1], axis=1)
    results = found.results.set_index("measure")
    assert results.value["mean_cosine"] == pytest.approx(cosine.mean(), abs=1e-5)
    np.testing.assert_allclose(results.p, 1 / 61)  # a null that re-pairs is beaten by both
    assert (results.layer_a == LAYER).all()


def test_activations_are_those_of_both_models_at_once(run: Any, models: tuple[Path, Path]) -> None:
    found, out = run
    x = training.states(list(models))
    acts = load_crosscoder(training.ASSET).encode(x)
    table = pd.read_parquet(out / "crosscoder.parquet").set_index("feature")
    assert table.firings_a.tolist() == (acts != 0).sum(0).tolist() == table.firings_b.tolist()
    counted = found.matches.set_index("feature_a").firings_a
    assert counted.to_dict() == table.firings_a[counted.index].to_dict()


def test_run_json_says_what_it_was_and_how_it_fits(run: Any, models: tuple[Path, Path]) -> None:
    _, out = run
    record = json.loads((out / "run.json").read_text())["crosscoder"]
    assert record["is"] == "a crosscoder of 2 models"
    assert record["places"] == {f"a/{LAYER}": 0, f"b/{LAYER}": 1}
    assert record["format"] == "dictionary_learning_crosscoder"
    x = training.states(list(models))
    out_ = load_crosscoder(training.ASSET).reconstruct(x)
    for place, side in enumerate("ab"):
        misfit = ((x - out_)[:, place].double() ** 2).sum() / (x - x.mean(0))[:, place].double().pow(2).sum()
        assert record["fvu"][f"{side}/{LAYER}"] == pytest.approx(float(misfit), rel=1e-3)
        assert misfit < 0.35
    assert sum(record["features"][f"{LAYER}-{LAYER}"].values()) == record["d_sae"]


def test_latent_scaling_stands_beside_every_feature(run: Any) -> None:
    table = pd.read_parquet(run[1] / "crosscoder.parquet")
    fires = table[table.firings_a > 20]
    assert np.isfinite(fires.nu_error).all()
    # a sibling has nearly all of its twin's mind: no feature is one's alone
    assert fires.nu_reconstruction.median() == pytest.approx(1, abs=0.15)
    assert fires.nu_error.median() == pytest.approx(1, abs=0.15)
    assert set(table.kind) <= {"shared", "between", "a", "b", "none"}


def test_a_row_that_was_shrunk_away_is_seen_through(config: dict[str, Any], tmp_path: Path) -> None:
    """Its norms call the feature b's alone; latent scaling finds it in a's error."""
    shutil.copytree(training.ASSET, tmp_path / "shrunk")
    state = torch.load(training.ASSET / "model_final.pt", weights_only=True)
    strongest = int(state["decoder.weight"].float().norm(dim=-1).sum(0).argmax())
    state["decoder.weight"][0, strongest] = 0
    torch.save(state, tmp_path / "shrunk" / "model_final.pt")
    pairing = {"method": "crosscoder", "path": str(tmp_path / "shrunk")}
    run = package.compare(config | {"pairing": pairing}, out=tmp_path / "out", progress=False)
    row = pd.read_parquet(tmp_path / "out" / "crosscoder.parquet").set_index("feature").loc[strongest]
    assert row.kind == "b"
    assert strongest not in set(run.matches.feature_a)
    assert row.firings_a > 0
    assert row.nu_error > 0.5


def test_a_finished_run_is_read_and_not_captured_again(
    run: Any, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from congruence.activations.joint import JointCapture

    found, out = run
    monkeypatch.setattr(JointCapture, "_states", lambda *_: pytest.fail("captured again"))
    again = package.compare(config, out=out, progress=False)
    pd.testing.assert_frame_equal(again.results, found.results)


@pytest.mark.slow
def test_every_stored_file_is_checked_and_sums_are_computed_again(
    run: Any, config: dict[str, Any], tmp_path: Path
) -> None:
    found, out = run
    copy = Path(shutil.copytree(out, tmp_path / "out", symlinks=True))
    table = pd.read_parquet(copy / "crosscoder.parquet")
    checked = set(stored_files(copy)) - unproven(copy)
    assert checked == set(stored_files(copy))
    (sums,) = copy.rglob("sums-00000.npz")
    before = sums.read_bytes()
    damages = (flip, lambda path, _: path.write_bytes(before[:-9]), lambda path, _: path.unlink())
    for damage in damages:
        damage(sums, len(before) // 2)
        shutil.rmtree(copy / "generations")
        again = package.compare(config, out=copy, progress=False)
        pd.testing.assert_frame_equal(again.matches, found.matches)
        pd.testing.assert_frame_equal(pd.read_parquet(copy / "crosscoder.parquet"), table)
        assert sums.read_bytes() == before
        assert "sums-00000.npz" in (copy / "run.log").read_text().rpartition("set aside as")[0]


@pytest.mark.parametrize(("seed", "least"), [("small", 0.99), ("small-seed1", 0.75)])
def test_our_own_matcher_is_judged_by_known_partners(
    models: tuple[Path, Path], demo_assets: Path, seed: str, least: float
) -> None:
    """SAEs of both models, trained without the crosscoder; on shifted text nothing is found again."""
    x, coder = training.states(list(models)), load_crosscoder(training.ASSET)
    a, b = (
        load_sae(demo_assets / "saes" / name / f"blocks.{LAYER}.hook_resid_post") for name in ("small", seed)
    )
    known = partners_through(a.W_dec.numpy(), b.W_dec.numpy(), coder.rows(0), coder.rows(1))
    assert len(known[0]) > 40
    acts_a, found = a.encode_csr(x[:, 0]), []
    for tokens in (x[:, 1], x[:, 1].roll(100, dims=0)):
        made = match(acts_a, b.encode_csr(tokens), method="mutual_best")
        found.append(judge_matching(made, *known))
    assert min(found[0].recall, found[0].precision) > least
    assert max(found[1].recall, found[1].precision) < 0.1


REFUSED = {
    "null": ({"null": {"kind": "subset"}}, "null 'subset' can't go with pairing by a crosscoder"),
    "shift": ({"null": {"kind": "document_shift"}}, "null 'document_shift' can't go with"),
    "controls": ({"controls": ["rerandomized"]}, "controls can't go with"),
    "concepts": ({"concepts": "all"}, "concepts can't go with"),
    "documents": ({"interval": {"by": "documents"}}, "interval by documents can't go with"),
    "no path": ({"pairing": {"method": "crosscoder"}}, "pairing.path is missing"),
    "no such": ({"pairing": {"method": "crosscoder", "path": "/no/such"}}, "no SAE at /no/such"),
    "shared": ({"pairing": {"method": "crosscoder", "path": "x", "shared": 0.9}}, "shared=0.9"),
    "split": (
        {"pairing": {"method": "crosscoder", "path": "x", "split": "documents"}},
        "pairing.split can't",
    ),
    "method": ({"pairing": {"method": "greedy"}}, "a.features is crosscoder"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_with_it_is_one_line(config: dict[str, Any], tmp_path: Path, case: str) -> None:
    changes, expected = REFUSED[case]
    sides = {name: config[name] | {"features": "crosscoder"} for name in ("a", "b")}
    with pytest.raises(CongruenceError) as caught:
        package.compare(config | sides | changes, out=tmp_path / "out", progress=False)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


SIDES = {
    "layers": ({"layers": [1]}, r"reads one layer of each model: a.layers is [1], write [2]"),
    "saes": ({"saes": "x"}, "a.saes can't go with pairing by a crosscoder"),
    "offset": ({"hook_offset": -1}, "a.hook_offset can't go with"),
    "fold": ({"fold_decoder_norm": True}, "a.fold_decoder_norm can't go with"),
}


@pytest.mark.parametrize("case", SIDES)
def test_what_a_side_can_t_ask_of_it_is_one_line(config: dict[str, Any], tmp_path: Path, case: str) -> None:
    changes, expected = SIDES[case]
    with pytest.raises(CongruenceError) as caught:
        package.compare(config | {"a": config["a"] | changes}, out=tmp_path / "out", progress=False)
    assert expected in str(caught.value)


def test_models_of_another_width_are_told_before_anything_is_captured(
    config: dict[str, Any], tmp_path: Path, demo_assets: Path
) -> None:
    b = {"model": str(demo_assets / "large")}
    said = refused(config | {"b": b, "measures": ["rsa"]}, tmp_path)
    assert "reads vectors of 96, but large has d_model 192: it is of other models" in said


def refused(config: dict[str, Any], folder: Path) -> str:
    """The one line of a run that stops before it captures."""
    with pytest.raises(CongruenceError) as caught:
        package.compare(config, out=folder / "out", progress=False)
    assert not list((folder / "out").glob("activations/crosscoder-*"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(folder: Path, *, tensors: Any = None, **trainer: Any) -> dict[str, Any]:
    """`pairing` of a copy of the crosscoder with other tensors or another config."""
    shutil.copytree(training.ASSET, folder / "cc")
    if tensors is not None:
        state = torch.load(training.ASSET / "model_final.pt", weights_only=True)
        torch.save(state | tensors(state), folder / "cc" / "model_final.pt")
    told = json.loads((folder / "cc" / "config.json").read_text())["trainer"]
    (folder / "cc" / "config.json").write_text(json.dumps({"trainer": told | trainer}))
    return {"method": "crosscoder", "path": str(folder / "cc")}


def named_otherwise(folder: Path, hook: Any, **config: Any) -> dict[str, Any]:
    """The same crosscoder in Kissane's and Nanda's layout, whose config may name any hook."""
    coder = load_crosscoder(training.ASSET)
    (reader,) = coder.readers
    (folder / "cc").mkdir()
    state = {"W_enc": reader.W_enc, "W_dec": coder.W_dec.transpose(0, 1), "b_enc": coder.b_enc}
    torch.save(state | {"b_dec": coder.b_dec}, folder / "cc" / "cc_weights.pt")
    told = {"d_in": coder.d_in, "dict_size": coder.d_sae, "hook_point": hook} | config
    (folder / "cc" / "cfg.json").write_text(json.dumps(told))
    return {"method": "crosscoder", "path": str(folder / "cc")}


MISFITS = {
    "a decoder in another order": (
        lambda state: {"decoder.weight": state["decoder.weight"].flip(1) * 3},
        "worse than its mean would (FVU",
    ),
    "features that never fire": (
        lambda state: {"threshold": state["threshold"] * 1e4},
        "none of its features fires on",
    ),
    "inputs of another scale": (
        lambda state: {
            "encoder.weight": state["encoder.weight"] * 20,
            "decoder.weight": state["decoder.weight"] / 20,
            "decoder.bias": state["decoder.bias"] / 20,
        },
        "FVU",
    ),
}


@pytest.mark.parametrize("case", quick_first(MISFITS))
def test_a_crosscoder_that_doesn_t_fit_is_refused_like_an_sae(
    config: dict[str, Any], tmp_path: Path, case: str
) -> None:
    tensors, expected = MISFITS[case]
    said = refused(config | {"pairing": changed(tmp_path, tensors=tensors)}, tmp_path)
    assert expected in said
    assert said.startswith(f"a layer {LAYER}: ")
    assert "`congruence doctor` shows everything, --force runs all the same" in said


def test_a_crosscoder_of_another_layer_fits_the_right_one_better(
    config: dict[str, Any], tmp_path: Path
) -> None:
    pairing = changed(tmp_path, layer=LAYER - 1)
    assert f"fits block {LAYER}'s output better (FVU" in refused(config | {"pairing": pairing}, tmp_path)
    records = [r for r in diagnose(config | {"pairing": pairing}, sample_tokens=1000) if r.check == "fit"]
    assert [(r.side, r.layer, r.status, r.cause) for r in records] == [
        (side, LAYER - 1, "error", "hook") for side in "ab"
    ]


def test_the_doctor_measures_both_places(config: dict[str, Any]) -> None:
    records = [r for r in diagnose(config, sample_tokens=1000) if r.check == "fit"]
    assert [(r.side, r.layer, r.status, r.hook_name) for r in records] == [
        (side, LAYER, "ok", "blocks.2.hook_resid_post") for side in "ab"
    ]
    for record in records:
        assert record.figures["fvu"] < 0.35
        assert record.figures["fvu_after"] > 1.25 * record.figures["fvu"]


HOOKS = {
    "no such kind": ("blocks.2.hook_resid_pots", {"layers": [2]}, "names hook 'blocks.2.hook_resid_pots'"),
    "no such kind, no layers": ("hook_nowhere", {}, "doesn't say which layers it reads"),
    "a number": (5, {"layers": [2]}, "hook_point is 5, expected a word"),
    "another layer": ("blocks.3.hook_resid_post", {"layers": [2]}, "a.layers is [2], write [3]"),
    "another kind": (
        "blocks.2.hook_mlp_out",
        {"hook": "resid_post"},
        "reads blocks.2.hook_mlp_out, and a.hook is resid_post: leave hook out",
    ),
    "no such block": ("blocks.9.hook_resid_post", {}, "layer 9 isn't in small"),
}


@pytest.mark.parametrize("case", HOOKS)
def test_a_hook_that_can_t_be_read_or_contradicts_a_side_is_refused(
    config: dict[str, Any], tmp_path: Path, case: str
) -> None:
    hook, side, expected = HOOKS[case]
    sides = {name: config[name] | side for name in ("a", "b")}
    assert expected in refused(config | sides | {"pairing": named_otherwise(tmp_path, hook)}, tmp_path)


def test_a_side_s_own_hook_stands_in_for_one_that_can_t_be_read(
    config: dict[str, Any], tmp_path: Path
) -> None:
    pairing = named_otherwise(tmp_path, "somewhere")
    sides = {name: config[name] | {"layers": [LAYER], "hook": "resid_post"} for name in ("a", "b")}
    records = diagnose(config | sides | {"pairing": pairing}, sample_tokens=500)
    assert [r.hook_name for r in records if r.check == "fit"] == [f"resid_post.{LAYER}"] * 2


def test_the_hook_that_its_file_names_is_the_side_s(config: dict[str, Any], tmp_path: Path) -> None:
    reading = joint_reading(resolve(config | {"pairing": named_otherwise(tmp_path, "layers.2.mlp")}, {}))
    assert reading is not None
    assert (reading.config.a.hook, reading.config.b.layers) == ("mlp_out", [2])


def test_bos_as_a_crosscoder_was_trained_with_it(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        corpus, "begins_with_bos", lambda *arguments: asked.append(arguments[3]) or arguments[3]
    )
    for number, told in enumerate((True, False)):
        (tmp_path / str(number)).mkdir()
        pairing = named_otherwise(tmp_path / str(number), "blocks.2.hook_resid_post", prepend_bos=told)
        reading = joint_reading(resolve(config | {"pairing": pairing}, {}))
        assert reading is not None
        assert reading.prepend_bos is told
    text = config["corpus"] | {"documents": 2}
    diagnose(config | {"pairing": pairing, "corpus": text}, sample_tokens=200)
    assert asked == [False, False]


def test_the_listing_measures_a_crosscoder(
    models: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["saes", training.ASSET, "--check", "--json"]
    done = in_process(capsys, *arguments, "--model", models[0], "--model", models[1])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == "ok"
    assert told["measured_fvu"] < 0.5
    told = json.loads(in_process(capsys, *arguments, "--model", models[0]).stdout)
    assert told["status"] == "warning"
    assert "give --model 2 times" in told["found"]


def test_the_command_line_takes_a_path_beside_the_configuration(
    config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(training.ASSET, tmp_path / "cc")
    own = config | {
        "pairing": {"method": "crosscoder", "path": "cc"},
        "corpus": config["corpus"] | {"documents": 6},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(own | {"filters": []}))
    done = in_process(capsys, "run", tmp_path / "config.yaml", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").exists()


def test_a_crosscoder_given_as_saes_says_what_to_write(config: dict[str, Any], tmp_path: Path) -> None:
    side = {**config["a"], "saes": str(training.ASSET), "layers": [LAYER]}
    own = {key: value for key, value in config.items() if key != "pairing"}
    with pytest.raises(CongruenceError, match="this is a crosscoder of 2 models, not an SAE: use pairing"):
        package.compare(own | {"a": side, "b": side}, out=tmp_path / "out", progress=False)
