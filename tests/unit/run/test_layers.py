"""A layer's record is the same whether its activations lie in memory or are read from disk by blocks."""

import numpy as np
import pytest

from congruence.config.parsing import resolve
from congruence.progress import Silent
from congruence.recipes.demo import demo_folder
from congruence.run import captures as module
from congruence.run.captures import Captures
from congruence.run.grid import Source
from congruence.sides.corpus import read_text
from congruence.sides.side import open_sides
from congruence.storage import Memo

DEMO = demo_folder()
SOURCES = [Source("a", "real", 1), Source("a", "neurons", 1), Source("b", "real", 2)]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    def side(size):
        return {"model": str(DEMO / size), "saes": str(DEMO / "saes" / size), "layers": [1, 2]}

    corpus = {"path": str(DEMO / "text" / "comparison.jsonl"), "documents": 20, "max_tokens": 64}
    config = resolve({"a": side("small"), "b": side("large"), "corpus": corpus}, {})
    sides = open_sides(config)
    text = read_text(config.corpus, sides["a"], sides["b"])
    folder = tmp_path_factory.mktemp("activations")

    def captures():
        found = Captures(sides, text, config, folder, Memo(folder / "known"))
        found.capture(SOURCES, Silent())
        return found

    return captures


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_by_blocks_as_in_memory(opened, source, monkeypatch):
    held = opened().features(source)
    monkeypatch.setattr(module, "LAYER_IN_MEMORY", 0)
    read = opened().features(source)
    np.testing.assert_array_equal(read.live, held.live)
    np.testing.assert_array_equal(read.token_codes, held.token_codes)
    np.testing.assert_array_equal(read.top.positions, held.top.positions)
    np.testing.assert_array_equal(read.W_dec, held.W_dec)
    np.testing.assert_allclose(read.acts.moments.mean, held.acts.moments.mean, rtol=1e-12)
    assert (read.name, read.key) == (held.name, held.key)
    assert read.name == f"{source.side}/{source.variant}/{source.layer}"
    assert type(read.acts.source).__name__ == "StreamSource"


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_columns_of_chosen_features(opened, source):
    captures = opened()
    layer = captures.features(source)
    chosen = layer.live[[5, 2, 9]]
    columns = layer.columns_of(chosen)
    whole = captures._stores[source].to_dense()
    (parts,) = [block.toarray() for _, block in columns.source.blocks()]
    np.testing.assert_array_equal(parts, whole[:, chosen])
    np.testing.assert_array_equal(columns.document_offsets, layer.document_offsets)
    np.testing.assert_array_equal(columns.moments.firings, layer.acts.moments.firings[chosen])


def test_layers_are_bounded_by_bytes(opened, monkeypatch):
    monkeypatch.setattr(module, "LAYERS_BYTES", 1)
    captures = opened()
    first = captures.features(SOURCES[0])
    for source in SOURCES:
        captures.features(source)
    assert len(captures._layers) == 2
    assert captures.features(SOURCES[0]) is not first


def test_a_layer_s_decoder_is_read_when_it_is_wanted(opened):
    layer = opened().features(SOURCES[2])
    before = layer.nbytes
    assert before > 0
    assert layer.W_dec.dtype == np.float32
    assert layer.nbytes == before + layer.W_dec.nbytes


def test_finished_is_told_without_loading(opened):
    captures = opened()
    captures.let_go()
    assert captures.finished(SOURCES)
    assert not captures.finished([*SOURCES, Source("b", "real", 1)])


def test_room_is_made_and_what_went_comes_back(opened):
    captures = opened()
    layers = [captures.features(source) for source in SOURCES]
    before = layers[0].acts.columns("pearson")
    captures.make_room(SOURCES[0])
    assert len(captures._layers) == 1
    assert captures.features(SOURCES[0]) is layers[0]
    assert not layers[0].acts._layouts
    again = layers[0].acts.columns("pearson")
    assert again is not before
    for one, other in zip(again.arrays, before.arrays, strict=True):
        np.testing.assert_array_equal(one, other)
    assert captures.features(SOURCES[2]) is not layers[2]
