"""Broken SAE files end in one clear line, and nothing in them is ever run."""

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from congruence.errors import SaeError
from congruence.saes import Sae, list_saes, load_crosscoder, load_sae, save_saelens, save_sparsify
from congruence.saes.activation_functions import TopK

D, F = 6, 12


@pytest.fixture
def sae() -> Sae:
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    return Sae(draw(D, F), draw(F, D), draw(F), draw(D), activation=TopK(3), architecture="topk")


@pytest.fixture
def saelens(tmp_path: Path, sae: Sae) -> Path:
    return save_saelens(sae, tmp_path / "sae")


def edit_tensors(folder: Path, edit: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    file = next(folder.glob("*.safetensors"))
    tensors = load_file(file)
    edit(tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)


def edit_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "cfg.json").read_text())
    (folder / "cfg.json").write_text(json.dumps(config | changes))


def complaint(path: Path, **options: Any) -> str:
    with pytest.raises(SaeError) as caught:
        load_sae(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 900
    return message


@pytest.mark.parametrize("keep", [0, 4, 40, 200, 400])
def test_truncated_safetensors(saelens: Path, keep: int) -> None:
    file = saelens / "sae_weights.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    message = complaint(saelens)
    assert "isn't a whole safetensors file" in message
    assert str(file) in message


@pytest.mark.parametrize("name", ["W_enc", "W_dec", "b_enc", "b_dec"])
def test_missing_tensor(saelens: Path, name: str) -> None:
    edit_tensors(saelens, lambda tensors: tensors.pop(name))
    assert f"no tensor {name!r}" in complaint(saelens)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("W_dec", (D, F)),
        ("W_dec", (F, D + 1)),
        ("b_enc", (D,)),
        ("b_dec", (F,)),
        ("W_enc", (D * F,)),
        ("b_dec", ()),
    ],
)
def test_wrong_shape(saelens: Path, name: str, shape: tuple[int, ...]) -> None:
    edit_tensors(saelens, lambda tensors: tensors.update({name: torch.zeros(shape)}))
    message = complaint(saelens)
    assert name in message
    assert f"has shape {shape}" in message


def test_transposed_encoder_is_told_by_the_config(saelens: Path) -> None:
    edit_tensors(
        saelens, lambda tensors: tensors.update({"W_enc": torch.zeros(F, D), "W_dec": torch.zeros(D, F)})
    )
    assert "the config says d_in=6, the tensors say 12" in complaint(saelens)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["W_enc", "W_dec", "b_enc", "b_dec"])
def test_not_a_number(saelens: Path, name: str, bad: float) -> None:
    edit_tensors(saelens, lambda tensors: tensors[name].view(-1).__setitem__(1, bad))
    assert f"{name} has 1 values that are NaN or infinite" in complaint(saelens)


def test_integer_weights(saelens: Path) -> None:
    edit_tensors(saelens, lambda tensors: tensors.update({"W_enc": torch.ones(D, F, dtype=torch.int64)}))
    assert "not floating-point" in complaint(saelens)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"architecture": "topp"}, "did you mean 'topk'"),
        ({"architecture": None, "activation_fn": "tanh-relu"}, "unknown SAELens architecture"),
        ({"normalize_activations": "batch_norm"}, "unknown normalize_activations"),
        ({"k": "many"}, "k is 'many'"),
        ({"k": None}, "k is None"),
        ({"k": 0}, "k=0 isn't between"),
        ({"k": 13}, "k=13 isn't between"),
        ({"d_sae": 99}, "the config says d_sae=99"),
    ],
)
def test_wrong_config(saelens: Path, changes: dict[str, Any], expected: str) -> None:
    edit_config(saelens, **changes)
    assert expected in complaint(saelens)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '"cfg"', "\x00\x01", '{"architecture": "topk"'])
def test_config_that_is_no_object(saelens: Path, text: str) -> None:
    (saelens / "cfg.json").write_text(text)
    assert "cfg.json" in complaint(saelens)


def test_scaling_factor_without_leave(saelens: Path) -> None:
    edit_tensors(saelens, lambda tensors: tensors.update({"scaling_factor": torch.full((F,), 2.0)}))
    assert "finetuning_scaling_factor" in complaint(saelens)


def test_unknown_sparsify_activation(tmp_path: Path, sae: Sae) -> None:
    folder = save_sparsify(sae, tmp_path / "layers.0")
    edit_config(folder, activation="softmax")
    assert "unknown sparsify activation 'softmax'" in complaint(folder)
    edit_config(folder, activation="groupmax", k=5)
    assert "can't divide 12 features" in complaint(folder)


class Trap:
    """What unpickling this would do is make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.path), "w")


@pytest.mark.parametrize("name", ["3.pt", "ae.pt", "layer0.sae.pt", "some-SAE-l3.pth", "other.pt"])
@pytest.mark.parametrize("raw", [True, False])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path, name: str, raw: bool) -> None:
    folder, evidence = tmp_path / "W1K-L0_5", tmp_path / "it-was-run"
    folder.mkdir()
    state = {"encoder.weight": torch.zeros(F, D), "trap": Trap(evidence)}
    if raw:
        (folder / name).write_bytes(pickle.dumps(state))
    else:
        torch.save(state, folder / name)
    (folder / "config.json").write_text(
        json.dumps({"trainer": {"dict_class": "AutoEncoder", "activation_dim": D}})
    )
    message = complaint(folder / name)
    assert "running code from a pickle is refused" in message
    assert not evidence.exists()
    with pytest.raises(SaeError):
        load_sae(folder)
    assert not evidence.exists()


def test_pickled_objects_in_npz_are_refused(tmp_path: Path) -> None:
    evidence = tmp_path / "it-was-run"
    folder = tmp_path / "layer_0"
    folder.mkdir()
    np.savez(folder / "params.npz", W_enc=np.array([Trap(evidence)], dtype=object))
    assert "isn't a whole .npz file of plain arrays" in complaint(folder)
    assert not evidence.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip at all" * 20])
@pytest.mark.parametrize("name", ["params.npz", "3.pt", "ae.pt"])
def test_broken_archives(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    (tmp_path / "config.json").write_text(json.dumps({"trainer": {"dict_class": "AutoEncoder"}}))
    assert name in complaint(tmp_path)


def test_torch_file_without_names(tmp_path: Path) -> None:
    torch.save([torch.zeros(3)], tmp_path / "3.pt")
    assert "holds a list, not named tensors" in complaint(tmp_path)


def test_unknown_dictionary_class(tmp_path: Path) -> None:
    torch.save({"encoder.weight": torch.zeros(F, D)}, tmp_path / "ae.pt")
    (tmp_path / "config.json").write_text(json.dumps({"trainer": {"dict_class": "AutoEncoderTopKK"}}))
    assert "did you mean 'AutoEncoderTopK'" in complaint(tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    assert complaint(tmp_path) == f"{tmp_path} holds no SAE: it is empty"


def test_foreign_folder_names_what_was_found(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "config.json").write_text("{}")
    message = complaint(tmp_path)
    assert "holds no SAE, but config.json, model.safetensors" in message
    assert "`congruence list formats`" in message
    assert len(message) < len(str(tmp_path)) + 200


def test_two_formats_in_one_folder_are_ambiguous(saelens: Path, sae: Sae) -> None:
    config = (saelens / "cfg.json").read_text()
    save_sparsify(sae, saelens)
    (saelens / "cfg.json").write_text(config)
    message = complaint(saelens)
    assert "fits several SAE formats" in message
    assert "saelens" in message
    assert "sparsify" in message


def test_several_saes_need_a_name(tmp_path: Path, sae: Sae) -> None:
    for layer in range(12):
        save_sparsify(sae, tmp_path / f"layers.{layer}")
    message = complaint(tmp_path)
    assert "holds 12 SAEs" in message
    assert "and 4 more" in message
    assert "holds no SAE 'layers.12'" in complaint(tmp_path, sae_id="layers.12")


@pytest.mark.parametrize("path", ["/no/such/folder", "./missing", "missing folder", ""])
def test_a_path_that_is_nothing(path: str) -> None:
    with pytest.raises(SaeError, match="no SAE at"):
        list_saes(path or "/no/such")


def test_unknown_dtype(saelens: Path) -> None:
    assert "did you mean 'float32'" in complaint(saelens, dtype="float31")


def test_input_of_another_width(saelens: Path) -> None:
    with pytest.raises(SaeError, match=r"input of shape \(3, 7\) doesn't fit an SAE with d_in=6"):
        load_sae(saelens).encode(torch.zeros(3, 7))
    with pytest.raises(SaeError, match="doesn't fit an SAE with d_in=6"):
        load_sae(saelens).encode_csr(torch.zeros(6, 4))


def test_a_device_that_isn_t_there(saelens: Path) -> None:
    assert "device 'cuda:97' can't be used" in complaint(saelens, device="cuda:97")


GOLDEN = Path(__file__).parents[2] / "golden" / "saes"
ONE_OF_EACH = (
    "saelens/topk", "saelens/before_6_topk", "saelens/matching_pursuit", "sparsify/topk", "sparsify/transcoder",
    "dictionary_learning/topk", "dictionary_learning_fork/autoencoder_pushed",
    "dictionary_learning_fork/crosscoder_pushed", "dictionary_learning_fork/crosscoder",
    "llamascopium/crosscoder_topk", "circuit_tracer/topk",
)  # fmt: skip
NONSENSE = (None, True, float("nan"), float("inf"), -1, 0, 5, 10**30, 2.5, "x", "", [], [1], {}, {"k": "v"})
FEW = (float("nan"), [], "x")


def _configs(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".json":
            yield file, json.loads(file.read_text())
        elif file.suffix == ".yaml":
            yield file, yaml.safe_load(file.read_text())


def _changed(config: dict[str, Any], value: Any) -> Iterator[dict[str, Any]]:
    """The config with each of its entries, and each of those one level below, in turn made `value`."""
    for key, old in config.items():
        yield config | {key: value}
        if isinstance(old, dict):
            yield from (config | {key: old | {inner: value}} for inner in old)


@pytest.mark.parametrize("name", ONE_OF_EACH)
@pytest.mark.parametrize("values", [FEW, pytest.param(NONSENSE, marks=pytest.mark.slow)], ids=["few", "all"])
def test_any_entry_of_a_config_may_be_nonsense(tmp_path: Path, name: str, values: tuple[Any, ...]) -> None:
    """One line or an SAE, for each entry and each kind of value; so for listing, keys and crosscoders."""
    folder = tmp_path / "sae"
    shutil.copytree(GOLDEN / name, folder)
    (folder / "expected.npz").unlink()
    told: list[str] = []
    for file, config in list(_configs(folder)):
        for value in values:
            for changed in _changed(config, value):
                file.write_text(json.dumps(changed))
                told += [_told(call, folder) for call in (load_sae, list_saes, load_crosscoder)]
        file.write_text(json.dumps(config))
    assert len(told) >= 18
    assert not [line for line in told if "\n" in line or len(line) > 1200]


def _told(call: Callable[[Path], Any], folder: Path) -> str:
    try:
        call(folder)
    except SaeError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("shape", [(10**9, 50_000), (10**7, 35), (2, 3)])
@pytest.mark.parametrize("packed", [False, True])
def test_a_header_that_claims_more_than_is_there(
    tmp_path: Path, shape: tuple[int, int], packed: bool
) -> None:
    """364 TiB, 1.4 GB and a little too much: refused before anything is allocated."""
    folder = tmp_path / "layer_0"
    folder.mkdir()
    real = np.zeros((2, 2), dtype=np.float32)
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f4" if packed else "<f8", "fortran_order": False, "shape": shape}
    )
    method = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(folder / "params.npz", "w", method) as archive:
        archive.writestr("W_enc.npy", buffer.getvalue() + real.tobytes())
    message = complaint(folder)
    assert f"W_enc.npy claims shape {shape}" in message
    assert "isn't a whole .npz file" in message


def test_a_directory_that_claims_more_than_its_bytes_can_hold(tmp_path: Path) -> None:
    folder = tmp_path / "layer_0"
    folder.mkdir()
    np.savez_compressed(folder / "params.npz", W_enc=np.zeros((4, 4), dtype=np.float32))
    raw = bytearray((folder / "params.npz").read_bytes())
    directory = raw.index(b"PK\x01\x02")
    raw[directory + 24 : directory + 28] = (2**31).to_bytes(4, "little")  # uncompressed size
    (folder / "params.npz").write_bytes(raw)
    assert "W_enc.npy claims 2147483648 bytes" in complaint(folder)


def test_a_tensor_that_repeats_its_bytes_is_refused(tmp_path: Path) -> None:
    """One float that strides make into a petabyte."""
    state = {"pre_bias": torch.zeros(D), "latent_bias": torch.zeros(F)}
    state["encoder.weight"] = torch.zeros(1).as_strided((10**7, 10**7), (0, 0))
    torch.save(state, tmp_path / "3.pt")
    assert "'encoder.weight' claims shape (10000000, 10000000) in 4 bytes" in complaint(tmp_path)
    state["encoder.weight"] = torch.eye(4).to_sparse()
    torch.save(state, tmp_path / "3.pt")
    assert "'encoder.weight' isn't a plain dense tensor" in complaint(tmp_path)


def test_the_cases_that_were_seen(saelens: Path, sae: Sae, tmp_path: Path) -> None:
    edit_config(saelens, k=float("nan"))
    assert "k is nan, expected a whole number" in complaint(saelens)
    edit_config(saelens, k=3, metadata={"hook_name": 5})
    assert "hook_name" in complaint(saelens)
    with pytest.raises(SaeError, match="hook_name is 5, expected a word"):
        list_saes(saelens)
    folder = save_sparsify(sae, tmp_path / "layers.0")
    edit_config(folder, d_in=[])
    with pytest.raises(SaeError, match=r"d_in is \[\], expected a whole number"):
        list_saes(folder)
    (saelens / "cfg.json").write_text("[" * 200_000)
    assert "cfg.json isn't readable JSON" in complaint(saelens)
