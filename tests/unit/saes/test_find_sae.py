"""Which SAE belongs to a layer, in the folder layouts of every tool."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from congruence.cli.saes import command
from congruence.errors import SaeError
from congruence.saes import Sae, find_sae, list_saes, load_sae, save_saelens, save_sparsify
from congruence.saes.activation_functions import TopK

D, F = 4, 8


def tiny(hook_name: str | None = None) -> Sae:
    return Sae(
        torch.ones(D, F),
        torch.ones(F, D),
        torch.zeros(F),
        torch.zeros(D),
        TopK(2),
        "topk",
        hook_name=hook_name,
    )


def saelens(root: Path, names: Iterable[str]) -> Path:
    for name in names:
        save_saelens(tiny(name), root / name)
    return root


def gemma_scope(root: Path, names: Iterable[str]) -> Path:
    weights = {"W_enc": np.ones((D, F)), "W_dec": np.ones((F, D)), "b_enc": np.zeros(F), "b_dec": np.zeros(D)}
    for name in names:
        (root / name).mkdir(parents=True)
        np.savez(root / name / "params.npz", threshold=np.ones(F), **weights)
    return root


def dictionary_learning(root: Path, names: Iterable[str]) -> Path:
    for name in names:
        layer = int(name.split("layer_")[1].split("/", maxsplit=1)[0])
        trainer = {"dict_class": "AutoEncoder", "activation_dim": D, "dict_size": F, "layer": layer}
        (root / name).mkdir(parents=True)
        (root / name / "config.json").write_text(json.dumps({"trainer": trainer | {"submodule_name": name}}))
        weights = {"encoder.weight": torch.ones(F, D), "decoder.weight": torch.ones(D, F)}
        torch.save(weights | {"encoder.bias": torch.zeros(F), "bias": torch.zeros(D)}, root / name / "ae.pt")
    return root


def test_saelens_folders_in_natural_order(tmp_path: Path) -> None:
    root = saelens(tmp_path, [f"blocks.{layer}.hook_resid_post" for layer in (10, 2, 9)])
    assert [entry.layer for entry in list_saes(root)] == [2, 9, 10]
    entry = find_sae(root, 10)
    assert (entry.sae_id, entry.d_in, entry.d_sae) == ("blocks.10.hook_resid_post", D, F)
    assert entry.load().hook_name == "blocks.10.hook_resid_post"


def test_folder_names_don_t_matter_where_a_config_names_the_hook(tmp_path: Path) -> None:
    save_saelens(tiny("blocks.5.hook_resid_post"), tmp_path / "run-7" / "final")
    assert find_sae(tmp_path, 5).sae_id == "run-7/final"


def test_sparsify_folders_by_layer_hook_and_either_dialect(tmp_path: Path) -> None:
    for hook in ("layers.3", "layers.3.mlp", "layers.3.attention", "layers.13"):
        save_sparsify(tiny(), tmp_path / hook)
    assert find_sae(tmp_path, 3).sae_id == "layers.3"
    assert find_sae(tmp_path, 3, "mlp_out").sae_id == "layers.3.mlp"
    assert find_sae(tmp_path, 3, "blocks.3.hook_attn_out").sae_id == "layers.3.attention"
    assert load_sae(tmp_path, sae_id="blocks.13.hook_resid_post").hook_name == "layers.13"
    with pytest.raises(SaeError, match="no SAE of layer 3 at resid_pre"):
        find_sae(tmp_path, 3, "resid_pre")


def test_sparsify_folders_of_modules_without_a_kind_keep_their_path(tmp_path: Path) -> None:
    save_sparsify(tiny(), tmp_path / "model.layers.3.mlp.gate_proj")
    save_sparsify(tiny(), tmp_path / "best")
    assert load_sae(tmp_path, sae_id="model.*").hook_name == "model.layers.3.mlp.gate_proj"
    assert load_sae(tmp_path, sae_id="best").hook_name is None
    assert find_sae(tmp_path, 3, sae_id="*.{layer}.mlp.*").layer == 3


def test_of_several_l0s_none_is_taken_unasked(tmp_path: Path) -> None:
    names = [f"layer_3/width_16k/average_l0_{l0}" for l0 in (14, 71, 142, 280)]
    root = gemma_scope(tmp_path, names)
    with pytest.raises(SaeError, match=r"_14, .*_280; name one by sae_id") as caught:
        find_sae(root, 3)
    assert "or layer_{layer}/width_16k/canonical (the average L0 nearest to 100)" in str(caught.value)
    assert find_sae(root, 3, sae_id="layer_{layer}/width_16k/canonical").sae_id.endswith("_71")
    assert load_sae(root, sae_id="layer_3/width_16k/canonical").metadata["average_l0"] == 71
    assert load_sae(root, sae_id="layer_3/width_16k/average_l0_280").metadata["average_l0"] == 280


def test_a_path_may_go_on_to_the_id(tmp_path: Path) -> None:
    root = gemma_scope(
        tmp_path, [f"layer_{layer}/width_16k/average_l0_{l0}" for layer in (3, 13) for l0 in (9, 80)]
    )
    assert find_sae(f"{root}/layer_{{layer}}/width_16k/canonical", 13).load().metadata["average_l0"] == 80
    assert load_sae(f"{root}/layer_3/width_16k/canonical").metadata["average_l0"] == 80
    assert len(list_saes(root / "layer_3")) == 2
    with pytest.raises(SaeError, match="holds 4 SAEs"):
        load_sae(root)


def test_one_id_may_begin_another(tmp_path: Path) -> None:
    for hook in ("layers.1", "layers.10", "layers.1.mlp"):
        save_sparsify(tiny(), tmp_path / hook)
    assert load_sae(tmp_path, sae_id="layers.1").hook_name == "layers.1"
    assert find_sae(tmp_path, 1, sae_id="layers.{layer}").sae_id == "layers.1"


def test_gemma_scope_of_two_widths_needs_to_be_told(tmp_path: Path) -> None:
    names = [f"layer_{layer}/width_{width}/average_l0_70" for layer in (3, 13) for width in ("16k", "65k")]
    root = gemma_scope(tmp_path, [*names, "embedding/width_4k/average_l0_6"])
    with pytest.raises(SaeError, match="name one by sae_id"):
        find_sae(root, 3)
    entry = find_sae(root, 13, sae_id="layer_{layer}/width_16k/*")
    assert (entry.sae_id, entry.layer, entry.d_sae) == ("layer_13/width_16k/average_l0_70", 13, 16384)
    assert find_sae(root, 0, "embed").sae_id == "embedding/width_4k/average_l0_6"


def test_dictionary_learning_folders(tmp_path: Path) -> None:
    root = dictionary_learning(
        tmp_path, ["sweep/resid_post_layer_3/trainer_0", "sweep/mlp_out_layer_3/trainer_0"]
    )
    assert find_sae(root, 3).hook_name == "blocks.3.hook_resid_post"
    assert find_sae(root, 3, "mlp_out").sae_id == "sweep/mlp_out_layer_3/trainer_0"


def test_trainers_of_one_layer_need_to_be_told(tmp_path: Path) -> None:
    root = dictionary_learning(tmp_path, [f"resid_post_layer_3/trainer_{i}" for i in range(3)])
    with pytest.raises(SaeError, match="holds 3 SAEs of layer 3"):
        find_sae(root, 3)
    assert find_sae(root, 3, sae_id="*/trainer_1").sae_id == "resid_post_layer_3/trainer_1"


def test_files_named_by_layer(tmp_path: Path) -> None:
    openai, qwen = tmp_path / "resid_post_mlp_v5_32k", tmp_path / "SAE-Res-Qwen3-1.7B-Base-W32K-L0_2"
    for folder, name in ((openai, "{}.pt"), (qwen, "layer{}.sae.pt")):
        folder.mkdir()
        for layer in (1, 11):
            torch.save({}, folder / name.format(layer))
    assert find_sae(openai, 11).hook_name == "blocks.11.hook_resid_post"
    assert find_sae(qwen, 1).sae_id == "layer1.sae.pt"
    assert [entry.layer for entry in list_saes(qwen)] == [1, 11]


def test_llama_scope_folders(tmp_path: Path) -> None:
    for layer, site, hook in (
        (15, "R", "hook_resid_post"),
        (15, "M", "hook_mlp_out"),
        (5, "R", "hook_resid_post"),
    ):
        folder = tmp_path / f"Llama3_1-8B-Base-L{layer}{site}-8x"
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints/final.safetensors").write_bytes(b"")
        config = {"hook_point_in": f"blocks.{layer}.{hook}", "jump_relu_threshold": 1.0, "d_sae": 32768}
        (folder / "hyperparams.json").write_text(json.dumps(config))
    assert find_sae(tmp_path, 15).sae_id == "Llama3_1-8B-Base-L15R-8x"
    assert find_sae(tmp_path, 15, "mlp_out").sae_id == "Llama3_1-8B-Base-L15M-8x"


def test_a_path_with_the_layer_in_it(tmp_path: Path) -> None:
    for layer in (0, 1):
        save_saelens(tiny(), tmp_path / f"layer{layer}" / "sae")
    assert find_sae(f"{tmp_path}/layer{{layer}}", 1).load().path.parent.parent.name == "layer1"


def test_one_sae_without_a_layer_serves_the_layer_asked_for(tmp_path: Path) -> None:
    save_saelens(tiny(), tmp_path / "mine")
    assert find_sae(tmp_path, 4).sae_id == "mine"


def test_other_torch_files_beside_saes_are_left_alone(tmp_path: Path) -> None:
    save_sparsify(tiny(), tmp_path / "layers.0")
    (tmp_path / "optimizer.pt").write_bytes(b"anything")
    assert [entry.sae_id for entry in list_saes(tmp_path)] == ["layers.0"]
    assert load_sae(tmp_path).d_in == D


def test_a_file_of_an_sae_stands_for_it(tmp_path: Path) -> None:
    folder = save_sparsify(tiny(), tmp_path / "layers.0")
    assert load_sae(folder / "sae.safetensors").k == 2
    assert load_sae(tmp_path, sae_id="layers.0/sae.safetensors").k == 2


def test_the_hook_can_be_told(tmp_path: Path) -> None:
    save_saelens(tiny("blocks.5.hook_resid_post"), tmp_path)
    assert load_sae(tmp_path, hook_name="layers.6").layer == 6


class TestCommand:
    def test_table(self, tmp_path: Path) -> None:
        saelens(tmp_path, [f"blocks.{layer}.hook_resid_post" for layer in (2, 10)])
        result = CliRunner().invoke(command, [str(tmp_path)], catch_exceptions=False)
        assert result.exit_code == 0
        assert "2 SAEs in" in result.output
        assert "architecture topk" in result.output
        assert result.output.index("blocks.2.") < result.output.index("blocks.10.")

    def test_json_lines_of_one_layer(self, tmp_path: Path) -> None:
        saelens(tmp_path, [f"blocks.{layer}.hook_resid_post" for layer in (2, 10)])
        result = CliRunner().invoke(
            command, [str(tmp_path), "--layer", "10", "--json"], catch_exceptions=False
        )
        (line,) = result.output.splitlines()
        assert json.loads(line)["sae_id"] == "blocks.10.hook_resid_post"

    def test_a_layer_that_isn_t_there(self, tmp_path: Path) -> None:
        saelens(tmp_path, ["blocks.2.hook_resid_post"])
        result = CliRunner().invoke(command, [str(tmp_path), "--layer", "3"])
        assert isinstance(result.exception, SaeError)
