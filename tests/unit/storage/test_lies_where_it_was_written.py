"""What is whole, and lies under a name that it wasn't written for, is something else's answer."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from congruence.activations.shards import ShardWriter, open_shard
from congruence.run.stored import CellResult, load_cell, save_cell
from congruence.storage import Memo, NotWhole, open_artefact, read_arrays, write_arrays, write_artefact


def swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def test_cells_that_changed_places_are_computed_again(tmp_path: Path) -> None:
    for layer in (1, 2):
        row = {"layer_a": layer, "value": layer / 2}
        save_cell(CellResult([row], {}, pd.DataFrame({"r": [0.5]})), tmp_path / f"L{layer}-L1-00")
    assert load_cell(tmp_path / "L1-L1-00").rows[0]["layer_a"] == 1
    swap(tmp_path / "L1-L1-00", tmp_path / "L2-L1-00")
    assert load_cell(tmp_path / "L1-L1-00") is None
    shutil.rmtree(tmp_path / ".L1-L1-00.broken")
    (tmp_path / "L3-L1-00").symlink_to("L2-L1-00")
    assert load_cell(tmp_path / "L3-L1-00") is None


def test_answers_that_changed_places_are_found_anew(tmp_path: Path) -> None:
    memo = Memo(tmp_path)
    for model in ("small", "large"):
        memo.value("model", model, lambda model=model: {"is": model})
        memo.arrays("tokens", model, lambda model=model: {"ids": np.arange(len(model))})
    for kind in ("model", "tokens"):
        names = [memo.name(kind, model) for model in ("small", "large")]
        for suffix in (".json", ".npz") if kind == "tokens" else (".json",):
            swap(*(tmp_path / f"{name}{suffix}" for name in names))
    assert memo.value("model", "small", lambda: {"is": "found anew"}) == {"is": "found anew"}
    assert memo.arrays("tokens", "large", lambda: {"ids": np.zeros(9)})["ids"].shape == (9,)


def test_shards_of_one_store_that_changed_places_are_refused(tmp_path: Path) -> None:
    for shard in (0, 1):
        (tmp_path / f"{shard}").mkdir()
        writer = ShardWriter(tmp_path / f"{shard}")
        writer.append(sparse.csr_array(np.eye(3, dtype=np.float32) * (shard + 1)))
        writer.close("key", shard)
    open_shard(tmp_path / "0", "key", 0, 3, None).check()
    with pytest.raises(NotWhole, match="other activations"):
        open_shard(tmp_path / "1", "key", 0, 3, None)


def test_arrays_are_believed_under_their_own_name_and_record_alone(tmp_path: Path) -> None:
    for number in (0, 1):
        about = {"key": "k", "shard": number}
        write_arrays(tmp_path / f"sums-{number}.json", "sums", 1, about, {"n": np.array([number, 7])})
    first, second = tmp_path / "sums-0.json", tmp_path / "sums-1.json"
    assert read_arrays(first, "sums", 1, {"key": "k", "shard": 0})["n"].tolist() == [0, 7]
    with pytest.raises(NotWhole, match="for something else"):
        read_arrays(first, "sums", 1, {"key": "another capture's", "shard": 0})
    swap(first.with_suffix(".npz"), second.with_suffix(".npz"))
    with pytest.raises(NotWhole, match="isn't what was written"):
        read_arrays(first, "sums", 1)
    swap(first, second)
    with pytest.raises(NotWhole, match="was written for 'sums-1'"):
        read_arrays(first, "sums", 1)


def test_a_link_that_leads_to_itself_is_a_cell_that_isn_t_whole(tmp_path: Path) -> None:
    place = tmp_path / "L1-L1-00"
    place.symlink_to(place.name)
    assert load_cell(place) is None
    save_cell(CellResult([{"value": 1.0}], {}, pd.DataFrame({"r": [0.5]})), place)
    assert load_cell(place).rows[0]["value"] == 1.0


def test_records_that_name_no_place_are_believed(tmp_path: Path) -> None:
    write_artefact(tmp_path / "a.json", "memo", 1, {})
    open_artefact(tmp_path / "a.json", "memo", 1, place="a")
