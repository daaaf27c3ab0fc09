"""SAEs of public repositories are found, listed and chosen rightly, or asked about in one line."""

import json
import os
import re
import shutil
from pathlib import Path

import public_trees
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from congruence.cli.saes import command
from congruence.errors import SaeError
from congruence.saes import find_sae, list_saes, load_sae

GEMMA, GEMMA_2 = "google/gemma-scope-2b-pt-{}", "google/gemma-scope-2-1b-pt"
BENCH = "adamkarvonen/saebench_gemma-2-2b_width-2pow12_date-0108"
LLAMA, PYTHIA = "fnlp/Llama3_1-8B-Base-LX{}-8x", "EleutherAI/sae-pythia-70m-32k"
LLAMA_MLP, GPT2 = "EleutherAI/sae-Llama-3.2-1B-131k", "jbloom/GPT2-Small-SAEs-Reformatted"
HOOK_Z, OPENAI = "ckkissane/gpt2-small-hook-z-saes", "openai/gpt2-small"
GOODFIRE, QWEN = "Goodfire/Llama-3.1-8B-Instruct-SAE-l19", "Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_50"
ANDYRDT = "andyrdt/saes-llama-3.1-8b-instruct"

PANELS, NAMES = "decoderesearch/sae-snapshot-panels", "Solshine/deception-behavioral-saes-saelens"
SETS, CLT = "mwhanna/qwen3-{}", "mntss/clt-gemma-2-2b-426k"
SKIP = "EleutherAI/skip-transcoder-Llama-3.2-1B-131k"


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return public_trees.write_all(tmp_path_factory.mktemp("hub"))


@pytest.mark.parametrize(
    ("name", "count", "layers", "kinds", "format_name"),
    [
        (GEMMA.format("res"), 7, {2, 3, 12}, {"resid_post"}, "gemma_scope"),
        (GEMMA.format("mlp"), 7, {2, 3, 12}, {"mlp_out"}, "gemma_scope"),
        (GEMMA.format("att"), 7, {2, 3, 12}, {"attn_z"}, "gemma_scope"),
        (GEMMA_2, 12, {7, 13}, {"resid_post", "mlp_out"}, "gemma_scope_2"),
        (LLAMA.format("R"), 2, {0, 15}, {"resid_post"}, "llama_scope"),
        (LLAMA.format("M"), 2, {0, 15}, {"mlp_out"}, "llama_scope"),
        (LLAMA.format("A"), 2, {0, 15}, {"attn_out"}, "llama_scope"),
        (PYTHIA, 3, {1, 2, 10}, {"resid_post"}, "sparsify"),
        (LLAMA_MLP, 3, {1, 2, 10}, {"mlp_out"}, "sparsify"),
        (BENCH, 4, {12}, {"resid_post"}, "dictionary_learning"),
        (ANDYRDT, 2, {3, 7}, {"resid_post"}, "dictionary_learning"),
        (GPT2, 3, {0, 8, 11}, {"resid_pre"}, "saelens"),
        (HOOK_Z, 3, {0, 8, 11}, {"attn_z"}, "saelens"),
        (OPENAI, 6, {0, 6, 11}, {"resid_post", "mlp_hidden"}, "openai"),
        (GOODFIRE, 1, {19}, {"resid_post"}, "goodfire"),
        (QWEN, 3, {0, 5, 27}, {"resid_post"}, "qwen_scope"),
        (PANELS, 6, {12}, {"resid_post"}, "saelens"),
        (NAMES, 4, {2, 10}, {"resid_post"}, "saelens"),
        (SETS.format("4b-transcoders"), 3, {0, 1, 10}, {"mlp_in"}, "circuit_tracer"),
        (SETS.format("14b-transcoders-lowl0"), 3, {0, 1, 10}, {"mlp_in"}, "circuit_tracer"),
        (CLT, 3, {0, 1, 2}, {"resid_mid"}, "circuit_tracer_clt"),
        (SKIP, 2, {0, 5}, {"mlp_in"}, "sparsify"),
    ],
)
def test_listed(
    trees: Path, name: str, count: int, layers: set[int], kinds: set[str], format_name: str
) -> None:
    entries = list_saes(trees / name)
    assert len(entries) == count
    assert {entry.layer for entry in entries} == layers
    assert {entry.hook_point.kind for entry in entries if entry.hook_point} == kinds
    assert {entry.format for entry in entries} == {format_name}
    assert not any(entry.problem for entry in entries)


@pytest.mark.parametrize(
    ("name", "layer", "hook", "sae_id", "expected"),
    [
        (
            GEMMA.format("res"),
            3,
            None,
            "layer_{layer}/width_16k/canonical",
            "layer_3/width_16k/average_l0_105",
        ),
        (
            GEMMA.format("att"),
            12,
            "attn_z",
            "layer_{layer}/*/average_l0_72",
            "layer_12/width_65k/average_l0_72",
        ),
        (GEMMA_2, 13, "mlp_out", "*_l0_medium", "mlp_out/layer_13_width_16k_l0_medium"),
        (
            GEMMA_2,
            13,
            None,
            "resid_post/layer_{layer}_width_16k_l0_big",
            "resid_post/layer_13_width_16k_l0_big",
        ),
        (LLAMA.format("R"), 15, "resid_post", None, "Llama3_1-8B-Base-L15R-8x"),
        (PYTHIA, 1, "resid_post", None, "layers.1"),
        (PYTHIA, 10, "layers.{layer}", None, "layers.10"),
        (LLAMA_MLP, 2, "mlp_out", None, "layers.2.mlp"),
        (LLAMA_MLP, 2, "layers.{layer}.mlp", None, "layers.2.mlp"),
        (LLAMA_MLP, 2, "blocks.{layer}.hook_mlp_out", None, "layers.2.mlp"),
        (BENCH, 12, None, "TopK_*/trainer_1", "TopK_gemma-2-2b__0108/resid_post_layer_12/trainer_1"),
        (ANDYRDT, 7, "resid_post", None, "resid_post_layer_7/trainer_1"),
        (GPT2, 8, "blocks.{layer}.hook_resid_pre", None, "blocks.8.hook_resid_pre"),
        (HOOK_Z, 11, "blocks.{layer}.attn.hook_z", None, "blocks.11.attn.hook_z"),
        (OPENAI, 6, "resid_post", None, "resid_post_mlp_v5_32k/autoencoders/6.pt"),
        (OPENAI, 6, "mlp_hidden", None, "mlp_post_act_v5_32k/autoencoders/6.pt"),
        (GOODFIRE, 19, "resid_post", None, "Llama-3.1-8B-Instruct-SAE-l19.pth"),
        (QWEN, 27, "resid_post", None, "layer27.sae.pt"),
        (
            PANELS,
            12,
            "resid_post",
            "*/matryoshka/k-100/*/step-122070-*",
            "cross-arch-panel/gemma-2-2b/matryoshka/k-100/seed-0/snapshots/step-122070-tokens-500000000",
        ),
        (NAMES, 10, "resid_post", "d20_topk_L{layer}_mixed", "d20_topk_L10_mixed"),
        (NAMES, 2, None, "*_deceptive_only", "d20_topk_L2_deceptive_only"),
        (SETS.format("4b-transcoders"), 10, "mlp_in", None, "layer_10.safetensors"),
        (CLT, 1, "resid_mid", None, "W_enc_1.safetensors"),
        (SKIP, 5, "mlp_in", None, "layers.5.mlp"),
    ],
)
def test_chosen(
    trees: Path, name: str, layer: int, hook: str | None, sae_id: str | None, expected: str
) -> None:
    entry = find_sae(trees / name, layer, hook, sae_id=sae_id)
    assert entry.sae_id == expected
    assert entry.load().d_in == public_trees.D
    assert find_sae(f"{trees}/{name}/{entry.sae_id}", layer, hook).key() == entry.key()


@pytest.mark.parametrize(
    ("name", "layer", "hook", "expected"),
    [
        (
            GEMMA.format("res"),
            2,
            "resid_post",
            r"3 SAEs of layer 2 .*_14, .*_71, .*_137; .*width_16k/canonical",
        ),
        (GEMMA.format("res"), 2, "mlp_out", r"no SAE of layer 2 at mlp_out: it holds .*set hook: resid_post"),
        (GEMMA.format("res"), 4, "resid_post", r"no SAE of layer 4 at resid_post: it holds layer_2"),
        (
            GEMMA_2,
            7,
            "resid_post",
            r"3 SAEs of layer 7 .*l0_big, .*l0_medium, .*l0_small; name one by sae_id",
        ),
        (BENCH, 12, "resid_post", r"4 SAEs of layer 12 .*trainer_0.*name one by sae_id"),
        (GPT2, 8, "resid_post", r"hook_resid_pre \(at resid_pre\); set hook: resid_pre"),
        (HOOK_Z, 8, "resid_post", r"\(at attn_z\); set hook: attn_z"),
        (LLAMA_MLP, 2, "resid_post", r"layers\.2\.mlp \(at mlp_out\); set hook: mlp_out"),
        (OPENAI, 6, "mlp_out", r"set hook to one of mlp_hidden, resid_post"),
        (PANELS, 12, "resid_post", r"6 SAEs of layer 12 .*name one by sae_id"),
        (PANELS, 13, "resid_post", r"no SAE of layer 13 .*and \d more"),
        (
            NAMES,
            10,
            "resid_post",
            r"2 SAEs of layer 10 .*L10_deceptive_only, .*L10_mixed; name one by sae_id",
        ),
        (CLT, 5, "resid_mid", r"no SAE of layer 5 at resid_mid: it holds W_enc_0"),
        (SKIP, 5, "mlp_out", r"\(at mlp_in, a transcoder\); set hook: mlp_in"),
    ],
)
def test_asked_about(trees: Path, name: str, layer: int, hook: str, expected: str) -> None:
    with pytest.raises(SaeError, match=expected) as caught:
        find_sae(trees / name, layer, hook)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value).replace(str(trees), "")) < 500


ALL = [
    *(
        GEMMA.format("res"),
        GEMMA_2,
        LLAMA.format("R"),
        PYTHIA,
        LLAMA_MLP,
        BENCH,
        ANDYRDT,
        GPT2,
        HOOK_Z,
        OPENAI,
    ),
    *(GOODFIRE, QWEN, PANELS, NAMES, SETS.format("4b-transcoders"), CLT, SKIP),
]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("kind", ["weights", "everything"])
def test_what_git_left_in_place_of_a_file_is_named_so(
    trees: Path, tmp_path: Path, name: str, kind: str
) -> None:
    """A repository cloned without Git LFS: listed or loaded, one line says what to do."""
    copy = Path(shutil.copytree(trees / name, tmp_path / name))
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n"
    for file in copy.rglob("*"):
        if file.is_file() and (kind == "everything" or file.suffix not in (".json", ".yaml", ".md")):
            file.write_text(pointer)
    for read in (lambda: list_saes(copy), lambda: load_sae(copy, sae_id=list_saes(trees / name)[0].sae_id)):
        with pytest.raises(SaeError, match=r"is a Git LFS pointer: fetch its content by `git lfs pull`$"):
            read()


def test_what_is_no_layout_is_told_how_it_could_be_read(tmp_path: Path) -> None:
    weights = public_trees.tensors("W_enc", "W_dec", "b_enc", "b_dec")
    (tmp_path / "plain").mkdir()
    save_file(weights, tmp_path / "plain/sae.safetensors")
    with pytest.raises(SaeError, match=r"no cfg\.json beside it .*plain/sae\.safetensors, activation: relu"):
        list_saes(tmp_path / "plain")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/cfg.json").write_text("{}")
    for number in (1, 2):
        save_file(weights, tmp_path / f"parts/sae_weights-0000{number}-of-00002.safetensors")
    with pytest.raises(SaeError, match=r"weights in parts, .*00001-of-00002.*: an SAE lies in one file"):
        list_saes(tmp_path / "parts")
    public_trees.saelens_6(tmp_path / "eight", "blocks.2.hook_resid_post", "standard", *weights)
    eight = {name: tensor.to(torch.float8_e4m3fn) for name, tensor in weights.items()}
    save_file(eight, tmp_path / "eight/sae_weights.safetensors")
    with pytest.raises(SaeError, match=r"float8_e4m3fn, which means nothing without its scale"):
        load_sae(tmp_path / "eight")


@pytest.mark.parametrize(
    "name", [GEMMA.format("res"), GEMMA_2, PYTHIA, LLAMA_MLP, BENCH, GPT2, OPENAI, QWEN, NAMES]
)
def test_lines_to_paste_name_what_they_stand_beside(trees: Path, name: str) -> None:
    import yaml

    result = CliRunner().invoke(command, [str(trees / name), "--json"], catch_exceptions=False)
    for line in map(json.loads, result.output.splitlines()):
        side = yaml.safe_load(f"{{{line['config']}}}")
        (layer,) = side["layers"]
        found = find_sae(side["saes"], layer, side.get("hook", "resid_post"))
        assert found.where == f"{line['path']}/{line['sae_id']}"
    table = CliRunner().invoke(command, [str(trees / name)], catch_exceptions=False).output
    for line in re.findall(r"^  (saes: .*)$", table, re.MULTILINE):
        side = yaml.safe_load(f"{{{line}}}")
        for layer in side["layers"]:
            assert find_sae(side["saes"], layer, side.get("hook", "resid_post")).layer == layer


@pytest.mark.parametrize(
    ("pattern", "layers"),
    [
        (PYTHIA + "/layers.{layer}", [1, 2, 10]),
        (GEMMA.format("res") + "/layer_{layer}/width_16k/canonical", [2, 3]),
        (GEMMA.format("res") + "/*/width_65k/*_21", [12]),
        (QWEN + "/layer{layer}.sae.pt", [0, 5, 27]),
        (OPENAI + "/resid_post_mlp_v5_32k/autoencoders/{layer}.pt", [0, 6, 11]),
        (BENCH + "/TopK_*/resid_post_layer_{layer}/trainer_0", [12]),
    ],
)
def test_patterns_name_a_layer_each(trees: Path, pattern: str, layers: list[int]) -> None:
    assert [entry.layer for entry in list_saes(f"{trees}/{pattern}")] == layers
    for layer in layers:
        assert find_sae(f"{trees}/{pattern}", layer).layer == layer


@pytest.mark.parametrize("name", [QWEN, GOODFIRE, LLAMA.format("R"), GEMMA.format("mlp")])
def test_files_are_read_by_the_name_that_was_given(trees: Path, tmp_path: Path, name: str) -> None:
    """As in the Hub's cache: every file is a link to one whose name says nothing."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshot" / name
    blobs.mkdir()
    for number, file in enumerate(sorted(path for path in (trees / name).rglob("*") if path.is_file())):
        (blobs / str(number)).write_bytes(file.read_bytes())
        link = snapshot / file.relative_to(trees / name)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(blobs / str(number))
    (tmp_path / Path(name).name).symlink_to(snapshot)
    whole = [(e.sae_id, e.layer, e.hook_name, e.d_sae) for e in list_saes(trees / name)]
    for root in (snapshot, tmp_path / Path(name).name):
        assert [e.key() for e in list_saes(root)] == [e.key() for e in list_saes(trees / name)]
        if root == snapshot:
            assert [(e.sae_id, e.layer, e.hook_name, e.d_sae) for e in list_saes(root)] == whole


def test_a_link_to_a_folder_above_ends(trees: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.symlink(trees / PYTHIA, tmp_path / "saes")
    folder = tmp_path / "mine"
    folder.mkdir()
    os.symlink(trees / PYTHIA / "layers.1", folder / "layers.1")
    os.symlink(folder, folder / "again")
    os.symlink("itself", folder / "itself")
    assert [entry.sae_id for entry in list_saes(folder)] == ["layers.1"]
    assert len([record for record in caplog.records if "not followed" in record.message]) == 2
    assert all("\n" not in record.message for record in caplog.records)
    for link, told in ((folder / "itself", "leads to itself"), (tmp_path / "gone", "is missing")):
        if not link.is_symlink():
            link.symlink_to(tmp_path / "nowhere")
        with pytest.raises(SaeError, match=told):
            list_saes(link)
