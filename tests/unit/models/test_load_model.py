"""Where models come from, what their keys depend on, and one line for every way to fail."""

import importlib.util
import json
import shutil

import pytest
import torch

import tiny_models
from congruence.errors import InputError, ModelError
from congruence.models import load_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_models.save(tmp_path_factory.mktemp("load") / "tiny", "llama")


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def fails(where, match, **options):
    with pytest.raises(ModelError, match=match) as caught:
        load_model(where, **options)
    assert "\n" not in str(caught.value)


def test_folder(folder):
    model = load_model(str(folder))
    assert model.name == "tiny"
    assert type(model.module).__name__ == "LlamaForCausalLM"
    assert not model.module.training
    assert next(model.module.parameters()).dtype == torch.float32


def test_masked_model_is_recognised(tmp_path):
    model = load_model(tiny_models.save(tmp_path / "bert", "bert"))
    assert type(model.module).__name__ == "BertForMaskedLM"


def test_key_is_of_the_content(folder, copy):
    key = load_model(folder).key
    assert load_model(copy).key == key
    (copy / "notes.md").write_text("not part of the model")
    assert load_model(copy).key == key
    tiny_models.tokenizer(tiny_models.TEXTS[:1]).save_pretrained(copy)
    assert load_model(copy).key != key


def test_key_depends_on_weights_and_dtype(folder, tmp_path):
    key = load_model(folder).key
    assert load_model(tiny_models.save(tmp_path / "other", "llama", seed=1)).key != key
    half = load_model(folder, dtype="bfloat16")
    assert half.key != key
    assert (
        half.capture(torch.tensor([[4, 5]]), None, ["resid_post.0"])["resid_post.0"].dtype == torch.bfloat16
    )


def test_checkpoint_dtype_only_when_asked_for(copy):
    tiny_models.module("llama").half().save_pretrained(copy)
    assert next(load_model(copy).module.parameters()).dtype == torch.float32
    assert next(load_model(copy, dtype="auto").module.parameters()).dtype == torch.float16


def test_device_map(folder):
    pytest.importorskip("accelerate")
    ids = torch.arange(4, 16).reshape(2, 6)
    plain = load_model(folder).capture(ids, None, ["resid_post.2"])
    mapped = load_model(folder, device_map="cpu").capture(ids, None, ["resid_post.2"])
    assert torch.equal(plain["resid_post.2"], mapped["resid_post.2"])


@pytest.mark.parametrize("option", ["device", "device_map"])
@pytest.mark.parametrize("value", ["cuda:99", "mps:7", "toaster", "meta", "xpu"])
def test_a_device_that_isn_t_there(folder, option, value):
    if value == "mps:7" and torch.backends.mps.is_available():
        pytest.skip("this machine has it")
    with pytest.raises(ModelError, match=f"device '{value}' can't be used: .*there is .*cpu.*: ") as caught:
        load_model(folder, **{option: value})
    assert "\n" not in str(caught.value)


def hub_cache(folder, cache, commit):
    """A cache as the Hub's library leaves it after a download."""
    repository = cache / "models--someone--tiny"
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(commit)


def test_hub_id_from_the_cache_offline(folder, tmp_path):
    hub_cache(folder, tmp_path, "a" * 40)
    model = load_model("someone/tiny", cache_dir=tmp_path)
    assert model.name == "someone/tiny"
    assert load_model("someone/tiny", cache_dir=tmp_path, revision="main").key == model.key
    hub_cache(folder, tmp_path, "b" * 40)
    assert load_model("someone/tiny", cache_dir=tmp_path).key != model.key
    assert load_model("someone/tiny", cache_dir=tmp_path, revision="a" * 40).key == model.key


def test_nothing_there(tmp_path):
    fails(tmp_path / "nope", "doesn't exist")
    fails("./nope", "doesn't exist")
    fails("nobody/has-this-model", "no folder here.*isn't in the Hub's cache")


def test_folder_without_a_model(tmp_path):
    (tmp_path / "readme.txt").write_text("nothing")
    fails(tmp_path, r"no config.json and no GGUF file")
    fails(tmp_path / "readme.txt", "is a file")


def test_broken_config(copy):
    (copy / "config.json").write_text("{")
    fails(copy, "can't be loaded")


def test_truncated_weights(copy):
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    fails(copy, "can't be loaded")


def test_no_weights(copy):
    (copy / "model.safetensors").unlink()
    fails(copy, "can't be loaded")


def test_weights_of_another_shape(copy):
    edit_config(copy, intermediate_size=64)
    fails(copy, r"lacks 9 weights")


def test_missing_weights_are_not_filled_with_noise(copy):
    edit_config(copy, num_hidden_layers=4)
    fails(copy, r"lacks \d+ weights")


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_weights_without_a_head_will_do(tmp_path, family):
    full = tiny_models.module(family)
    full.base_model.save_pretrained(tmp_path)
    tiny_models.tokenizer().save_pretrained(tmp_path)
    model = load_model(tmp_path)
    ids = torch.arange(4, 16).reshape(2, 6)
    with torch.no_grad():
        expected = full(ids, output_hidden_states=True).hidden_states[2]
    torch.testing.assert_close(model.capture(ids, None, ["resid_post.1"])["resid_post.1"], expected)


def test_quantization_without_its_library(folder):
    if importlib.util.find_spec("bitsandbytes"):
        pytest.skip("bitsandbytes is installed")
    fails(folder, "bitsandbytes|accelerate", quantization="8bit")


def test_no_tokenizer(copy):
    for path in copy.glob("tokenizer*"):
        path.unlink()
    fails(copy, "no tokenizer")


def test_not_a_language_model(copy):
    edit_config(copy, model_type="vit", architectures=["ViTModel"])
    fails(copy, "copy'.*'vit'")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"dtype": "float99"}, "float99"),
        ({"quantization": "3bit"}, "3bit"),
        ({"kind": "diffusion"}, "diffusion"),
        ({"device": "toaster"}, "toaster"),
    ],
)
def test_options(folder, options, match):
    fails(folder, match, **options)


def test_code_in_a_folder_is_not_run(copy):
    edit_config(copy, model_type="mine", auto_map={"AutoConfig": "mine.C", "AutoModelForCausalLM": "mine.M"})
    (copy / "mine.py").write_text(f"open({str(copy / 'ran')!r}, 'w')\n")
    fails(copy, "can't be loaded")
    assert not (copy / "ran").exists()


def test_folder_without_a_tokenizer(copy):
    for file in copy.glob("tokenizer*"):
        file.unlink()
    fails(copy, "no tokenizer that can be read")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_git_lfs_pointers_are_named(copy, name):
    (copy / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n")
    fails(copy, rf"{name} is a Git LFS pointer: fetch it by `git lfs pull`")


def cache(folder, root, *commits):
    """A folder as the Hub's cache has it: snapshots of links to blobs named by their hash."""
    place = root / "models--acme--tiny"
    (place / "blobs").mkdir(parents=True)
    for commit in commits:
        (place / "snapshots" / commit).mkdir(parents=True)
        for number, file in enumerate(sorted(folder.iterdir())):
            blob = place / "blobs" / f"{number:040x}"
            shutil.copy(file, blob)
            (place / "snapshots" / commit / file.name).symlink_to(blob)
    return place


def test_folder_of_the_hubs_cache_is_its_snapshot(folder, tmp_path):
    place = cache(folder, tmp_path, "c0ffee")
    model = load_model(place)
    assert (model.name, model.key) == ("models--acme--tiny", load_model(folder).key)


def test_of_several_snapshots_the_main_one(folder, tmp_path):
    place = cache(folder, tmp_path, "aaa", "bbb")
    with pytest.raises(InputError, match="2 snapshots"):
        load_model(place)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("bbb\n")
    for file in (place / "snapshots" / "aaa").iterdir():
        file.unlink()
    assert load_model(place).name == "models--acme--tiny"


def test_a_link_keeps_the_name_it_was_given(folder, tmp_path, monkeypatch):
    (tmp_path / "mine").symlink_to(folder)
    assert load_model(tmp_path / "mine").name == "mine"
    monkeypatch.chdir(tmp_path)
    assert load_model("./mine").name == load_model("mine/").name == "mine"
