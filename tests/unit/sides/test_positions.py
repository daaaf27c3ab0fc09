"""Which positions count: BOS as SAEs were trained with it, leading tokens, attention sinks."""

import json
import shutil

import numpy as np
import pytest
import torch

import tiny_models
from congruence.config.parsing import parse_config
from congruence.doctor import diagnose
from congruence.errors import ConfigError, CorpusError, ModelError
from congruence.saes import load_sae
from congruence.sides.corpus import read_text
from congruence.sides.side import open_sides
from congruence.storage import Memo

TEXTS = [text.replace("\n\n", " ") for text in tiny_models.TEXTS]


def save_sae(folder, d, **metadata):
    """A ReLU SAE with features ±e_i: it fires on everything, and on a sink alone with the sink's own feature."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    rows = torch.cat([torch.eye(d), -torch.eye(d)])
    weights = {
        "W_enc": rows.T.contiguous(),
        "W_dec": rows,
        "b_enc": torch.zeros(2 * d),
        "b_dec": torch.zeros(d),
    }
    save_file(weights, folder / "sae_weights.safetensors")
    config = {
        "architecture": "standard", "d_in": d, "d_sae": 2 * d, "dtype": "float32", "normalize_activations": "none",
        "apply_b_dec_to_input": False, "metadata": {"hook_name": "blocks.1.hook_resid_post", **metadata},
    }  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Two models without BOS of their own; what GPT-2 has at its first position is a hundred times as long."""
    base = tmp_path_factory.mktemp("positions")
    (base / "text.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in TEXTS))
    for seed, name in enumerate(("one", "two")):
        module = tiny_models.module("gpt2", seed=seed)
        with torch.no_grad():
            module.transformer.wpe.weight[0, 5 + seed] += 300
        module.save_pretrained(base / name)
        tiny_models.tokenizer(TEXTS).save_pretrained(base / name)
    tiny_models.save(base / "plain", "llama")
    tiny_models.tokenizer(TEXTS).save_pretrained(base / "plain")
    save_sae(base / "says nothing", 32)
    save_sae(base / "with bos", 32, prepend_bos=True)
    save_sae(base / "without bos", 32, prepend_bos=False)
    return base


def config(base, a="one", b="two", saes_a="says nothing", saes_b="says nothing", **corpus):
    sides = {
        name: {"model": str(base / model), "saes": {1: str(base / saes)}, "layers": [1]}
        for name, model, saes in (("a", a, saes_a), ("b", b, saes_b))
    }
    return parse_config({**sides, "corpus": {"path": str(base / "text.jsonl"), "max_tokens": 24, **corpus}})


def text_of(config, memo=None):
    sides = open_sides(config, memo)
    return read_text(config.corpus, sides["a"], sides["b"], memo=memo)


class TestSinks:
    def test_leading_sinks_are_left_out_by_default(self, base):
        text = text_of(config(base))
        assert text.positions["leading_sinks"] == {"a": 1, "b": 1}
        assert text.positions["left_out_of_each_row"] == 1
        assert not text.tokens["a"].keep[:, 0].any()
        np.testing.assert_array_equal(text.tokens["a"].keep[:, 1:], text.tokens["a"].attention_mask[:, 1:])

    def test_they_can_be_kept(self, base):
        text = text_of(config(base, sinks="keep"))
        assert text.tokens["a"].keep[:, 0].all()
        assert text.tokens["a"].key != text_of(config(base)).tokens["a"].key

    def test_one_side_with_sinks_is_enough(self, base):
        text = text_of(config(base, b="plain"))
        assert text.positions["leading_sinks"] == {"a": 1, "b": 0}
        np.testing.assert_array_equal(text.tokens["a"].keep, text.tokens["b"].keep)

    def test_a_model_without_sinks_loses_nothing(self, base):
        text = text_of(config(base, a="plain", b="plain"))
        assert text.positions["left_out_of_each_row"] == 0
        assert (
            text.tokens["a"].key == text_of(config(base, a="plain", b="plain", sinks="keep")).tokens["a"].key
        )

    def test_the_answer_is_kept(self, base, tmp_path, monkeypatch):
        first = text_of(config(base), Memo(tmp_path))
        monkeypatch.setattr("congruence.models.load.StoredModel.module", None)
        again = text_of(config(base), Memo(tmp_path))
        assert again.tokens["a"].key == first.tokens["a"].key

    def test_the_doctor_says_what_they_do(self, base):
        kept = {r.check: r for r in diagnose(config(base, sinks="keep"), sample_tokens=400) if r.side != "b"}
        assert kept["attention sinks"].status == "warning"
        assert kept["attention sinks"].figures["share_of_squared_norm"] > 0.9
        assert "set corpus.sinks to mask" in kept["attention sinks"].line
        effect = kept["effect of sinks"].figures
        assert effect["perfect"] > effect["perfect_masked"]
        masked = {r.check: r for r in diagnose(config(base), sample_tokens=400) if r.side != "b"}
        assert masked["attention sinks"].status == "ok"
        assert masked["attention sinks"].figures["share_of_squared_norm_counted"] == 0

    def test_without_sinks_the_doctor_has_no_effect_to_tell(self, base):
        records = diagnose(config(base, a="plain", b="plain"), sample_tokens=200)
        assert "effect of sinks" not in {record.check for record in records}


class TestSkipFirst:
    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_tokens_of_each_row(self, base, count):
        text = text_of(config(base, a="plain", b="plain", skip_first=count))
        keep = text.tokens["a"].keep
        assert not keep[:, :count].any()
        np.testing.assert_array_equal(keep[:, count:], text.tokens["a"].attention_mask[:, count:])

    def test_special_tokens_are_not_among_them(self, base):
        text = text_of(config(base, a="plain", b="plain", skip_first=2, prepend_bos=True))
        assert not text.tokens["a"].keep[:, :3].any()
        assert text.tokens["a"].keep[:, 3].all()

    def test_nothing_left(self, base):
        with pytest.raises(CorpusError, match="skip_first leaves out the first 30 token"):
            text_of(config(base, skip_first=30))


class TestBos:
    @pytest.mark.parametrize(
        ("value", "expected"), [("yes", True), ("no", False), (True, True), (False, False), ("Yes", True)]
    )
    def test_as_configured(self, base, value, expected):
        text = text_of(config(base, a="plain", b="plain", saes_a="with bos", prepend_bos=value))
        assert bool((text.tokens["a"].input_ids[:, 0] == 1).all()) == expected

    @pytest.mark.parametrize(
        ("saes", "expected"), [("with bos", True), ("without bos", False), ("says nothing", False)]
    )
    def test_as_the_saes_were_trained(self, base, saes, expected):
        text = text_of(config(base, a="plain", b="plain", saes_a=saes, saes_b=saes))
        assert bool((text.tokens["a"].input_ids[:, 0] == 1).all()) == expected

    def test_sides_that_differ_still_correspond(self, base):
        text = text_of(
            config(base, a="plain", b="one", saes_a="with bos", saes_b="without bos", sinks="keep")
        )
        assert text.alignment is None
        assert text.positions["prepend_bos"] == {"a": True, "b": False}
        np.testing.assert_array_equal(text.tokens["a"].token_ids, text.tokens["b"].token_ids)
        np.testing.assert_array_equal(text.tokens["a"].documents, text.tokens["b"].documents)
        assert text.tokens["a"].length == 24

    @pytest.mark.parametrize("packed", [True, False])
    def test_one_model_with_and_without(self, base, packed):
        text = text_of(config(base, a="plain", b="plain", saes_a="with bos", packed=packed))
        assert text.tokens["a"] is not text.tokens["b"]
        np.testing.assert_array_equal(text.tokens["a"].token_ids, text.tokens["b"].token_ids)

    def test_saes_of_one_side_that_disagree(self, base, tmp_path):
        made = config(base, a="plain", b="plain").model_copy()
        side = made.a.model_copy(
            update={"saes": {0: str(base / "with bos"), 1: str(base / "without bos")}, "layers": [0, 1]}
        )
        with pytest.raises(ConfigError, match=r"set corpus\.prepend_bos to yes or no"):
            text_of(made.model_copy(update={"a": side}))

    def test_a_tokenizer_without_bos(self, base, tmp_path):
        shutil.copytree(base / "plain", tmp_path / "none")
        path = tmp_path / "none" / "tokenizer_config.json"
        kept = {k: v for k, v in json.loads(path.read_text()).items() if k != "bos_token"}
        path.write_text(json.dumps(kept))
        none = f"{tmp_path.name}/none"
        made = config(tmp_path.parent, a=none, b=none, saes_a=str(base / "with bos"),
                      saes_b=str(base / "with bos"), path=str(base / "text.jsonl"))  # fmt: skip
        assert text_of(made).positions["prepend_bos"] == {"a": "tokenizer", "b": "tokenizer"}
        explicit = made.model_copy(update={"corpus": made.corpus.model_copy(update={"prepend_bos": True})})
        with pytest.raises(ModelError, match="has no BOS token: leave prepend_bos out"):
            text_of(explicit)

    @pytest.mark.parametrize("value", ["maybe", 3, None, [True]])
    def test_other_words(self, base, value):
        with pytest.raises(ConfigError, match="write auto, yes or no"):
            config(base, prepend_bos=value)

    def test_what_a_file_says_reaches_the_side(self, base):
        assert load_sae(base / "with bos").metadata["metadata"]["prepend_bos"] is True
