"""SAEs that no library wrote: read by shapes as the configuration says, refused where they don't reconstruct."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from congruence.config.parsing import parse_config
from congruence.doctor import preflight
from congruence.errors import ConfigError, CongruenceError, SaeError
from congruence.recipes.demo import demo_folder
from congruence.saes import load_plain, load_sae
from congruence.sides.corpus import read_text
from congruence.sides.side import open_sides

DEMO = demo_folder()
LAYER = 2


@pytest.fixture(scope="module")
def trained():
    return load_sae(DEMO / "saes" / "small" / f"blocks.{LAYER}.hook_resid_post")


def names_of_ours(sae):
    return {"W_enc": sae.W_enc, "W_dec": sae.W_dec, "b_enc": sae.b_enc, "b_dec": sae.b_dec}


def names_of_linears(sae):
    """Two `nn.Linear`: the decoder's bias belongs to the output alone, so it is folded into the encoder."""
    return {
        "encoder.weight": sae.W_enc.T,
        "encoder.bias": sae.b_enc - sae.b_dec @ sae.W_enc,
        "decoder.weight": sae.W_dec.T,
        "decoder.bias": sae.b_dec,
    }


def names_of_others(sae):
    return {
        "model.enc.w": sae.W_enc.T,
        "model.enc.b": sae.b_enc,
        "model.dictionary": sae.W_dec,
        "pre_bias": sae.b_dec,
    }


def write(folder, tensors, suffix):
    path = folder / f"mine{suffix}"
    plain = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    if suffix == ".safetensors":
        save_file(plain, path)
    elif suffix == ".npz":
        np.savez(path, **{name: tensor.numpy() for name, tensor in plain.items()})
    else:
        torch.save({"step": 7, "state_dict": plain}, path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pt"])
@pytest.mark.parametrize("names", [names_of_ours, names_of_linears, names_of_others])
def test_the_same_activations_from_any_layout(tmp_path, trained, names, suffix):
    path = write(tmp_path, names(trained), suffix)
    x = torch.randn(50, trained.d_in, generator=torch.Generator().manual_seed(0)) * 3
    for where in (path, tmp_path):
        found = load_plain(where, activation="topk", k=trained.k, hook_name="resid_post.2")
        torch.testing.assert_close(found.encode(x), trained.encode(x), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found.reconstruct(x), trained.reconstruct(x), atol=1e-4, rtol=1e-5)
    assert found.layer == LAYER


@pytest.mark.parametrize(
    ("tensors", "reading", "expected"),
    [
        ({"W_enc": (4, 8), "W_dec": (8, 4)}, {"activation": "topk"}, "needs k"),
        ({"W_enc": (4, 8), "W_dec": (8, 4)}, {"activation": "jumprelu"}, "needs a threshold"),
        ({"W_enc": (4, 8), "W_dec": (8, 4)}, {"activation": "relo"}, "did you mean 'relu'"),
        ({"W_enc": (4, 8), "W_dec": (8, 4)}, {"orientation": "out_first"}, "orientation out_first disagrees"),
        ({"W_enc": (4, 8), "W_dec": (8, 4)}, {"orientation": "transposed"}, "unknown orientation"),
        ({"one": (4, 8), "two": (8, 4)}, {}, "no name tells which is the encoder"),
        ({"W_enc": (4, 8), "W_dec": (8, 5)}, {}, "of the same two sizes"),
        ({"W_enc": (4, 8), "W_dec": (8, 4), "W_skip": (4, 4)}, {}, "of the same two sizes"),
        ({"b": (4,)}, {}, "its matrices are none"),
        (
            {"W_enc": (4, 8), "W_dec": (8, 4)},
            {"activation": "topk", "k": 9},
            "k=9 isn't between 1 and d_sae=8",
        ),
        ({"W_enc": (4, 8), "W_dec": (8, 4)}, {"activation": "batchtopk"}, "needs k: add k, .* or threshold"),
        (
            {"W_enc": (4, 8), "W_dec": (8, 4)},
            {"activation": "topk", "k": 0},
            "k is 0, expected a whole number",
        ),
        ({"W_enc": (4, 8), "W_dec": (8, 4)}, {"k": 2}, "k goes with activation topk or batchtopk.*: drop k"),
        ({"W_enc": (4, 8), "W_dec": (8, 4)}, {"threshold": 0.1}, "threshold goes with activation jumprelu"),
        (
            {"W_enc": (4, 8), "W_dec": (8, 4)},
            {"subtract_b_dec": True},
            "no bias of the decoder: leave subtract",
        ),
        ({"W_enc": (4, 8), "W_dec": (8, 4)}, {"activaton": "relu"}, "unknown option 'activaton'"),
        (
            {"W_enc": (4, 8), "W_dec": (8, 4), "threshold": (8,)},
            {"activation": "jumprelu", "threshold": 0.1},
            r"a threshold of its own \(threshold\): leave threshold out",
        ),
        (
            {"W_enc": (4, 8), "W_dec": (8, 4)},
            {"activation": "batchtopk", "threshold": 0.1, "k": 2},
            "by threshold or by k: give one",
        ),
    ],
)
def test_what_cant_be_told_is_asked_for_in_one_line(tmp_path, tensors, reading, expected):
    path = write(tmp_path, {name: torch.ones(shape) for name, shape in tensors.items()}, ".safetensors")
    with pytest.raises(SaeError, match=expected) as caught:
        load_plain(path, **reading)
    assert "\n" not in str(caught.value)


def test_batchtopk_without_a_threshold_fires_k_a_token(tmp_path, trained):
    path = write(tmp_path, names_of_ours(trained), ".safetensors")
    x = torch.randn(20, trained.d_in, generator=torch.Generator().manual_seed(1))
    found, topk = (load_plain(path, activation=kind, k=8) for kind in ("batchtopk", "topk"))
    assert torch.equal(found.encode(x), topk.encode(x))
    assert int((found.encode(x) != 0).sum(1).max()) == 8


def test_what_nothing_reads_is_told(tmp_path, trained, caplog):
    load_plain(write(tmp_path, names_of_ours(trained) | {"scale": torch.ones(3)}, ".safetensors"))
    assert "nothing reads its scale" in caplog.text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"activation": "topk"}, "activation topk needs k"),
        ({"activation": "relu", "k": 4}, "k goes with activation topk or batchtopk"),
        ({"k": 4}, "no activation is given"),
        ({"activation": "batchtopk", "k": 4, "threshold": 0.5}, "by threshold or by k"),
    ],
)
def test_a_configuration_without_k_or_with_too_much_is_refused(options, expected):
    side = {"model": "x", "saes": {"path": "y.pt", **options}}
    with pytest.raises(ConfigError, match=expected):
        parse_config({"a": side, "b": side, "corpus": {"path": "z"}})


def examined(saes, **side):
    config = {
        "a": {"model": str(DEMO / "small"), "saes": saes, **side},
        "b": {"model": str(DEMO / "small"), "saes": str(DEMO / "saes" / "small"), "layers": [LAYER]},
        "corpus": {"path": str(DEMO / "text" / "comparison.jsonl"), "documents": 20, "max_tokens": 64},
    }
    resolved = parse_config(config)
    sides = open_sides(resolved)
    return sides["a"], preflight(resolved, sides, read_text(resolved.corpus, sides["a"], sides["b"]))


@pytest.mark.parametrize(
    ("name", "value", "details"),
    [
        ("threshold", lambda size: torch.full((size,), 0.7), {}),
        ("threshold", lambda size: torch.tensor(0.7), {}),
        ("log_threshold", lambda size: torch.full((size,), 0.7).log(), {}),
        (None, None, {"threshold": 0.7}),
    ],
)
def test_thresholds_of_every_kind(tmp_path, trained, name, value, details):
    tensors = names_of_ours(trained) | ({name: value(trained.d_sae)} if name else {})
    found = load_plain(write(tmp_path, tensors, ".safetensors"), activation="jumprelu", **details)
    pre = found.pre_activation(x := torch.randn(20, trained.d_in, generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(found.encode(x), torch.where(pre > 0.7, pre, torch.zeros(())))
    torch.testing.assert_close(pre, (x - trained.b_dec) @ trained.W_enc + trained.b_enc, atol=1e-4, rtol=1e-4)


class TestInARun:
    def test_hook_and_layer_stand_beside_the_path(self, tmp_path, trained):
        path = write(tmp_path, names_of_ours(trained), ".pt")
        side, records = examined({"path": str(path), "activation": "topk", "k": 16, "hook": "resid_post.2"})
        assert side.layers == (LAYER,)
        fit = next(record for record in records if record.side == "a" and record.check == "fit")
        assert fit.status == "ok"
        assert fit.figures["fvu"] < 0.2

    @pytest.mark.parametrize(
        ("change", "details", "expected"),
        [
            (
                lambda sae: sae,
                {"activation": "topk", "k": 16, "subtract_b_dec": False},
                "subtract_b_dec: true",
            ),
            (
                lambda sae: sae,
                {"activation": "jumprelu", "threshold": 1e4},
                "doesn't reconstruct what it is fed",
            ),
        ],
    )
    def test_a_reading_that_doesnt_reconstruct_is_refused(self, tmp_path, trained, change, details, expected):
        path = write(tmp_path, names_of_ours(change(trained)), ".pt")
        with pytest.raises(SaeError, match=expected):
            examined({LAYER: {"path": str(path), **details}}, layers=[LAYER])

    @pytest.mark.parametrize(
        ("details", "expected"),
        [
            ({"activation": "relu", "k": 16}, "k goes with activation topk or batchtopk"),
            ({"activation": "topk", "k": 16, "threshold": 0.5}, "threshold goes with activation jumprelu"),
            ({"orientation": "in_first"}, "no activation is given"),
            ({"activation": "topk", "k": 16, "hook": "resid_post.3"}, "hook resid_post.3 for layer 2"),
            ({}, "reads an SAE of your own by its shapes"),
        ],
    )
    def test_what_nothing_would_read_is_refused(self, tmp_path, trained, details, expected):
        path = write(tmp_path, names_of_ours(trained), ".safetensors")
        with pytest.raises(CongruenceError, match=expected) as caught:
            examined({"path": str(path), **details}, layers=[LAYER])
        assert "\n" not in str(caught.value)

    def test_paths_may_be_path_objects(self):
        side = parse_config(
            {
                "a": {"model": DEMO / "small", "saes": {LAYER: DEMO / "saes" / "small"}},
                "b": {"model": DEMO / "small", "saes": DEMO / "saes" / "small"},
                "corpus": {"path": str(DEMO / "text" / "comparison.jsonl")},
            }
        ).a
        assert (side.model, side.saes) == (str(DEMO / "small"), {LAYER: str(DEMO / "saes" / "small")})

    def test_square_matrices_are_tried_both_ways(self, tmp_path, trained):
        square = slice(0, trained.d_in)
        few = replace(
            trained, W_enc=trained.W_enc[:, square], W_dec=trained.W_dec[square], b_enc=trained.b_enc[square]
        )
        turned = names_of_ours(few) | {"W_enc": few.W_enc.T, "W_dec": few.W_dec.T}
        path = write(tmp_path, turned, ".pt")
        read = load_plain(path, activation="topk", k=16, orientation="out_first")
        torch.testing.assert_close(read.W_enc, few.W_enc)
        assert not torch.equal(load_plain(path, activation="topk", k=16).W_enc, few.W_enc)
