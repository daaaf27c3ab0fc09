"""Sides know models and SAEs by key and size, and load them when something is to be captured."""

import shutil

import numpy as np
import pytest

import congruence.models.load as loading
from congruence.activations import KnownSae, capture_together, sae_key, stored_already
from congruence.config.parsing import resolve
from congruence.doctor import diagnose
from congruence.models import rerandomize, rerandomized
from congruence.recipes.demo import demo_folder
from congruence.saes import Sae
from congruence.sides.corpus import read_text
from congruence.sides.side import known_saes, open_sides
from congruence.sides.variants import VARIANTS, controls, variant_of
from congruence.storage import Memo

DEMO = demo_folder()


CONTROLS = ["other_seed", "rerandomized", "untrained_sae", "frozen_decoder", "neurons"]


def config(**b):
    side = {"model": str(DEMO / "small"), "saes": str(DEMO / "saes" / "small")}
    corpus = {"path": str(DEMO / "text" / "comparison.jsonl"), "documents": 10, "max_tokens": 64}
    return resolve({"a": side | {"layers": [1, 2]}, "b": side | b, "corpus": corpus}, {})


@pytest.fixture
def loads(monkeypatch):
    """Grows by what is loaded."""
    found = []
    module, tokenizer = loading.StoredModel.module, loading.StoredModel.tokenizer
    to = Sae.to
    monkeypatch.setattr(loading.StoredModel, "module", lambda self: (found.append("model"), module(self))[1])
    monkeypatch.setattr(
        loading.StoredModel, "tokenizer", lambda self: (found.append("tokenizer"), tokenizer(self))[1]
    )
    monkeypatch.setattr(Sae, "to", lambda self, *args: (found.append("sae"), to(self, *args))[1])
    return found


def test_a_model_that_both_sides_name_is_opened_once(loads):
    sides = open_sides(config(layers=[0]))
    assert sides["a"].model is sides["b"].model
    assert loads.count("model") == 1
    text = read_text(config().corpus, sides["a"], sides["b"])
    assert text.tokens["a"] is text.tokens["b"]
    assert loads.count("tokenizer") == 1


def test_a_model_under_another_path_is_the_same(loads, tmp_path):
    (tmp_path / "link").symlink_to(DEMO / "small")
    sides = open_sides(config(layers=[0], model=str(tmp_path / "link")))
    assert sides["a"].model is sides["b"].model
    assert loads.count("model") == 1


def test_the_doctor_opens_it_once_too(loads):
    records = diagnose(config(layers=[1]), sample_tokens=100)
    assert loads.count("model") == 1
    assert {record.side for record in records if record.check == "fit"} == {"a", "b"}


def test_another_dtype_is_another_model():
    sides = open_sides(config(dtype="bfloat16"))
    assert sides["a"].model is not sides["b"].model
    assert sides["a"].model.key != sides["b"].model.key


def test_what_is_known_is_not_loaded_again(loads, tmp_path):
    first = open_sides(config(), Memo(tmp_path))
    text = read_text(config().corpus, first["a"], first["b"], memo=Memo(tmp_path))
    assert {"model", "tokenizer", "sae"} <= set(loads)
    loads.clear()
    again = open_sides(config(), Memo(tmp_path))
    tokens = read_text(config().corpus, again["a"], again["b"], memo=Memo(tmp_path)).tokens["a"]
    assert loads == []
    assert tokens.key == text.tokens["a"].key
    assert tokens.texts == text.tokens["a"].texts
    np.testing.assert_array_equal(tokens.spans, text.tokens["a"].spans)
    assert again["b"].layers == first["b"].layers == (0, 1, 2, 3, 4)
    assert again["a"].model.d_model == 96
    assert known_saes(again["a"].saes)[1].d_sae == first["a"].saes[1].d_sae


def test_a_changed_sae_is_seen(tmp_path):
    shutil.copytree(DEMO / "saes" / "small", tmp_path / "saes")
    changed = config(saes=str(tmp_path / "saes"), layers=[1])
    key = known_saes(open_sides(changed, Memo(tmp_path / "memo"))["b"].saes)[1].key
    assert key == known_saes(open_sides(config())["a"].saes)[1].key
    weights = "sae_weights.safetensors"
    shutil.copy(
        DEMO / "saes" / "small" / "blocks.2.hook_resid_post" / weights,
        tmp_path / "saes" / "blocks.1.hook_resid_post" / weights,
    )
    assert known_saes(open_sides(changed, Memo(tmp_path / "memo"))["b"].saes)[1].key != key


def test_controls_are_all_that_are_registered(monkeypatch):
    assert controls() == CONTROLS
    monkeypatch.setattr(VARIANTS, "_entries", {**VARIANTS._entries, "ours": VARIANTS.get("real")})
    assert controls() == [*CONTROLS, "ours"]


@pytest.mark.parametrize("control", ["real", "rerandomized"])
def test_neurons_have_no_sae_in_any_control(control):
    side = open_sides(config(features="neurons", hook="mlp_hidden", layers=[1]))["b"]
    assert variant_of(side, control, 0).saes == {1: None}


def test_an_untrained_sae_is_drawn_when_it_is_loaded(loads):
    side = open_sides(config())["a"]
    loads.clear()
    one, other = (variant_of(side, "untrained_sae", seed).saes[1] for seed in (0, 1))
    assert loads == []
    assert one.key != other.key
    assert sae_key(one.load()) == sae_key(one.load())
    np.testing.assert_array_equal(one.decoder(), one.load().W_dec.numpy())


def test_late_and_immediate_draws_of_weights_are_the_same():
    model = open_sides(config())["a"].model
    now = rerandomize(model, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    late = rerandomized(model, rng)
    rng.random(5)
    assert late.key == now.key
    for _ in range(2):
        for mine, theirs in zip(late.module.parameters(), now.module.parameters(), strict=True):
            np.testing.assert_array_equal(mine.detach().numpy(), theirs.detach().numpy())
        late.let_go()


def test_a_model_let_go_of_is_loaded_again(loads):
    side = open_sides(config())["a"]
    before = [parameter.sum().item() for parameter in side.model.module.parameters()]
    side.let_go()
    assert side.model.n_layers == 5
    assert loads.count("model") == 1
    assert [parameter.sum().item() for parameter in side.model.module.parameters()] == before


class TestCapture:
    def test_sae_that_is_known_is_loaded_for_what_is_missing_alone(self, tmp_path):
        sides = open_sides(config(layers=[1]))
        tokens = read_text(config().corpus, sides["a"], sides["b"]).tokens["a"]
        loaded = []
        sae = sides["a"].saes[1]
        known = KnownSae("k", sae.d_in, sae.d_sae, "", lambda: (loaded.append(1), sae)[1], sae.W_dec.numpy)
        model, request = sides["a"].model, {"resid_post.1": known}
        assert stored_already(model, tokens, request, tmp_path) == {"resid_post.1": None}
        (first,) = capture_together(model, tokens, [request], tmp_path)
        (again,) = capture_together(model, tokens, [request], tmp_path)
        assert loaded == [1]
        found = stored_already(model, tokens, request, tmp_path)["resid_post.1"]
        assert found.key == first["resid_post.1"].key == again["resid_post.1"].key

    def test_saes_beyond_the_limit_go_through_the_text_in_turn(self, tmp_path, monkeypatch):
        from congruence.activations import capture

        sides = open_sides(config(layers=[1]))
        tokens = read_text(config().corpus, sides["a"], sides["b"]).tokens["a"]
        request = {f"resid_post.{layer}": sae for layer, sae in known_saes(sides["a"].saes).items()}
        (together,) = capture_together(sides["a"].model, tokens, [request], tmp_path / "together")
        monkeypatch.setattr(capture, "SAE_BYTES", 1)
        told = []
        (apart,) = capture_together(
            sides["a"].model, tokens, [request], tmp_path / "apart", progress=lambda *done: told.append(done)
        )
        assert told[-1] == (2 * tokens.n, 2 * tokens.n)
        for name, store in together.items():
            assert (store.to_csr() != apart[name].to_csr()).nnz == 0
