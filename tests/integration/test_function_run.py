"""Stitching, logit weights and substitution in a run: of a model with itself, where the truth is known."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from congruence.errors import CongruenceError, InputError
from congruence.function import shared_tokens
from congruence.function.unembedding import unembedding
from congruence.models import load_model
from congruence.report import summary, write_report
from congruence.report.function import function_pictures, function_section
from congruence.run import compare, load_run
from congruence.run.function_schema import FUNCTION, STITCHING, SUBSTITUTION
from congruence.saes import load_sae
from congruence.view import Answers, CellKey

FUNCTIONS = ("stitching", "logit_weights", "substitution")
SMALL = {"pairs": 8, "contexts": 2, "length": 48}


@pytest.fixture(scope="module")
def config():
    from congruence.recipes import demo

    config = demo(draws=10).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    for side in "ab":
        del config[side]["other_seed"]
        config[side] |= {"layers": [2]}
    config["corpus"] |= {"documents": 24}
    function = {
        "transfer": {"tokens": 3000, "judged": 200},
        "stitching": {"maps": ["identity", "orthogonal"]},
        "logit_weights": {},
        "substitution": SMALL,
    }
    return config | {"measures": ["rsa"], "filters": [], "verdicts": False, "function": function}


@pytest.fixture(scope="module")
def same(config, demo_assets):
    """A model beside itself, with the features of its SAE in another order."""
    sae = load_sae(demo_assets / "saes" / "small" / "blocks.2.hook_resid_post")
    order = torch.from_numpy(np.random.default_rng(0).permutation(sae.d_sae))
    moved = replace(sae, W_enc=sae.W_enc[:, order], W_dec=sae.W_dec[order], b_enc=sae.b_enc[order])
    config = copy.deepcopy(config)
    config["b"] = config["a"] | {"saes": {2: moved}, "name": "reordered"}
    return config, order.numpy()


@pytest.fixture(scope="module")
def run(same, tmp_path_factory):
    return compare(same[0], out=tmp_path_factory.mktemp("function"), progress=False)


def test_a_model_goes_on_from_its_own_states_and_from_no_others(run):
    table = run.stitching
    assert list(table.columns) == [column.name for column in STITCHING]
    for direction in ("a_to_b", "b_to_a"):
        rows = table[table.direction == direction].set_index(["map", "null", "what"])
        for kind in ("identity", "orthogonal"):
            assert rows.loc[(kind, "", "states"), "recovered_mean"] == pytest.approx(1, abs=0.01)
        native = rows.loc["native", "", "reconstruction"]
        assert 0.8 < native.recovered_mean < 1
        one = rows.loc["identity", "", "reconstruction"]
        assert one.loss == pytest.approx(native.loss, rel=1e-5)  # mapped by nothing
        for null in ("shifted text", "random rotation"):
            assert rows.loc[("orthogonal", null, "states"), "recovered_mean"] < 0.3
    assert (table.places >= table.predictions).all()
    assert (table.predictions > 100).all()
    assert (table.native < table["mean"]).all()


def test_reordered_features_are_found_to_do_the_same(run, same):
    _, order = same
    true = order[run.matches.feature_b] == run.matches.feature_a
    assert true.mean() > 0.9
    np.testing.assert_allclose(run.matches.logit_r[true], 1, atol=1e-6)
    table = run.substitution
    assert list(table.columns) == [column.name for column in SUBSTITUTION]
    pairs, negatives = (table[table.kind == kind] for kind in ("pair", "hard negative"))
    assert len(pairs) == 8
    mine = pairs[order[pairs.feature_b] == pairs.feature_a]
    assert len(mine) >= 6
    np.testing.assert_allclose(mine.ablation_r, 1, atol=1e-3)
    np.testing.assert_allclose(mine.substitution, 1, atol=0.02)
    assert negatives.ablation_r.mean() < 0.3
    assert negatives.substitution.mean() < 0.3
    assert set(negatives.partner) <= set(pairs.feature_b)
    told = run.info["substitution"]["tested"]["2-2"]
    assert told["sampled"] == 8
    assert pairs.weight.sum() == pytest.approx(told["firing"])


def test_a_pair_tells_what_either_feature_promotes(run, same, demo_assets):
    _, order = same
    row = run.matches[order[run.matches.feature_b] == run.matches.feature_a].iloc[0]
    pair = run.pair(2, int(row.feature_a), 2, int(row.feature_b))
    tokens = pair["a"]["promoted"]
    assert len(tokens) == 10
    assert tokens == pair["b"]["promoted"]
    model = load_model(str(demo_assets / "small"))
    shared = shared_tokens(model.tokenizer, model.tokenizer)
    rows = load_sae(demo_assets / "saes" / "small" / "blocks.2.hook_resid_post").W_dec[int(row.feature_a)]
    logits = rows.double().numpy() @ unembedding(model, shared.a)
    assert tokens[0] == shared.strings[int(logits.argmax())]
    slow = [shared.strings[place] for place in np.argsort(-logits)[:10]]
    assert len(set(tokens) & set(slow)) >= 9
    assert f"a promotes «{tokens[0]}»" in repr(pair)
    pair["a"]["promoted"] = ["<b>", "\u202e\x1b[2J"]
    for shown in (repr(pair), pair._repr_html_()):
        assert "\\u202e\\x1b[2J" in shown
        assert not any(bad in shown for bad in ("\u202e", "\x1b"))
    assert "&lt;b&gt;" in pair._repr_html_()
    answer = Answers(run).pair(CellKey("none", "", 2, 2), int(row.feature_a), int(row.feature_b))
    assert answer["logit_r"] == pytest.approx(1, abs=1e-5)


def test_each_question_has_one_number_beside_its_null(run):
    table = run.function.set_index("question")
    assert list(run.function.columns) == [column.name for column in FUNCTION]
    assert set(table.index) == {"logit_weights", "ablation", "substitution"}
    assert (table["value"] > table.null_mean + 0.5).all()
    assert (table.p <= 0.05).all()
    assert table.loc["logit_weights", "tokens"] > 3000
    curve = table.loc["ablation", "curve"]
    assert [point["coverage"] for point in curve] == pytest.approx(np.arange(1, 11) / 10)
    assert table.loc["ablation", "area"] == pytest.approx(np.mean([point["quality"] for point in curve]))


def test_it_is_shown_and_read_back(run):
    told = " ".join(str(summary(run)).split())
    for words in ("Stitching: from mapped states", "Logit weights of paired features", "in the place of"):
        assert words in told
    section = function_section(load_run(run.path))
    assert section["questions"][0]["title"] == "Logit weights of pairs"
    assert len(section["stitched"]) == 2
    assert {one.name for one in function_pictures(run)} == {
        "stitching_recovered", "function_logit_weights", "function_ablation", "function_substitution",
    }  # fmt: skip


def test_what_is_finished_is_read(run, same):
    (run.path / "run.log").unlink()
    again = compare(same[0], out=run.path, progress=False)
    assert "computed in" not in (run.path / "run.log").read_text()
    for name in FUNCTIONS[:1] + FUNCTIONS[2:]:
        assert getattr(again, name).equals(getattr(run, name))


def rotated_copy(folder, out):
    """GPT-NeoX with its residual stream rotated: the same predictions. Gains go into the weights that read.

    The rotation leaves the mean of a state as it is, which LayerNorm takes off.
    """
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    width, random = model.config.hidden_size, torch.Generator().manual_seed(1)
    drawn = torch.randn(width, width, generator=random, dtype=torch.float64)
    drawn[:, 0] = 1
    basis = torch.linalg.qr(drawn)[0]
    inside = torch.eye(width, dtype=torch.float64)
    inside[1:, 1:] = torch.linalg.qr(
        torch.randn(width - 1, width - 1, generator=random, dtype=torch.float64)
    )[0]
    turn = basis @ inside @ basis.T
    body, head = model.gpt_neox, torch.nn.Linear(width, model.config.vocab_size, bias=False)
    reads = [(body.final_layer_norm, model.get_output_embeddings().weight)]
    with torch.no_grad():
        head.weight = torch.nn.Parameter(reads[0][1] * body.final_layer_norm.weight @ turn)
        body.embed_in.weight = torch.nn.Parameter(body.embed_in.weight @ turn)
        for layer in body.layers:
            attention, mlp = layer.attention, layer.mlp
            for norm, reader in (
                (layer.input_layernorm, attention.query_key_value),
                (layer.post_attention_layernorm, mlp.dense_h_to_4h),
            ):
                reader.weight.copy_(reader.weight * norm.weight @ turn)
            for writer in (attention.dense, mlp.dense_4h_to_h):
                writer.weight.copy_(turn.T @ writer.weight)
                writer.bias.copy_(writer.bias @ turn)
        for norm in [m for m in model.modules() if isinstance(m, torch.nn.LayerNorm)]:
            norm.bias.copy_((norm.bias / norm.weight) @ turn)
            norm.weight.fill_(1)
    model.config.tie_word_embeddings = False
    model.set_output_embeddings(head)
    model.float().save_pretrained(out)
    AutoTokenizer.from_pretrained(folder).save_pretrained(out)
    return turn.float()


@pytest.mark.slow
def test_a_rotated_copy_does_the_same(config, demo_assets, tmp_path):
    """Another basis and other weights, the same function: only a map between the states can tell."""
    turn = rotated_copy(demo_assets / "small", tmp_path / "rotated")
    sae = load_sae(demo_assets / "saes" / "small" / "blocks.2.hook_resid_post")
    moved = replace(sae, W_enc=turn.T @ sae.W_enc, W_dec=sae.W_dec @ turn, b_dec=sae.b_dec @ turn)
    b = {"model": str(tmp_path / "rotated"), "saes": {2: moved}, "layers": [2], "name": "rotated"}
    run = compare(config | {"b": b}, out=tmp_path / "run", progress=False)
    true = run.matches.feature_a == run.matches.feature_b
    assert true.mean() > 0.9
    np.testing.assert_allclose(run.matches.logit_r[true], 1, atol=1e-4)
    states = run.stitching[(run.stitching.null == "") & (run.stitching.what == "states")]
    by_map = states.groupby("map").recovered_mean
    assert by_map.min()["orthogonal"] > 0.99
    assert by_map.max()["identity"] < 0.5
    pairs = run.substitution[run.substitution.kind == "pair"]
    mine = pairs[pairs.feature_a == pairs.feature_b]
    assert len(mine) >= 6
    np.testing.assert_allclose(mine.ablation_r, 1, atol=1e-2)
    np.testing.assert_allclose(mine.substitution, 1, atol=0.05)
    told = run.function.set_index("question")
    assert (told["value"] > told.null_mean + 0.5).all()


@pytest.mark.slow
def test_the_report_has_a_section(run):
    html = write_report(run).read_text()
    assert 'id="function"' in html
    assert "Next-token loss recovered by stitching" in html
    assert "Either feature taken out" in html


@pytest.mark.slow
def test_the_demo_pair_lies_between(config, tmp_path):
    """One function at a time; each brings what it needs."""
    for name in FUNCTIONS:
        asked = {name: SMALL | {"pairs": 40} if name == "substitution" else {}}
        run = compare(config | {"function": asked}, out=tmp_path / "run", progress=False)
        assert run.holds("transfer") == (name != "logit_weights")
        for other in FUNCTIONS:
            if other != name and not (name == "substitution" and other == "logit_weights"):
                with pytest.raises(InputError, match=f"give its configuration function: {other}"):
                    getattr(run, "function" if other == "logit_weights" else other)
        if name == "stitching":
            rows = run.stitching[run.stitching.what == "states"].set_index(["direction", "map", "null"])
            for direction in ("a_to_b", "b_to_a"):
                real = rows.loc[(direction, "orthogonal", ""), "recovered_mean"]
                assert 0.3 < real < 0.99
                assert rows.loc[(direction, "orthogonal", "shifted text"), "recovered_mean"] < real - 0.3
        else:
            assert (run.function["value"] > run.function.null_mean).all()
            assert (run.function["value"] < 0.9).all()


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_features_of_an_untrained_sae_do_nothing_alike(config, demo_assets, shared, tmp_path, pooling):
    """A demo model and stories15M, which has another tokenizer, read by random features."""
    known = load_sae(demo_assets / "saes" / "small" / "blocks.2.hook_resid_post")
    W = torch.randn(288, 512, generator=torch.Generator().manual_seed(0)) / 288**0.5
    random = replace(known, W_enc=W, W_dec=W.T.contiguous(), b_enc=torch.zeros(512), b_dec=torch.zeros(288))
    config = copy.deepcopy(config)
    config["b"] = {"model": str(shared / "models" / "stories15M"), "saes": {2: random}, "layers": [2]}
    config["corpus"] |= {"pooling": pooling}
    function = config["function"] | {"stitching": {"maps": "ridge"}, "substitution": SMALL | {"pairs": 24}}
    run = compare(config | {"function": function, "force": True}, out=tmp_path / "run", progress=False)
    rows = run.stitching.set_index(["direction", "map", "null", "what"])
    for direction in ("a_to_b", "b_to_a"):
        assert rows.loc[(direction, "ridge", "", "states"), "recovered_mean"] > 0.4
        assert rows.loc[(direction, "orthogonal", "random rotation", "states"), "recovered_mean"] < 0.1
    assert (rows.places < 400).all()
    table = run.function.set_index("question")
    assert table.loc["logit_weights", "tokens"] == 2722
    assert abs(table.loc["logit_weights", "value"]) < 0.05
    assert table.loc["ablation", "value"] < 0.15
    assert table.loc["substitution", "value"] < 0.1
    assert (table.p > 0.01).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"function": "stiching"}, "did you mean 'stitching'"),
        ({"function": ["stitching", {"stitching": {}}]}, "names 'stitching' twice"),
        ({"function": {"stitching": {"maps": []}}}, "name at least one value"),
        ({"function": {"logit_weights": {"draws": 5}}}, "from 19"),
        ({"function": {"substitution": {"pairs": 1}}}, "from 2"),
        ({"function": {"substitution": {"map": "rotation"}}}, "map='rotation'"),
        ({"function": {"substitution": {"map": "identity"}}}, "the states have widths 96 and 192"),
        ({"function": "logit_weights", "b": {"features": "neurons"}}, "logit_weights needs SAEs, and b has"),
        ({"function": "substitution", "b": {"features": "neurons"}}, "substitution needs SAEs, and b has"),
        ({"function": "stitching", "corpus": {"documents": 2}}, "the text has 2 documents that both models"),
    ],
)
def test_what_cannot_be_asked_is_one_line(config, tmp_path, change, words):
    changed = copy.deepcopy(config)
    for name, value in change.items():
        if name == "b":
            changed["b"] = {"model": changed["b"]["model"], "layers": [2], **value}
        else:
            changed[name] = {**changed[name], **value} if name == "corpus" else value
    with pytest.raises(CongruenceError) as refused:
        compare(changed, out=tmp_path / "run", progress=False)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
