"""A source is listed and recognised once, and an SAE's key and decoder are had without loading it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from congruence.errors import SaeError
from congruence.saes import Catalogue, SaeEntry, load_sae, save_sparsify
from congruence.saes.activation_functions import Activation, TopK
from congruence.saes.formats import SaeFormat
from congruence.saes.input_scaling import InputScaling
from congruence.saes.sources import LocalFolder

GOLDEN = Path(__file__).parents[2] / "golden" / "saes"
FOLDERS = [f.parent for f in sorted(GOLDEN.glob("*/*/expected.npz")) if "crosscoder" not in f.parent.name]


@pytest.fixture
def several(tmp_path: Path) -> Path:
    sae = load_sae(GOLDEN / "sparsify" / "topk")
    for layer in range(4):
        save_sparsify(sae, tmp_path / "saes" / f"layers.{layer}")
    return tmp_path / "saes"


def test_a_folder_is_listed_and_recognised_once(several: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed, recognised = [], []
    listing, accepting = LocalFolder._list, SaeFormat.accepts
    monkeypatch.setattr(LocalFolder, "_list", lambda self: (listed.append(1), listing(self))[1])
    monkeypatch.setattr(
        SaeFormat, "accepts", lambda self, files: (recognised.append(files.sae_id), accepting(self, files))[1]
    )
    catalogue = Catalogue(several)
    assert [entry.layer for entry in catalogue.entries] == [0, 1, 2, 3]
    for layer in range(4):
        catalogue.of_layer(layer, "resid_post").load()
        catalogue.one(f"layers.{layer}").read()
    assert len(listed) == 1
    assert sorted(recognised) == sorted(set(recognised))


def test_a_key_is_of_the_files_that_are_read(several: Path, tmp_path: Path) -> None:
    entry = Catalogue(several).of_layer(1)
    key = entry.key()
    assert key == Catalogue(several).of_layer(2).key()  # the same bytes under another name
    assert key != entry.key(fold_decoder_norm=True)
    shutil.copytree(several / "layers.1", tmp_path / "copy" / "layers.1")
    (tmp_path / "copy" / "layers.1" / "training.json").write_text("{}")
    assert Catalogue(tmp_path / "copy").of_layer(1).key() == key
    config = several / "layers.1" / "cfg.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"k": 3}))
    assert Catalogue(several).of_layer(1).key() != key


def test_what_stands_in_a_name_alone_is_part_of_the_key(tmp_path: Path) -> None:
    import torch

    tensors = {
        "W_enc": torch.rand(8, 4),
        "W_dec": torch.rand(4, 8),
        "b_enc": torch.rand(8),
        "b_dec": torch.rand(4),
    }
    keys = set()
    for k in (2, 3):
        folder = tmp_path / f"SAE-Res-W32K-L0_{k}"
        folder.mkdir()
        torch.save(tensors, folder / "layer1.sae.pt")
        keys.add(Catalogue(folder).of_layer(1).key())
    assert len(keys) == 2


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
@pytest.mark.parametrize("fold", [False, True])
def test_decoder_rows_are_those_of_the_loaded_sae(folder: Path, fold: bool) -> None:
    entry = Catalogue(folder).one("W_enc_1.safetensors" if "clt" in folder.name else None).describe()
    try:
        expected = entry.load(fold_decoder_norm=fold).W_dec.numpy()
    except SaeError:
        pytest.skip("its decoder norms can't be folded")
    found = entry.decoder(fold_decoder_norm=fold)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_an_entry_of_no_listing_says_what_to_call() -> None:
    with pytest.raises(SaeError, match=r"load_sae\('folder'"):
        SaeEntry("folder", "x", "saelens").load()


@pytest.mark.parametrize("base", [Activation, InputScaling])
def test_bases_are_abstract(base: type) -> None:
    with pytest.raises(TypeError, match="abstract"):
        base()
    assert TopK(3).compares_features
