"""Finished shards are used, unfinished ones computed again, and the numbers are those of one run."""

import logging
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from congruence.activations import ActivationStore, capture_features
from congruence.activations.capture import log as capture_log
from congruence.errors import StorageError

pytestmark = pytest.mark.usefixtures("small_shards")


def contents(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and not any(part.startswith(".") for part in p.relative_to(folder).parts)
    }


def test_second_run_runs_no_model(model, tokens, saes, tmp_path, forward_passes, caplog):
    first = capture_features(model, tokens, saes, tmp_path)
    del forward_passes[:]
    caplog.clear()
    with caplog.at_level(logging.INFO, logger=capture_log.name):
        second = capture_features(model, tokens, saes, tmp_path, batch_tokens=40)
    assert not forward_passes
    assert "computing" not in caplog.text
    assert caplog.text.count("reused layers.0, layers.1, layers.2") == 6
    for name in saes:
        assert np.array_equal(first[name].to_dense(), second[name].to_dense())


def test_another_layer_leaves_the_others_alone(model, tokens, saes, tmp_path, caplog):
    last = saes.popitem()
    capture_features(model, tokens, saes, tmp_path)
    caplog.clear()
    with caplog.at_level(logging.INFO, logger=capture_log.name):
        capture_features(model, tokens, saes | dict([last]), tmp_path)
    assert caplog.text.count("reused layers.0, layers.1\n") == 6
    assert caplog.text.count("computing layers.2\n") == 6


@pytest.mark.parametrize("name", ["data.f4", "indices.i4", "indptr.i8"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_broken_shard_is_computed_again(model, tokens, saes, tmp_path, forward_passes, name, damage):
    stores = capture_features(model, tokens, saes, tmp_path)
    whole = contents(tmp_path)
    broken = stores["layers.1"].shard_path(3) / name
    broken.write_bytes(broken.read_bytes()[:-8]) if damage == "cut" else broken.unlink()
    assert not ActivationStore.open(stores["layers.1"].path).finished
    del forward_passes[:]
    capture_features(model, tokens, saes, tmp_path)
    assert sum(forward_passes) == 2
    assert contents(tmp_path) == whole


def test_reading_a_broken_shard(model, tokens, saes, tmp_path):
    store = capture_features(model, tokens, saes, tmp_path)["layers.1"]
    (store.shard_path(2) / "data.f4").write_bytes(b"")
    with pytest.raises(StorageError, match=r"shard-00002.*only this shard is computed anew"):
        store.to_csr()


def test_broken_description_is_written_again(model, tokens, saes, tmp_path, forward_passes):
    store = capture_features(model, tokens, saes, tmp_path)["layers.1"]
    (store.path / "store.json").write_text("{")
    del forward_passes[:]
    again = capture_features(model, tokens, saes, tmp_path)["layers.1"]
    assert again.finished
    assert sum(forward_passes) == 1  # the widths


def test_folder_of_another_tool(tmp_path):
    (tmp_path / "store.json").write_text('{"kind": "something/else"}')
    with pytest.raises(StorageError, match="something/else"):
        ActivationStore.open(tmp_path)
    with pytest.raises(StorageError, match="doesn't exist"):
        ActivationStore.open(tmp_path / "none")


def test_a_shard_appears_whole_or_not_at_all(model, tokens, saes, tmp_path):
    seen = []

    def look(done, _total):
        seen.append((done, len(list(tmp_path.glob("layers.1-*/shard-*")))))

    capture_features(model, tokens, saes, tmp_path, batch_tokens=40, progress=look)
    offsets = [int(tokens.keep[: 2 * i].sum()) for i in range(1, 7)]
    for done, shards in seen:
        assert shards <= sum(done >= offset for offset in offsets)


SCRIPT = """
    import os, signal, sys
    sys.path[:0] = [{tests!r}]
    import tiny_models, torch
    from tiny_sae import TinySae
    from congruence.activations import capture_features, plan
    from congruence.models import LanguageModel, corpus_of, tokenize

    torch.set_num_threads(1)
    plan.SHARD_TOKENS = 80
    model = LanguageModel.from_module(
        tiny_models.module("llama"), tiny_models.tokenizer(), name="t", key="k"
    )
    tokens = tokenize(corpus_of(tiny_models.TEXTS), model.tokenizer, max_tokens=40, prepend_bos=True)
    saes = {{f"layers.{{layer}}": TinySae(layer) for layer in range(3)}}

    def progress(done, total):
        if done >= 0.55 * total:
            os.kill(os.getpid(), signal.SIGKILL)

    capture_features(model, tokens, saes, {folder!r}, batch_tokens=40, progress=progress)
"""


@pytest.fixture
def one_thread():
    """Numbers are the same to the last bit only with as many threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_killed_run_goes_on_where_it_was(model, tokens, saes, tmp_path, one_thread, caplog):
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    script = SCRIPT.format(tests=str(Path(__file__).parents[2]), folder=str(killed))
    died = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    finished = len(list(killed.glob("layers.0-*/shard-*")))
    assert 0 < finished < 6
    with caplog.at_level(logging.INFO, logger=capture_log.name):
        capture_features(model, tokens, saes, killed, batch_tokens=40)
    assert caplog.text.count(": reused layers.0, layers.1, layers.2") == finished
    assert caplog.text.count(": computing layers.0, layers.1, layers.2") == 6 - finished
    capture_features(model, tokens, saes, undisturbed, batch_tokens=40)
    assert contents(killed) == contents(undisturbed)
