"""Quirks in a whole run: what is captured, what results say, and the audit of what each one does."""

import re

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from congruence import load_run
from congruence.activations import ActivationStore
from congruence.config import parse_config
from congruence.errors import ConfigError
from congruence.recipes import demo
from congruence.recipes.audit import audit
from congruence.report.html import facts
from congruence.report.terminal import summary
from congruence.run import RunConfig, compare

OF_CAPTURE = ["unmasked_tokens", "hidden_states_before", "relu_pre_activations"]
DOCUMENTS, LENGTH, LAYER = 8, 200, 2


def small():
    """One layer pair, eight documents of different lengths."""
    config = demo(draws=19).model_dump(by_alias=True, exclude_defaults=True)
    for side in "ab":
        del config[side]["other_seed"]
        config[side]["layers"] = [LAYER]
    config["corpus"] |= {"documents": DOCUMENTS, "max_tokens": LENGTH}
    return config


@pytest.fixture(scope="module")
def as_published_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("published")
    return compare(small() | {"quirks": OF_CAPTURE}, out=out, progress=False)


def test_captured_is_the_relu_of_what_the_block_takes_in(as_published_run, demo_assets):
    """hidden_states[i] of transformers, padding included, through the encoder alone."""
    import json

    lines = (demo_assets / "text" / "comparison.jsonl").read_text().splitlines()[:DOCUMENTS]
    tokenizer = AutoTokenizer.from_pretrained(demo_assets / "large")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    encoded = tokenizer(
        [json.loads(line)["text"] for line in lines],
        padding=True, truncation=True, max_length=LENGTH, return_tensors="pt",
    )  # fmt: skip
    model = AutoModelForCausalLM.from_pretrained(demo_assets / "large", dtype=torch.float32)
    with torch.no_grad():
        kept = {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}
        states = model(**kept, output_hidden_states=True).hidden_states[LAYER]
    sae = load_file(demo_assets / "saes" / "large" / f"layers.{LAYER}" / "sae.safetensors")
    weights = {name: array.astype(np.float32) for name, array in sae.items()}
    centred = states.numpy() - weights["b_dec"]
    expected = np.maximum(centred @ weights["encoder.weight"].T + weights["encoder.bias"], 0)
    folders = as_published_run.info["uses"]["activations"]
    stores = [ActivationStore.open(as_published_run.path / "activations" / name) for name in folders]
    (store,) = [store for store in stores if store.shape[1] == expected.shape[-1]]
    real = encoded["attention_mask"].numpy().astype(bool).ravel()
    found = store.to_dense()
    assert not real.all()
    assert len(found) == len(real)
    np.testing.assert_allclose(found[real], expected.reshape(len(found), -1)[real], atol=2e-3, rtol=2e-3)


def test_results_say_so_in_a_line(as_published_run, capsys):
    line = f"as published: {', '.join(OF_CAPTURE)}"
    assert as_published_run.info["as_published"] == line
    assert as_published_run.config["quirks"] == OF_CAPTURE
    assert as_published_run.config["a"]["hook_offset"] == -1
    from rich.console import Console

    Console(width=300).print(summary(as_published_run))
    assert line.capitalize() in capsys.readouterr().out
    assert ("As published", ", ".join(OF_CAPTURE)) in facts(as_published_run)


@pytest.mark.slow
def test_audit(tmp_path):
    config = RunConfig.model_validate(small())
    quirks = ["keep_first", "one_component_svcca", "hidden_states_before", "whole_token_keywords"]
    result = audit(config, quirks, tmp_path, progress=False)
    table = result.table.set_index(["variant", "measure"])
    assert list(result.table.variant.unique()) == ["none", *quirks, "all"]
    svcca = "svcca(n_components=n/10)"
    assert table.loc[("one_component_svcca", svcca), "score"] == pytest.approx(
        table.loc[("none", "pc1_correlation"), "score"]
    )
    assert not table.loc[("whole_token_keywords", "rsa"), "applies"]
    assert table.loc[("keep_first", "rsa"), "change"] != 0
    assert (table.loc["all", "applies"]).all()
    for variant, key in result.configurations.items():
        run = load_run(tmp_path, configuration=key)
        rsa = run.results[run.results.measure == "rsa"].value.mean()
        assert table.loc[(variant, "rsa"), "score"] == pytest.approx(rsa)
    assert load_run(tmp_path).config["quirks"] == []
    # two sides, as they are and one block off: each is captured once for all variants
    assert len(list((tmp_path / "activations").glob("resid_post*"))) == 4
    page = (tmp_path / "audit.md").read_text()
    assert page == result.markdown()
    assert re.search(r"\| `whole_token_keywords` \| – \|", page)
    assert all(f"| `{name}` |" in page for name in quirks)


@pytest.mark.parametrize(
    ("quirks", "told"),
    [([], "give a list"), ("ddof", "give a list"), (["dof"], "did you mean 'ddof'")],
)
def test_what_can_t_be_audited_is_said(tmp_path, quirks, told):
    with pytest.raises(ConfigError, match=told):
        audit(RunConfig.model_validate(small()), quirks, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_as_published_configuration_isn_t_audited(tmp_path):
    with pytest.raises(ConfigError, match="give the one without"):
        audit(parse_config(small() | {"quirks": ["ddof"]}), ["ddof"], tmp_path)
