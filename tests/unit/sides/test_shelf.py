"""Which SAE a side's section names: by hook, id and pattern, from any folder, or as an object."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from congruence.config.parsing import load_config, parse_config, resolve
from congruence.config.saes import IN_MEMORY
from congruence.errors import ConfigError, InputError, ModelError, SaeError
from congruence.recipes.demo import demo_folder
from congruence.saes import find_sae, load_sae, save_saelens, save_sparsify
from congruence.sides.side import hook_name, known_saes, open_side, open_sides

DEMO = demo_folder()
TEXT = {"path": str(DEMO / "text" / "comparison.jsonl")}
SITES = ("hook_resid_post", "hook_mlp_out", "hook_attn_out", "attn.hook_z")


@pytest.fixture(scope="module")
def trained():
    """The demo's SAE of layer 2, of which copies under other names are made."""
    return load_sae(DEMO / "saes" / "small" / "blocks.2.hook_resid_post")


@pytest.fixture(scope="module")
def sites(trained, tmp_path_factory) -> Path:
    """SAEs of four sites of layers 2 and 3, told apart by b_dec."""
    root = tmp_path_factory.mktemp("sites")
    for layer in (2, 3):
        for number, site in enumerate(SITES):
            name = f"blocks.{layer}.{site}"
            save_saelens(replace(trained, hook_name=name, b_dec=trained.b_dec + number), root / name)
    return root


def side_of(saes, memo=None, **more):
    section = {"model": str(DEMO / "small"), "saes": saes, **more}
    config = {"a": section, "b": section, "corpus": {"path": str(DEMO / "text" / "comparison.jsonl")}}
    return open_side("a", parse_config(config).a)


@pytest.mark.parametrize(
    ("hook", "site"),
    [
        ("resid_post", "hook_resid_post"),
        ("mlp_out", "hook_mlp_out"),
        ("attn_z", "attn.hook_z"),
        ("layers.{layer}.mlp", "hook_mlp_out"),
        ("layers.{layer}", "hook_resid_post"),
        ("blocks.{layer}.hook_mlp_out", "hook_mlp_out"),
        ("blocks.{layer}.attn.hook_z", "attn.hook_z"),
        ("blocks.{layer}.hook_attn_out", "hook_attn_out"),
        ("gpt_neox.layers.{layer}.attention", "hook_attn_out"),
    ],
)
def test_a_hook_picks_the_sae_of_its_site(sites, hook, site):
    side = side_of(str(sites), hook=hook, layers=[2, 3])
    for layer, sae in known_saes(side.saes).items():
        assert sae.about["sae_id"] == f"blocks.{layer}.{site}"
    assert side_of(str(sites), hook=hook).layers == (2, 3)
    per_layer = side_of({2: str(sites), 3: str(sites / f"blocks.3.{site}")}, hook=hook)
    assert [sae.about["hook_name"] for sae in known_saes(per_layer.saes).values()] == [
        f"blocks.{layer}.{site}" for layer in (2, 3)
    ]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("hook_mlp_out", "mlp_out"),
        ("hook_z", "attn_z"),
        ("mlp", "mlp_out"),
        ("attn", "attn_out"),
        ("hook_resid_pre", "resid_pre"),
        ("residpost", "resid_post"),
        ("mlp.hook_post", "mlp_hidden"),
    ],
)
def test_a_hook_that_is_none_is_answered_by_the_kind_it_may_mean(word, meant):
    with pytest.raises(
        ConfigError, match=f"hook '{word}' isn't a kind of hook point: did you mean '{meant}'"
    ):
        hook_name(word, 2)


class TestIds:
    @pytest.fixture(scope="class")
    def runs(self, trained, tmp_path_factory) -> Path:
        root = tmp_path_factory.mktemp("runs")
        for layer in (2, 3):
            for step in ("500", "final"):
                save_saelens(
                    replace(trained, hook_name=f"blocks.{layer}.hook_resid_post"),
                    root / f"layer_{layer}" / step,
                )
        return root

    def test_several_are_asked_about(self, runs):
        with pytest.raises(
            SaeError, match=r"holds 2 SAEs of layer 2 .*name one by sae_id, such as layer_{layer}/500"
        ):
            side_of(str(runs), layers=[2])

    @pytest.mark.parametrize(
        "section",
        [
            lambda root: {"saes": str(root), "sae_id": "layer_{layer}/final"},
            lambda root: {"saes": str(root), "sae_id": "*/final", "layers": [2, 3]},
            lambda root: {"saes": {"path": str(root), "sae_id": "layer_{layer}/final"}},
            lambda root: {"saes": {"path": f"{root}/layer_{{layer}}", "sae_id": "final"}, "layers": [2, 3]},
            lambda root: {"saes": f"{root}/layer_{{layer}}/final"},
            lambda root: {"saes": f"{root}/*/final", "layers": [2, 3]},
            lambda root: {"saes": {2: f"{root}/layer_{{layer}}/final", 3: f"{root}/layer_3/final"}},
            lambda root: {"saes": {n: {"path": str(root), "sae_id": f"layer_{n}/final"} for n in (2, 3)}},
            lambda root: {"saes": {n: str(root) for n in (2, 3)}, "sae_id": "layer_{layer}/final"},
        ],
    )
    def test_an_id_or_pattern_names_one_a_layer(self, runs, section):
        side = side_of(**section(runs))
        assert side.layers == (2, 3)
        found = [sae.where.removeprefix(f"{runs}/") for sae in known_saes(side.saes).values()]
        assert found == ["layer_2/final", "layer_3/final"]

    def test_an_id_of_another_layer_is_refused(self, runs):
        with pytest.raises(SaeError, match=r"is of layer 2, not of layer 3: write {layer}"):
            side_of(str(runs), sae_id="layer_2/final", layers=[2, 3])

    def test_one_sae_without_a_layer_cant_serve_two(self, trained, tmp_path):
        save_saelens(replace(trained, hook_name=None, metadata={}), tmp_path / "mine")
        assert side_of(str(tmp_path), layers=[2]).layers == (2,)
        with pytest.raises(SaeError, match=r"tells no layer, and layers are \[2, 3\]: name a path for each"):
            side_of(str(tmp_path), layers=[2, 3])

    @pytest.mark.parametrize(
        "saes",
        [
            "saes/layer_{layer}/final",
            "./saes/*/final",
            {2: "saes/layer_{layer}/final", 3: "saes/layer_3/final"},
        ],
    )
    def test_patterns_are_seen_from_the_configurations_folder(self, runs, tmp_path, monkeypatch, saes):
        project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
        shutil.copytree(runs, project / "saes")
        elsewhere.mkdir()
        text = {"path": str(DEMO / "text" / "comparison.jsonl")}
        side = {"model": str(DEMO / "small"), "saes": saes}
        (project / "c.yaml").write_text(json.dumps({"a": side, "b": side, "corpus": text}))
        for folder, path in ((elsewhere, project / "c.yaml"), (project, Path("c.yaml"))):
            monkeypatch.chdir(folder)
            opened = open_side("a", load_config(path).a)
            assert opened.layers == (2, 3)
            assert known_saes(opened.saes)[3].about["sae_id"] in ("layer_3/final", ".", "final")

    def test_a_model_behind_a_link_keeps_its_name(self, tmp_path):
        (tmp_path / "pythia").symlink_to(DEMO / "small")
        section = {"model": "pythia", "saes": str(DEMO / "saes" / "small")}
        config = parse_config({"a": section, "b": section, "corpus": TEXT}, base=tmp_path)
        assert config.a.label == "pythia"
        assert config.a.model == str(tmp_path / "pythia")


class TestNotes:
    @pytest.mark.parametrize(
        ("named", "told"), [("gpt2-small", True), ("small", False), ("acme/small", False), (None, False)]
    )
    def test_metadata_of_another_model_is_one_note(self, trained, tmp_path, caplog, named, told):
        metadata = {"model_name": named} if named else {}
        for layer in (2, 3):
            folder = save_saelens(
                replace(trained, hook_name=f"blocks.{layer}.hook_resid_post"), tmp_path / f"{layer}"
            )
            config = json.loads((folder / "cfg.json").read_text())
            config["metadata"] = {"hook_name": config["metadata"]["hook_name"], **metadata}
            (folder / "cfg.json").write_text(json.dumps(config))
        with caplog.at_level(logging.WARNING):
            side = side_of(str(tmp_path))
        assert len(side.notes) == len(caplog.records) == told
        if told:
            assert "2 of 2 SAEs say that their model is gpt2-small, this one is small" in side.notes[0]


class TestInMemory:
    @pytest.fixture(scope="class")
    def loaded(self):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        return AutoModelForCausalLM.from_pretrained(
            DEMO / "small", dtype=torch.float32
        ), AutoTokenizer.from_pretrained(DEMO / "small")

    def sides(self, loaded, trained, **more):
        model, tokenizer = loaded
        section = {"model": model, "tokenizer": tokenizer, "saes": {2: trained}} | more
        return open_sides(resolve({"a": section, "b": section, "corpus": TEXT}, {}))

    def test_they_are_known_by_their_weights(self, loaded, trained):
        sides = self.sides(loaded, trained)
        assert sides["a"].layers == (2,)
        assert sides["a"].model is sides["b"].model or sides["a"].model.key == sides["b"].model.key
        key = known_saes(sides["a"].saes)[2].key
        moved = known_saes(self.sides(loaded, replace(trained, b_dec=trained.b_dec + 1))["a"].saes)[2].key
        assert key != moved
        before = sides["a"].model.key
        with torch.no_grad():
            weight = next(loaded[0].parameters())
            weight.add_(1)
            assert self.sides(loaded, trained)["a"].model.key != before
            weight.sub_(1)

    def test_states_are_those_of_the_folder(self, loaded, trained):
        side = self.sides(loaded, trained)["a"]
        stored = side_of(str(DEMO / "saes" / "small"), layers=[2])
        ids = torch.tensor([[5, 6, 7]])
        mine, theirs = (one.model.capture(ids, None, ["resid_post.2"]) for one in (side, stored))
        torch.testing.assert_close(mine["resid_post.2"], theirs["resid_post.2"])

    def test_a_configuration_of_objects_is_written_down_and_not_read_again(self, loaded, trained):
        section = {"model": loaded[0], "tokenizer": loaded[1], "saes": trained}
        config = parse_config({"a": section, "b": section, "corpus": TEXT})
        dumped = config.model_dump(mode="json")
        assert dumped["a"]["model"].startswith(IN_MEMORY)
        assert open_sides(config)["a"].layers == (2,)
        with pytest.raises(ConfigError, match="was an object of a Python call"):
            parse_config(json.loads(json.dumps({"a": dumped["a"], "b": dumped["b"], "corpus": TEXT})))

    @pytest.mark.parametrize(
        ("more", "error", "expected"),
        [
            ({"tokenizer": None}, ModelError, "has no tokenizer: give it as tokenizer"),
            ({"model": object()}, ModelError, "a object is given as model"),
            ({"saes": {2: object()}}, SaeError, "a object is given as an SAE"),
            ({"model": str(DEMO / "small")}, ConfigError, "tokenizer goes with a model in memory"),
        ],
    )
    def test_wrong_objects_are_one_line(self, loaded, trained, more, error, expected):
        with pytest.raises(error, match=expected) as caught:
            self.sides(loaded, trained, **more)
        assert isinstance(caught.value, InputError)
        assert "\n" not in str(caught.value)


def test_a_sparsify_seed_keeps_its_hook_and_input(trained, tmp_path):
    for seed in (0, 1):
        folder = save_sparsify(trained, tmp_path / "layers.2.mlp" / f"seed{seed}")
        config = json.loads((folder / "cfg.json").read_text())
        (folder / "cfg.json").write_text(json.dumps(config | {"transcode": True}))
    side = side_of(str(tmp_path), hook="mlp_in", sae_id="*/seed1")
    assert side.layers == (2,)
    assert (side.saes[2].hook_name, side.saes[2].hook_name_out) == ("layers.2.mlp.input", "layers.2.mlp")
    with pytest.raises(
        SaeError, match=r"at mlp_out: it holds .*\(at mlp_in, a transcoder\).*set hook: mlp_in"
    ):
        side_of(str(tmp_path), hook="mlp_out", layers=[2])


def test_an_old_template_gets_its_layer(trained, tmp_path):
    folder = save_saelens(trained, tmp_path / "run" / "final_sae")
    config = json.loads((folder / "cfg.json").read_text())
    del config["metadata"]
    config |= {"hook_point": "blocks.{layer}.hook_resid_post", "hook_point_layer": 2, "model_name": "small"}
    (folder / "cfg.json").write_text(json.dumps(config))
    side = side_of(str(tmp_path))
    assert (side.layers, side.saes[2].hook_name) == ((2,), "blocks.2.hook_resid_post")


class TestALayerThatItsFilesContradict:
    @pytest.fixture(scope="class")
    def runs(self, trained, tmp_path_factory) -> Path:
        """Folders named by layers 1 and 2; the files of the first say layer 2 as well."""
        root = tmp_path_factory.mktemp("misnamed")
        for layer in (1, 2):
            save_saelens(
                replace(trained, hook_name="blocks.2.hook_resid_post"), root / f"run_{layer}" / "sae"
            )
        return root

    @pytest.mark.parametrize(
        "section",
        [
            lambda root: {"saes": f"{root}/run_{{layer}}/sae"},
            lambda root: {"saes": f"{root}/run_{{layer}}"},
            lambda root: {"saes": str(root), "sae_id": "run_{layer}/sae"},
            lambda root: {"saes": {"path": f"{root}/run_{{layer}}", "sae_id": "sae"}},
            lambda root: {"saes": {1: f"{root}/run_{{layer}}/sae"}},
            lambda root: {"saes": f"{root}/run_{{layer}}/sae", "layers": "all"},
        ],
    )
    def test_it_is_refused_unless_the_hook_is_told(self, runs, section):
        asked = {"layers": [1], **section(runs)}
        with pytest.raises(SaeError) as caught:
            side_of(**asked)
        said = str(caught.value)
        assert "run_1/sae: {layer} makes it the SAE of layer 1" in said
        assert "its own files say hook blocks.2.hook_resid_post" in said
        assert "\n" not in said
        side = side_of(**asked, hook="resid_post")
        assert known_saes(side.saes)[1].about["sae_id"].endswith("sae")

    def test_the_right_one_is_no_matter(self, runs):
        assert side_of(f"{runs}/run_{{layer}}/sae", layers=[2]).layers == (2,)

    def test_a_hook_beside_the_path_is_the_user_s_word(self, runs):
        saes = {"path": f"{runs}/run_{{layer}}/sae", "hook": "blocks.{layer}.hook_resid_post"}
        assert side_of(saes, layers=[1]).saes[1].hook_name == "blocks.1.hook_resid_post"

    def test_what_was_told_once_is_asked_again(self, runs, tmp_path):
        from congruence.storage import Memo

        section = {"model": str(DEMO / "small"), "saes": f"{runs}/run_{{layer}}/sae", "layers": [1]}
        told = {"a": section | {"hook": "resid_post"}, "b": section, "corpus": TEXT}
        config = parse_config(told)
        open_side("a", config.a, memo=Memo(tmp_path))
        with pytest.raises(SaeError, match="makes it the SAE of layer 1"):
            open_side("b", config.b, memo=Memo(tmp_path))

    def test_a_layer_beside_the_weights_counts_too(self, runs):
        with pytest.raises(SaeError, match="own files say"):
            find_sae(f"{runs}/run_{{layer}}/sae", 1)
        assert find_sae(f"{runs}/run_{{layer}}/sae", 1, "resid_post").own_layer == 2
