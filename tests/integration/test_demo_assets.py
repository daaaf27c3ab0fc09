"""What the package carries: whole, small enough, read by our readers, and as good as its record says."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

import congruence
from congruence.models import load_corpus, load_model, tokenize
from congruence.saes import find_sae, list_saes
from congruence.saes.fit import FitMeter

ASSETS = Path(congruence.__file__).parent / "assets" / "demo"
SIDES = {"small": ("saelens", 96), "large": ("sparsify", 192)}


@pytest.fixture(scope="module")
def record():
    return json.loads((ASSETS / "demo.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def models():
    return {size: load_model(ASSETS / size) for size in SIDES}


def test_files_are_those_of_the_record(record):
    files = {
        path.relative_to(ASSETS).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in ASSETS.rglob("*")
        if path.is_file() and path.name != "demo.json"
    }
    assert files == record["sha256"]


def test_everything_together_fits_into_20_mb():
    assert sum(path.stat().st_size for path in ASSETS.rglob("*") if path.is_file()) <= 20_000_000


def test_one_model_has_four_times_the_parameters_of_the_other(record):
    small, large = (record["language_models"][size]["non_embedding_parameters"] for size in SIDES)
    assert large / small == pytest.approx(4, rel=0.05)
    assert (
        record["language_models"]["small"]["recipe"]["seed"]
        != record["language_models"]["large"]["recipe"]["seed"]
    )


def test_both_models_share_one_tokenizer(models):
    text = "Once upon a time, Lily's dog ran — very fast!\n"
    ids = [models[size].tokenizer(text)["input_ids"] for size in SIDES]
    assert ids[0] == ids[1]
    assert ids[0][0] == models["small"].tokenizer.bos_token_id
    assert models["small"].tokenizer.decode(ids[0][1:]) == text


def test_comparison_text_has_about_100_000_tokens(models):
    corpus = load_corpus(ASSETS / "text" / "comparison.jsonl")
    tokens = tokenize(corpus, models["small"].tokenizer, max_tokens=256)
    assert tokens.n == pytest.approx(100_000, rel=0.1)


@pytest.mark.parametrize("size", SIDES)
def test_an_sae_for_every_layer_in_the_other_tools_format(size):
    format_name, width = SIDES[size]
    entries = list_saes(ASSETS / "saes" / size)
    assert sorted(entry.layer for entry in entries) == [0, 1, 2, 3, 4]
    for entry in [*entries, *list_saes(ASSETS / "saes" / f"{size}-seed1")]:
        assert (entry.format, entry.d_in) == (format_name, width)
        assert entry.d_sae >= 8 * width
        assert entry.hook_point.kind == "resid_post"


@pytest.mark.parametrize("size", SIDES)
def test_saes_reconstruct_unseen_text_as_the_record_says(models, record, size):
    corpus = load_corpus(ASSETS / "text" / "comparison.jsonl", documents=16)
    tokens = tokenize(corpus, models[size].tokenizer, max_tokens=256)
    hooks = {layer: f"resid_post.{layer}" for layer in range(5)}
    states = models[size].capture(
        torch.from_numpy(tokens.input_ids), torch.from_numpy(tokens.attention_mask), list(hooks.values())
    )
    recorded = {find_sae(ASSETS / "saes" / size, layer, "resid_post").sae_id: layer for layer in hooks}
    for sae_id, layer in recorded.items():
        meter = FitMeter(find_sae(ASSETS / "saes" / size, layer, "resid_post").load())
        meter.update(states[hooks[layer]][torch.from_numpy(tokens.keep)])
        quality = record["saes"][f"saes/{size}/{sae_id}"]
        assert meter.result().fvu == pytest.approx(quality["fvu"], rel=0.15)
        assert quality["fvu"] < 0.2
        assert quality["dead_share"] < 0.05


@pytest.mark.parametrize("size", SIDES)
def test_models_predict_unseen_text_as_well_as_recorded(models, record, size):
    corpus = load_corpus(ASSETS / "text" / "comparison.jsonl", documents=16)
    tokens = tokenize(corpus, models[size].tokenizer, max_tokens=256)
    losses = []
    with torch.no_grad():
        for ids, mask in zip(tokens.input_ids, tokens.attention_mask, strict=True):
            row = torch.from_numpy(ids[mask]).long()[None]
            losses.append((models[size].module(input_ids=row, labels=row).loss.item(), row.shape[1] - 1))
    loss = np.average([loss for loss, _ in losses], weights=[n for _, n in losses])
    assert loss == pytest.approx(record["language_models"][size]["held_out_loss"], abs=0.1)
