"""Two models whose tokenizers differ, compared on the units of text that both can be cut into."""

import json
import shutil

import pytest

from congruence.errors import ModelError
from congruence.report import summary, write_figures
from congruence.run import compare
from quick_first import quick_first


@pytest.fixture
def other_tokenizer(demo_assets, tmp_path):
    """The large model with a tokenizer that knows only the first half of the merges."""
    folder = shutil.copytree(demo_assets / "large", tmp_path / "large")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    merges = tokenizer["model"]["merges"]
    tokenizer["model"]["merges"] = merges[: len(merges) // 2]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


@pytest.fixture
def config(small_config, other_tokenizer):
    small_config["b"] |= {"model": str(other_tokenizer), "layers": [2]}
    for side in "ab":
        del small_config[side]["other_seed"]
    small_config["corpus"] |= {"documents": 30}
    return small_config


@pytest.mark.parametrize("pooling", quick_first(["mean", "last"]))
def test_a_run_on_aligned_units(config, tmp_path, pooling):
    config["corpus"]["pooling"] = pooling
    run = compare(config, out=tmp_path / "run", progress=False)
    corpus = run.info["corpus"]
    assert corpus["equal_tokenizers"] is False
    assert 0.9 < corpus["coverage_a"] <= 1
    assert 0.9 < corpus["coverage_b"] <= 1
    assert corpus["kept_tokens"] < corpus["tokens"]
    scores = run.results.query("measure == 'translation_accuracy'")
    assert scores.value.notna().all()
    assert scores.p.min() < 0.05
    said = " ".join(text.plain for text in summary(run.path)._lines(100))
    assert "The tokenizers differ" in said
    assert f"{corpus['coverage_a']:.1%} of demo-small's" in said
    kept = run.matches.query("kept")
    assert all(set(a) & set(b) for a, b in zip(kept.top_tokens_a, kept.top_tokens_b, strict=True))


def test_without_a_pooling_it_is_refused(config, tmp_path):
    with pytest.raises(ModelError, match=r"different tokenizers .* corpus\.pooling"):
        compare(config, out=tmp_path / "run", progress=False)


def test_a_demo_model_against_stories15m(small_config, shared, tmp_path):
    """The hidden units of stories15M stand in for SAEs, which no folder beside the checkout holds."""
    del small_config["a"]["other_seed"]
    small_config["a"] |= {"layers": [1]}
    model = str(shared / "models" / "stories15M")
    small_config["b"] = {"model": model, "features": "neurons", "hook": "mlp_hidden", "layers": [1, 3]}
    small_config["corpus"] |= {"documents": 30, "pooling": "last"}
    run = compare(small_config, out=tmp_path / "run", progress=False)
    assert min(run.info["corpus"][f"coverage_{side}"] for side in "ab") > 0.9
    assert run.grid("rsa").shape == (1, 2)
    write_figures(run.path)
    assert list((run.path / "figures").glob("*.png"))
