"""A preflight looks at little where all is well, thoroughly where it isn't, and refuses what doesn't fit the machine."""

import pytest
import torch

from congruence.config.parsing import resolve
from congruence.doctor import cost, diagnose, preflight
from congruence.errors import SaeError
from congruence.models import LanguageModel
from congruence.saes import Sae
from congruence.sides.corpus import read_text
from congruence.sides.sample import brief_sample
from congruence.sides.side import open_sides
from quick_first import quick_first


def opened(config):
    resolved = resolve(config, {})
    sides = open_sides(resolved)
    return resolved, sides, read_text(resolved.corpus, sides["a"], sides["b"])


@pytest.fixture
def encoded(monkeypatch):
    """Grows by the tokens that SAEs encode."""
    seen = []
    linear = Sae.linear
    monkeypatch.setattr(Sae, "linear", lambda self, x: (seen.append(len(x)), linear(self, x))[1])
    return seen


@pytest.fixture
def forward(monkeypatch):
    """Grows by the positions that go through a model."""
    seen = []
    capture = LanguageModel.capture
    monkeypatch.setattr(
        LanguageModel,
        "capture",
        lambda self, ids, *rest: (seen.append(ids.numel()), capture(self, ids, *rest))[1],
    )
    return seen


def test_a_look_at_right_saes_costs_little(small_config, encoded, forward):
    small_config["corpus"] |= {"documents": 300}
    config, sides, text = opened(small_config)
    del encoded[:], forward[:]
    records = preflight(config, sides, text)
    assert {record.status for record in records if record.check == "fit"} == {"ok"}
    saes = sum(len(side.saes) + len(side.other_seed) for side in sides.values())
    tokens = sum(t.attention_mask.sum() for t in text.tokens.values())
    assert sum(encoded) < 0.05 * saes * tokens / 2
    assert sum(forward) < 0.02 * tokens


@pytest.mark.parametrize("wrong", quick_first([0, 3, 4]))
def test_a_wrong_layer_is_seen_and_examined_thoroughly(small_config, encoded, wrong):
    right = f"{small_config['a']['saes']}/blocks.{wrong}.hook_resid_post"
    small_config["a"] |= {"saes": {2: right}, "layers": [2]}
    del small_config["a"]["other_seed"]
    config, sides, text = opened(small_config)
    with pytest.raises(SaeError, match=rf"fits block {wrong}'s output better"):
        preflight(config, sides, text)
    assert max(encoded) >= 1000


def test_one_model_and_saes_on_both_sides_are_looked_at_once(small_config, encoded, forward):
    small_config["b"] = dict(small_config["a"])
    config, sides, text = opened(small_config)
    assert sides["a"].model is sides["b"].model
    assert text.samples["a"] is text.samples["b"]
    assert sides["a"].saes[1] is sides["b"].saes[1]
    del encoded[:], forward[:]
    records = preflight(config, sides, text)
    both = sum(encoded)
    assert [r.side for r in records if r.check == "fit"].count("b") == 3
    del encoded[:]
    single = dict(small_config, b=demo_large(small_config))
    config, sides, text = opened(single)
    del encoded[:]
    preflight(config, sides, text)
    assert both < sum(encoded)


def demo_large(config):
    side = dict(config["a"])
    return {
        name: value.replace("small", "large") if isinstance(value, str) else value
        for name, value in side.items()
    }


def test_the_brief_sample_is_a_small_part_of_several_rows(small_config):
    _, sides, text = opened(small_config)
    sample = brief_sample(sides["a"].model, text.tokens["a"])
    rows, length = sample.tokens.input_ids.shape
    assert rows >= 4
    assert rows * length <= 150


@pytest.mark.parametrize(("memory", "status"), quick_first([(1 << 20, "error"), (1 << 45, None)]))
def test_memory_of_the_machine(small_config, monkeypatch, memory, status):
    monkeypatch.setattr(cost, "memory_bytes", lambda: memory)
    records = {(r.check, r.status) for r in diagnose(small_config, sample_tokens=200)}
    assert (("memory", "error") in records) == (status == "error")
    assert (("memory", "warning") in records) == (status == "error")


@pytest.mark.slow
def test_the_estimate_counts_models_saes_and_measures(small_config):
    def figures(**changes):
        config = resolve({**small_config, **changes}, {})
        (found,) = [r for r in diagnose(config, sample_tokens=200) if r.check == "cost"]
        return found.figures

    plain, few = figures(), figures(measures=["mean_cosine"])
    assert plain["grid_memory_bytes"] > few["grid_memory_bytes"]
    sides = open_sides(resolve(small_config, {}))
    weights = sum(p.numel() * 4 for side in sides.values() for p in side.model.module.parameters())
    assert plain["capture_memory_bytes"] > weights
    assert torch.isfinite(torch.tensor(list(plain.values()))).all()
