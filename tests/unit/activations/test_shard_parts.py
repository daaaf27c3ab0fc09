"""A shard that takes long is written in parts: a stop loses the last one, and the stored bytes are the same."""

import shutil

import numpy as np
import pytest

from congruence.activations import capture, capture_features
from congruence.activations.parts import STOP


class Killed(BaseException):
    pass


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def stopping_after(share):
    def progress(done, total):
        if done >= share * total:
            raise Killed

    return progress


@pytest.fixture
def parts_of_a_batch(monkeypatch):
    monkeypatch.setattr(capture, "PART_SECONDS", -1.0)


@pytest.fixture
def whole(model, tokens, saes, tmp_path):
    """What one go writes; one shard, a batch of one row."""
    capture_features(model, tokens, saes, tmp_path / "whole", batch_tokens=40)
    return contents(tmp_path / "whole")


def test_a_quick_shard_leaves_no_trace_of_parts(whole):
    assert not [name for name in whole if "part" in name or name.endswith(STOP)]


@pytest.mark.usefixtures("parts_of_a_batch")
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_what_is_done_is_not_done_again(model, tokens, saes, tmp_path, whole, forward_passes, share):
    folder = tmp_path / "stopped"
    with pytest.raises(Killed):
        capture_features(model, tokens, saes, folder, batch_tokens=40, progress=stopping_after(share))
    assert contents(folder) != whole
    del forward_passes[:]
    capture_features(model, tokens, saes, folder, batch_tokens=40)
    kept = np.cumsum(tokens.keep.sum(axis=1)) / tokens.n
    finished = int((kept < share).sum())  # the row at which it was stopped is computed again
    assert sum(forward_passes) == len(tokens.keep) - finished
    assert contents(folder) == whole


@pytest.mark.usefixtures("parts_of_a_batch")
@pytest.mark.parametrize("damage", ["cut", "gone", "unfinished", "one store behind"])
def test_a_part_that_is_not_whole_is_computed_again(model, tokens, saes, tmp_path, whole, damage):
    folder = tmp_path / "stopped"
    with pytest.raises(Killed):
        capture_features(model, tokens, saes, folder, batch_tokens=40, progress=stopping_after(0.6))
    store = next(folder.glob("layers.1-*"))
    second = sorted(store.glob("parts-00000/from-*"))[1]
    if damage == "cut":
        (second / "data.f4").write_bytes((second / "data.f4").read_bytes()[:-4])
    elif damage == "gone":
        shutil.rmtree(second)
    elif damage == "unfinished":
        (second / STOP).unlink()
    else:
        shutil.rmtree(store / "parts-00000")
    capture_features(model, tokens, saes, folder, batch_tokens=40)
    assert contents(folder) == whole


@pytest.mark.usefixtures("parts_of_a_batch")
def test_hidden_units_in_parts(model, tokens, tmp_path):
    units = {"mlp_hidden.1": None}
    capture_features(model, tokens, units, tmp_path / "parts", batch_tokens=80)
    capture.PART_SECONDS = 60.0
    capture_features(model, tokens, units, tmp_path / "whole", batch_tokens=80)
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
