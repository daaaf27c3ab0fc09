"""`function: transfer` in a run: its table, its maps, what is done again, and what is refused."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from stored_run import flip, same_results

from congruence.doctor import diagnose
from congruence.errors import CongruenceError, InputError, StorageError
from congruence.report import summary, write_report
from congruence.report.transfer import transfer_sections
from congruence.run import compare, load_run
from congruence.run.function_schema import TRANSFER
from congruence.saes import load_sae, untrained


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    from congruence.recipes import demo

    config = demo(draws=10).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    for side, layers in (("a", [1, 2]), ("b", [2])):
        del config[side]["other_seed"]
        config[side] |= {"layers": layers}
    config["corpus"] |= {"documents": 24}
    return config | {"measures": ["rsa"], "function": {"transfer": {"tokens": 3000, "judged": 400}}}


@pytest.fixture(scope="module")
def frozen(demo_assets):
    """Stand-ins for SAEs with fixed decoders: random ones that fire as often."""
    found = {}
    for side, size, layers in (("a", "small", [1, 2]), ("b", "large", [2])):
        name = "blocks.{}.hook_resid_post" if size == "small" else "layers.{}"
        saes = [load_sae(demo_assets / "saes" / size / name.format(layer)) for layer in layers]
        rng = np.random.default_rng(0)
        found[side] = {layer: untrained(sae, rng) for layer, sae in zip(layers, saes, strict=True)}
    return found


@pytest.fixture(scope="module")
def run(config, frozen, tmp_path_factory):
    config = copy.deepcopy(config)
    for side in "ab":
        config[side]["frozen_decoder"] = frozen[side]
    return compare(
        config | {"controls": ["frozen_decoder", "untrained_sae"]},
        out=tmp_path_factory.mktemp("transfer"),
        progress=False,
    )


def test_every_layer_pair_direction_map_and_null_has_a_row(run):
    table = run.transfer
    assert list(table.columns) == [column.name for column in TRANSFER]
    maps = {("orthogonal", ""), ("affine", ""), ("ridge", "")}
    nulls = {
        ("orthogonal", n) for n in ("shifted text", "random rotation", "untrained SAE", "frozen decoder")
    }
    wanted = maps | nulls | {("affine", "shifted text")}
    for (_, _, direction), rows in table.groupby(["layer_a", "layer_b", "direction"]):
        wrong = {("orthogonal", "wrong layer")} if direction == "b_to_a" else set()  # b has one layer
        assert set(zip(rows["map"], rows.null, strict=True)) == wanted | wrong
    assert len(table) == 2 * (8 + 9)
    assert set(table.against[table.null == "wrong layer"]) == {"L1", "L2"}
    assert (table.n_fit + table.n_held < 4500).all()
    assert (table.n_judged <= table.n_held).all()
    scores = table[["r2", "explained", "ceiling", "explained_of_target", "f1", "r"]]
    assert np.isfinite(scores.to_numpy()).all()


def test_maps_stand_out_from_their_nulls_and_stay_below_the_ceiling(run):
    table = run.transfer.set_index(["layer_a", "layer_b", "direction", "map", "null"])
    for where, row in table[table.index.get_level_values("null") == ""].iterrows():
        if where[3] == "affine":
            continue  # few tokens against many dimensions
        for null in ("shifted text", "random rotation"):
            other = table.loc[(*where[:3], "orthogonal", null)]
            assert row.r2 > other.r2 + 0.1
            assert row.f1 > other.f1 + 0.1
        assert row.explained < row.ceiling
    rotations = run.transfer[(run.transfer["map"] == "orthogonal") & (run.transfer.null == "")]
    assert (rotations.rotation_cosine > rotations.rotation_null + 0.1).all()
    assert (rotations.finds > 10 / rotations.pairs).all()


def test_the_fitted_map_is_loaded_and_applied(run):
    again = load_run(run.path)
    fitted = again.map("L2", "L2")
    row = run.transfer.query(
        "layer_a == 2 and layer_b == 2 and direction == 'a_to_b' and map == 'orthogonal' and null == ''"
    ).iloc[0]
    assert (fitted.kind, fitted.r2, fitted.n) == ("orthogonal", row.r2, row.n_fit)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5, 96))
    y = fitted.apply(x)
    assert y.shape == (5, 192)
    scale = np.linalg.norm(fitted.matrix[0])
    np.testing.assert_allclose(fitted.matrix @ fitted.matrix.T, scale**2 * np.eye(96), atol=1e-5 * scale**2)
    np.testing.assert_allclose(fitted.apply_directions(x), y - fitted.apply(np.zeros((1, 96))), atol=1e-5)
    assert again.map(1, 2, "ridge", direction="b_to_a").apply(y).shape == (5, 96)
    for call, words in (
        (lambda: again.map(3, 2), "layers 3 of a and 2 of b have no map: known are L1 with L2, L2 with L2"),
        (lambda: again.map("first", 2), "names no layer"),
        (lambda: again.map(2, 2, "rotation"), "kind='rotation': use one of identity"),
        (lambda: again.map(2, 2, direction="back"), "use one of a_to_b, b_to_a"),
        (lambda: again.map(2, 2, "identity"), "no identity map"),
        (lambda: again.map(2, 2).apply(y), "width 192 and the map takes 96"),
    ):
        with pytest.raises(InputError) as refused:
            call()
        assert words in str(refused.value)


def test_it_is_shown_in_the_terminal_and_in_tables(run):
    told = " ".join(str(summary(run)).split())
    assert "Transfer: mapped from layer" in told
    assert "(shifted text" in told
    there, back = transfer_sections(run)
    assert "orthogonal, frozen decoder" in [row["name"] for row in there["rows"]]
    assert "mean cosine" in back["rotation"]
    assert run.info["equal_index"] == {"pairs": [], "warning": ""}  # widths differ


@pytest.mark.slow
def test_the_report_has_a_section_with_heat_maps(run):
    html = write_report(run).read_text()
    assert 'id="transfer"' in html
    assert "orthogonal, frozen decoder" in html
    assert "R² of mapped states" in html


@pytest.mark.slow
def test_other_functions_repeat_neither_captures_nor_cells(config, tmp_path):
    out = tmp_path / "run"
    plain = {name: value for name, value in config.items() if name != "function"}
    before = compare(plain, out=out, progress=False)
    with pytest.raises(InputError, match="asked for no transfer"):
        _ = before.transfer
    with pytest.raises(InputError, match="has no maps: give its configuration function: transfer"):
        before.map(1, 2)
    (out / "run.log").unlink()
    with_it = compare(config, out=out, progress=False)
    log = (out / "run.log").read_text()
    assert log.count("finished before, read from L") == 2
    assert "cell L1-L2 computed" not in log
    assert (
        log.count("computing resid_post") == log.count("computing resid_post.1, resid_post.2") + 1
    )  # states
    assert log.count("transfer L1-L2 computed") == 1
    same_results(before, with_it)
    (out / "run.log").unlink()
    again = compare(config, out=out, progress=False)
    log = (out / "run.log").read_text()
    assert "computed in" not in log
    assert log.count("finished before, read from transfer-") == 2
    assert again.transfer.equals(with_it.transfer)
    place = next(out.glob("cells/transfer-L1-L2-*"))
    flip(place / "maps.npz", 200)
    with pytest.raises(StorageError, match="give the command of the run again"):
        again.map(1, 2)
    mended = compare(config, out=out, progress=False)
    assert mended.transfer.equals(with_it.transfer)
    assert mended.map(1, 2).r2 == with_it.map(1, 2).r2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"function": "transfr"}, "did you mean 'transfer'"),
        ({"function": {"transfer": {"maps": "afine"}}}, "did you mean 'affine'"),
        ({"function": ["transfer", "transfer"]}, "names 'transfer' twice"),
        ({"function": 3}, "function = 3"),
        ({"function": [{"transfer": {}, "stitch": {}}]}, "one of them an entry"),
        ({"controls": ["frozen_decoder"]}, "name them as frozen_decoder of a and b"),
        ({"corpus": {"documents": 2}}, "the text has 2 documents that both models read; at least 4"),
        ({"pairing": {"method": "crosscoder", "path": "x"}}, "leave it out"),
    ],
)
def test_what_cannot_be_asked_is_one_line(config, tmp_path, change, words):
    changed = copy.deepcopy(config)
    for name, value in change.items():
        changed[name] = {**changed[name], **value} if name in ("corpus", "pairing") else value
    with pytest.raises(CongruenceError) as refused:
        compare(changed, out=tmp_path / "run", progress=False)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.fixture
def one_start(demo_assets):
    """An SAE that began where another did: its features are the other's with noise."""
    sae = load_sae(demo_assets / "saes" / "small" / "blocks.2.hook_resid_post")
    noise = torch.randn(sae.W_dec.shape, generator=torch.Generator().manual_seed(0)) / 96**0.5 / 3
    return replace(sae, W_dec=sae.W_dec + noise, W_enc=sae.W_enc + noise.T)


def test_features_of_one_start_give_a_warning(config, demo_assets, one_start, tmp_path):
    side = config["a"] | {"layers": [2]}
    config = config | {"a": side, "b": side | {"saes": {2: one_start}}, "function": "transfer"}
    config["corpus"] = config["corpus"] | {"documents": 12}
    run = compare(config, out=tmp_path / "run", progress=False)
    told = run.info["equal_index"]
    assert len(told["pairs"]) == 1
    assert told["pairs"][0]["p"] <= 0.001
    assert "features of equal index agree more than others at 1 of 1 layer pairs" in told["warning"]
    assert "Features of equal index agree" in " ".join(str(summary(run)).split())
    same = run.transfer.query("map == 'identity'")  # of one model with itself
    np.testing.assert_allclose(same.r2, 1)
    np.testing.assert_allclose(same.f1, 1)


@pytest.mark.slow
def test_the_doctor_looks_at_sae_seeds(config, demo_assets, one_start):
    config = copy.deepcopy(config)
    config["a"] |= {"layers": [2], "other_seed": {2: one_start}}
    config["b"] |= {"other_seed": str(demo_assets / "saes" / "large-seed1")}
    found = {one.side: one for one in diagnose(config, sample_tokens=600) if one.check == "equal index"}
    assert (found["a"].status, found["b"].status) == ("warning", "ok")
    assert "(p 0.001)" in found["a"].message
    assert "agree no more than others" in found["b"].message


@pytest.mark.slow
def test_models_of_two_tokenizers(config, shared, tmp_path):
    """A demo model and stories15M, whose residual stream stands in for an SAE that no folder here holds."""
    config = copy.deepcopy(config)
    model = str(shared / "models" / "stories15M")
    config["b"] = {"model": model, "features": "neurons", "hook": "resid_post", "layers": [2]}
    config["corpus"] |= {"documents": 60, "pooling": "mean"}
    run = compare(config, out=tmp_path / "run", progress=False)
    table = run.transfer.set_index(["layer_a", "direction", "map", "null"])
    for layer in (1, 2):
        for direction in ("a_to_b", "b_to_a"):
            one = table.loc[layer, direction, "ridge", ""]
            assert one.r2 > table.loc[layer, direction, "orthogonal", "shifted text"].r2 + 0.1
        assert np.isnan(table.loc[layer, "a_to_b", "ridge", ""].f1)
        assert table.loc[layer, "b_to_a", "ridge", ""].f1 > 0.2
    assert run.map(2, 2, "ridge").apply(np.zeros((1, 96))).shape == (1, 288)
