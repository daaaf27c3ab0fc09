"""PEFT adapters are merged or refused by name; a model's own code runs when it is asked for, and never else."""

import json
import shutil
import sys

import pytest
import torch

import tiny_models
from congruence.errors import ModelError
from congruence.models import find_model, load_model

IDS = torch.arange(4, 16).reshape(2, 6)


def states(model):
    return model.capture(IDS, None, ["resid_post.2"])["resid_post.2"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_models.save(tmp_path_factory.mktemp("adapters") / "base", "llama")


@pytest.fixture
def adapter(base, tmp_path):
    """A LoRA adapter of `base` whose changes aren't zero, written by peft."""
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.eval()
    model.save_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        expected = model(IDS, output_hidden_states=True).hidden_states
    return tmp_path / "adapter", expected


def edit(folder, **changes):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def fails(where, match, **options):
    with pytest.raises(ModelError, match=match) as caught:
        load_model(where, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestAdapters:
    def test_it_is_merged_into_the_base_that_its_file_names(self, base, adapter):
        folder, expected = adapter
        model = load_model(folder)
        assert model.name == "adapter"
        torch.testing.assert_close(model.module(IDS, output_hidden_states=True).hidden_states[1], expected[1])
        assert not torch.allclose(states(model), states(load_model(base)))
        assert model.key not in (load_model(base).key, load_model(folder, dtype="bfloat16").key)
        assert model.tokenizer.get_vocab() == load_model(base).tokenizer.get_vocab()

    def test_base_says_where_it_is(self, base, adapter, tmp_path):
        folder, _ = adapter
        expected = states(load_model(folder))
        key = find_model(folder).key
        edit(folder, base_model_name_or_path="acme/elsewhere")
        fails(folder, "acme/elsewhere")
        moved = shutil.copytree(base, tmp_path / "moved")
        model = load_model(folder, base=moved)
        torch.testing.assert_close(states(model), expected)
        edit(folder, base_model_name_or_path=str(base))
        assert find_model(folder).key == key
        assert find_model(folder, base=moved).key == key

    def test_its_weights_are_part_of_the_key(self, adapter):
        from safetensors.torch import load_file, save_file

        folder, _ = adapter
        key = find_model(folder).key
        weights = load_file(folder / "adapter_model.safetensors")
        save_file(
            {name: 2 * tensor for name, tensor in weights.items()}, folder / "adapter_model.safetensors"
        )
        assert find_model(folder).key != key

    def test_an_adapter_of_another_base_is_refused(self, adapter, tmp_path):
        folder, _ = adapter
        other = tiny_models.save(tmp_path / "other", "gpt2")
        fails(folder, "adapter.*can't be loaded: ", base=other)
        deeper = tiny_models.save(tmp_path / "deeper", "llama", num_hidden_layers=4)
        assert "belongs to another base" in fails(folder, "lacks", base=deeper)

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"base_model_name_or_path": None}, "names no base model: set base"),
            ({"base_model_name_or_path": ""}, "names no base model: set base"),
            ({"peft_type": "NEW_KIND"}, "can't be loaded"),
        ],
    )
    def test_broken_descriptions(self, adapter, changes, match):
        edit(adapter[0], **changes)
        fails(adapter[0], match)

    def test_without_weights_or_config(self, adapter):
        (adapter[0] / "adapter_model.safetensors").unlink()
        fails(adapter[0], "without adapter_model.safetensors")
        (adapter[0] / "adapter_config.json").write_text("{")
        fails(adapter[0], "adapter_config.json can't be read")

    def test_without_peft_it_is_refused_by_name(self, base, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "peft", None)
        (tmp_path / "adapter_config.json").write_text(
            json.dumps({"base_model_name_or_path": str(base), "peft_type": "LORA"})
        )
        (tmp_path / "adapter_model.safetensors").write_bytes(b"")
        said = fails(tmp_path, "is a LORA adapter of")
        assert "pip install '.[peft]'" in said

    def test_by_its_id_from_the_cache(self, base, adapter, tmp_path):
        folder, _ = adapter
        edit(folder, base_model_name_or_path="acme/base")
        for place, name in ((folder, "lora"), (base, "base")):
            snapshot = tmp_path / "hub" / f"models--acme--{name}" / "snapshots" / ("c" * 40)
            shutil.copytree(place, snapshot)
            (snapshot.parents[1] / "refs").mkdir()
            (snapshot.parents[1] / "refs" / "main").write_text("c" * 40)
        model = load_model("acme/lora", cache_dir=tmp_path / "hub")
        assert model.name == "acme/lora"
        torch.testing.assert_close(states(model), states(load_model(folder, base=base)))
        assert model.key != find_model("acme/base", cache_dir=tmp_path / "hub").key
        torch.testing.assert_close(
            states(load_model("acme/lora", base=base, cache_dir=tmp_path / "hub")), states(model)
        )
        shutil.rmtree(tmp_path / "hub" / "models--acme--base")
        said = fails("acme/lora", "LORA adapter of 'acme/base'", cache_dir=tmp_path / "hub")
        assert said.endswith("download it, or set base to its folder")

    def test_the_base_s_config_beside_it_is_no_model(self, base, adapter):
        folder, expected = adapter
        shutil.copy(base / "config.json", folder)
        found = load_model(folder).module(IDS, output_hidden_states=True).hidden_states
        torch.testing.assert_close(found[1], expected[1])
        shutil.copy(base / "model.safetensors", folder)
        fails(folder, "holds a model and a PEFT adapter")

    def test_base_of_a_whole_model(self, base):
        fails(base, "no PEFT adapter: leave base out", base="x")


CONFIGURATION = """
from transformers import LlamaConfig
open({marker!r}, "a").write("ran")
class AcmeConfig(LlamaConfig):
    model_type = "acme_lm"
"""
MODELING = """
from transformers import LlamaForCausalLM
from .configuration_acme import AcmeConfig
class AcmeForCausalLM(LlamaForCausalLM):
    config_class = AcmeConfig
"""


@pytest.fixture
def with_code(base, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = shutil.copytree(base, tmp_path / "coded")
    config = json.loads((folder / "config.json").read_text())
    auto = {
        "AutoConfig": "configuration_acme.AcmeConfig",
        "AutoModelForCausalLM": "modeling_acme.AcmeForCausalLM",
    }
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "acme_lm", "auto_map": auto}))
    (folder / "configuration_acme.py").write_text(CONFIGURATION.format(marker=str(tmp_path / "ran")))
    (folder / "modeling_acme.py").write_text(MODELING)
    return folder, tmp_path / "ran"


class TestCodeOfItsOwn:
    def test_it_is_not_run_unasked(self, with_code):
        folder, marker = with_code
        said = fails(folder, "trust_remote_code: true")
        assert "read that code" in said
        assert "http" not in said
        assert not marker.exists()

    @pytest.mark.parametrize(
        "classes", [["AutoConfig"], ["AutoModelForCausalLM"], ["AutoConfig", "AutoTokenizer"]]
    )
    def test_what_it_means_is_said_whatever_is_named(self, with_code, classes):
        folder, marker = with_code
        named = dict.fromkeys(classes, "modeling_acme.AcmeForCausalLM")
        config_of(folder, auto_map=named | {"AutoProcessor": ["modeling_acme.One", None]})
        said = fails(folder, "trust_remote_code: true")
        for word in ("'acme_lm'", "modeling_acme.py", "can do whatever you can", "read that code"):
            assert word in said
        assert not marker.exists()

    def test_code_that_names_too_little(self, with_code):
        folder, _ = with_code
        config_of(folder, auto_map={"AutoModelForCausalLM": "modeling_acme.AcmeForCausalLM"})
        fails(folder, "names no AutoConfig", trust_remote_code=True)
        config_of(folder, auto_map={"AutoConfig": "nowhere.AcmeConfig"})
        said = fails(folder, "nowhere.py, which its config.json names, isn't there", trust_remote_code=True)
        assert "http" not in said

    def test_it_is_run_when_asked_for_and_part_of_the_key(self, with_code, base):
        folder, marker = with_code
        model = load_model(folder, trust_remote_code=True)
        assert marker.exists()
        torch.testing.assert_close(states(model), states(load_model(base)))
        assert model.key != find_model(folder).key
        (folder / "modeling_acme.py").write_text(MODELING + "\n# changed\n")
        assert find_model(folder, trust_remote_code=True).key != model.key


class Exploit:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (self.marker, "w")


def config_of(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def pickled(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"x": Exploit(str(folder / "ran"))}, folder / "pytorch_model.bin")


MESSAGES = {
    "negative layers": (
        lambda f: config_of(f, num_hidden_layers=-1),
        "num_hidden_layers is -1 in its config.json",
    ),
    "no layers": (lambda f: config_of(f, num_hidden_layers=0), "num_hidden_layers is 0"),
    "layers in words": (
        lambda f: config_of(f, num_hidden_layers="three"),
        "num_hidden_layers|can't be loaded",
    ),
    "no width": (lambda f: config_of(f, hidden_size=0), "hidden_size is 0|can't be loaded"),
    "an unknown type": (
        lambda f: config_of(f, model_type="llama9"),
        "model_type isn't one that this transformers",
    ),
    "a pickle with more than tensors": (pickled, "a pickle that holds more than tensors"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "it holds no weights"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), "can't be loaded"),
    "config is binary": (lambda f: (f / "config.json").write_bytes(b"\xff\x00"), "can't be loaded"),
    "weights are text": (lambda f: (f / "model.safetensors").write_text("hello"), "can't be loaded"),
    "tokenizer is text": (
        lambda f: (f / "tokenizer.json").write_text("hello"),
        "no tokenizer that can be read",
    ),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_other_peoples_errors_in_our_words(base, tmp_path, case):
    folder = shutil.copytree(base, tmp_path / "copy")
    change, match = MESSAGES[case]
    change(folder)
    said = fails(folder, match)
    assert "copy" in said
    assert len(said) < 500
    for foreign in ("weights_only", "torch.load", "http", "Traceback", "github"):
        assert foreign not in said
    assert not (folder / "ran").exists()
