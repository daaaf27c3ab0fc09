"""Cross-layer transcoders: a feature reads one layer and writes to the MLP outputs of it and of those after.

A layer's features are read as an SAE's: what they fire on depends on their own encoder alone. Each has a row
for every layer it writes to; here the *sum* of these rows stands for it, all that it adds to the residual
stream (SAELens sums as well). What is predicted at one layer comes from the features of all layers up to it,
so a layer's own output predicts nothing by itself (`Sae.is_part`).
"""

import re
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import Any

from torch import Tensor

from congruence.errors import SaeError
from congruence.saes.activation_functions import JumpReLU, ReLU
from congruence.saes.checks import check_matrix
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, header_shapes, register_format
from congruence.saes.formats.circuit_tracer import hooks
from congruence.saes.sae import Sae
from congruence.saes.sources import LocalFolder
from congruence.saes.tensors import take

CONFIG = "../config.yaml"
ARCHITECTURE = "cross_layer_transcoder"
_ENCODER = re.compile(r"W_enc_(\d+)\.safetensors")
_PARAMS = re.compile(r"params_layer_(\d+)\.safetensors")
_SEVERAL_LAYERS = re.compile(r"layer(?:_\d+){2,}_")


@register_format("circuit_tracer_clt")
class CircuitTracerClt(SaeFormat):
    """W_enc_3 (d_sae, d), biases, perhaps threshold_3 in one file, W_dec_3 (d_sae, layers it writes to, d) in
    another, hooks in `config.yaml`. ReLU unless there are thresholds."""

    looks_for = "W_enc_<n>.safetensors and W_dec_<n>.safetensors (and config.yaml)"

    def ids(self, files: Collection[str]) -> Iterable[str]:
        named = [file for file in files if _ENCODER.fullmatch(PurePosixPath(file).name)]
        return [file for file in named if str(_beside(file, "W_dec")) in files]

    def parts(self, files: SaeFiles) -> list[str]:
        return ["", f"../W_dec_{self._layer(files)}.safetensors", *([CONFIG] if files.has(CONFIG) else [])]

    def describe(self, files: SaeFiles) -> SaeEntry:
        layer = self._layer(files)
        shapes = header_shapes(files.path()) if isinstance(files.source, LocalFolder) else {}
        d_sae, d_in = shapes.get(f"W_enc_{layer}", (None, None))
        hook_name, _ = self._hooks(files)
        return self.entry(
            files, layer=layer, hook_name=hook_name, d_in=d_in, d_sae=d_sae, architecture=ARCHITECTURE
        )

    def read(self, files: SaeFiles) -> Sae:
        layer, path = self._layer(files), files.path()
        tensors = files.tensors()
        decoder = f"W_dec_{layer}"
        W_dec = take(
            files.tensors(f"../{decoder}.safetensors"), decoder, path.parent / f"{decoder}.safetensors"
        )
        threshold = tensors.get(f"threshold_{layer}")
        hook_name, hook_name_out = self._hooks(files)
        return Sae(
            W_enc=check_matrix(take(tensors, f"W_enc_{layer}", path), f"W_enc_{layer}", path).T,
            W_dec=_summed(W_dec, decoder, path),
            b_enc=take(tensors, f"b_enc_{layer}", path),
            b_dec=take(tensors, f"b_dec_{layer}", path),
            activation=ReLU() if threshold is None else JumpReLU(threshold.reshape(-1)),
            architecture=ARCHITECTURE,
            subtract_b_dec=False,
            hook_name=hook_name,
            hook_name_out=hook_name_out,
            path=path,
            metadata=_config(files),
        )

    @staticmethod
    def _layer(files: SaeFiles) -> int:
        return int(_ENCODER.findall(files.label)[-1])

    def _hooks(self, files: SaeFiles) -> tuple[str, str]:
        config = {"feature_input_hook": "hook_resid_mid"} | _config(files)
        return hooks(config, self._layer(files), files)


@register_format("gemma_scope_2_clt")
class GemmaScope2Clt(SaeFormat):
    """`params_layer_3.safetensors` in a folder below `clt`: JumpReLU, w_dec (d_sae, layers, d), of which what
    lies before the feature's own layer isn't used."""

    looks_for = "params_layer_<n>.safetensors in a folder below `clt`"

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return [file for file in files if _PARAMS.fullmatch(PurePosixPath(file).name)]

    def accepts(self, files: SaeFiles) -> bool:
        return not is_crosscoder(files)

    def parts(self, files: SaeFiles) -> list[str]:
        return [""]

    def describe(self, files: SaeFiles) -> SaeEntry:
        shapes = header_shapes(files.path()) if isinstance(files.source, LocalFolder) else {}
        d_in, d_sae = shapes.get("w_enc", (None, None))
        hook_name, _ = self._hooks(files)
        return self.entry(
            files,
            layer=place_of(files),
            hook_name=hook_name,
            d_in=d_in,
            d_sae=d_sae,
            architecture=ARCHITECTURE,
        )

    def read(self, files: SaeFiles) -> Sae:
        tensors, path, layer = files.tensors(), files.path(), place_of(files)
        W_dec = take(tensors, "w_dec", path)
        hook_name, hook_name_out = self._hooks(files)
        skip = tensors.get("affine_skip_connection")
        return Sae(
            W_enc=check_matrix(take(tensors, "w_enc", path), "w_enc", path),
            W_dec=_summed(W_dec[:, layer:] if W_dec.ndim == 3 else W_dec, "w_dec", path),
            b_enc=take(tensors, "b_enc", path),
            b_dec=take(tensors, "b_dec", path),
            activation=JumpReLU(take(tensors, "threshold", path)),
            architecture=ARCHITECTURE,
            subtract_b_dec=False,
            W_skip=None if skip is None else check_matrix(skip, "affine_skip_connection", path).T,
            hook_name=hook_name,
            hook_name_out=hook_name_out,
            path=path,
        )

    @staticmethod
    def _hooks(files: SaeFiles) -> tuple[str, str]:
        layer = place_of(files)
        return f"blocks.{layer}.mlp.hook_in", f"blocks.{layer}.hook_mlp_out"


def place_of(files: SaeFiles) -> int:
    """The number in `params_layer_<n>`: a layer of a transcoder, one of its places of a crosscoder."""
    return int(_PARAMS.findall(files.label)[-1])


def is_crosscoder(files: SaeFiles) -> bool:
    """Whether `params_layer_<n>` belong to a crosscoder: its folder says so, or names several layers."""
    folders = PurePosixPath(files.label).parts[:-1]
    return "crosscoder" in folders or any(_SEVERAL_LAYERS.match(folder) for folder in folders)


def _config(files: SaeFiles) -> dict[str, Any]:
    return files.config(CONFIG) if files.has(CONFIG) else {}


def _beside(file: str, kind: str) -> PurePosixPath:
    path = PurePosixPath(file)
    return path.with_name(path.name.replace("W_enc", kind))


def _summed(W_dec: Tensor, name: str, path: object) -> Tensor:
    """(d_sae, d): what a feature adds to the residual stream in all, from its rows of every layer."""
    if W_dec.ndim != 3 or 0 in W_dec.shape:
        raise SaeError(
            f"{path}: {name} has shape {tuple(W_dec.shape)}, expected (features, layers, d_model): is it a "
            "cross-layer transcoder?"
        )
    return W_dec.float().sum(dim=1)
