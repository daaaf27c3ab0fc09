"""circuit-tracer: `layer_3.safetensors`, and a `config.yaml` with the hooks and activation of all."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from torch import Tensor

from congruence.errors import SaeError, unknown_name
from congruence.saes.activation_functions import Activation, JumpReLU, ReLU, TopK
from congruence.saes.checks import check_matrix
from congruence.saes.entry import SaeEntry
from congruence.saes.formats.base import SaeFiles, SaeFormat, config_int, header_shapes, register_format
from congruence.saes.sae import Sae
from congruence.saes.sources import LocalFolder
from congruence.saes.tensors import take

CONFIG = "../config.yaml"
THRESHOLD = "activation_function.threshold"
READS, PREDICTS = "mlp.hook_in", "hook_mlp_out"
"""Hooks of a set without a config, as SAELens takes them."""
_FILE = re.compile(r"layer_(\d+)\.safetensors")
_ACTIVATIONS = ("relu", "jump_relu", "jumprelu", "topk")


@register_format("circuit_tracer")
class CircuitTracer(SaeFormat):
    """Transcoders of one layer each, W_enc stored with features first; b_dec isn't subtracted.

    A threshold among the tensors makes a JumpReLU, `activation: topk` with `k` in the config a TopK.
    Sets of before version 0.2 store W_dec transposed, which the biases' sizes tell.
    """

    looks_for = "layer_<n>.safetensors with W_enc and W_dec (and config.yaml)"

    def ids(self, files: Collection[str]) -> Iterable[str]:
        return [file for file in files if _FILE.fullmatch(PurePosixPath(file).name)]

    def parts(self, files: SaeFiles) -> list[str]:
        return ["", *([CONFIG] if files.has(CONFIG) else [])]

    def accepts(self, files: SaeFiles) -> bool:
        names = files.header("")
        return files.has(CONFIG) if names is None else {"W_enc", "W_dec", "b_enc", "b_dec"} <= names

    def describe(self, files: SaeFiles) -> SaeEntry:
        local = isinstance(files.source, LocalFolder)
        shapes = header_shapes(files.path()) if local else {}
        hook_name, _ = hooks(_config(files), _layer(files), files)
        return self.entry(
            files,
            layer=_layer(files),
            hook_name=hook_name,
            d_in=next(iter(shapes.get("b_dec", [])), None),
            d_sae=next(iter(shapes.get("b_enc", [])), None),
            architecture="skip_transcoder" if "W_skip" in shapes else "transcoder",
        )

    def read(self, files: SaeFiles) -> Sae:
        config, tensors, path = _config(files), files.tensors(), files.path()
        hook_name, hook_name_out = hooks(config, _layer(files), files)
        b_enc, b_dec = take(tensors, "b_enc", path), take(tensors, "b_dec", path)
        W_dec = check_matrix(take(tensors, "W_dec", path), "W_dec", path)
        if tuple(W_dec.shape) == (b_dec.numel(), b_enc.numel()) and b_enc.numel() != b_dec.numel():
            W_dec = W_dec.T
        skip = tensors.get("W_skip")
        return Sae(
            W_enc=check_matrix(take(tensors, "W_enc", path), "W_enc", path).T,
            W_dec=W_dec,
            b_enc=b_enc,
            b_dec=b_dec,
            activation=_activation(config, tensors, path),
            architecture="transcoder" if skip is None else "skip_transcoder",
            subtract_b_dec=False,
            W_skip=skip,
            hook_name=hook_name,
            hook_name_out=hook_name_out,
            path=path,
            metadata=config,
        )


def _config(files: SaeFiles) -> dict[str, Any]:
    return files.config(CONFIG) if files.has(CONFIG) else {}


def _layer(files: SaeFiles) -> int:
    return int(_FILE.findall(files.label)[-1])


def hooks(config: dict[str, Any], layer: int, files: SaeFiles) -> tuple[str, str]:
    """(where it reads, what it predicts) of one layer, from a set's config."""
    named = []
    for key, default in (("feature_input_hook", READS), ("feature_output_hook", PREDICTS)):
        hook = config.get(key) or default
        if not isinstance(hook, str):
            raise SaeError(f"{files.label}: {key} is {hook!r}, expected a word such as {default}")
        named.append(f"blocks.{layer}.{hook}")
    return named[0], named[1]


def _activation(config: dict[str, Any], tensors: dict[str, Any], path: Path) -> Activation:
    name = config.get("activation")
    if name is not None and name not in _ACTIVATIONS:
        raise SaeError(f"{path}: {unknown_name('activation', name, _ACTIVATIONS)}")
    if name == "topk":
        return TopK(config_int(config, "k", path), relu=False)
    if isinstance(tensors.get(THRESHOLD), Tensor):
        return JumpReLU(tensors[THRESHOLD].reshape(-1) if tensors[THRESHOLD].ndim else tensors[THRESHOLD])
    if name in ("jump_relu", "jumprelu"):
        return JumpReLU(take(tensors, THRESHOLD, path))
    return ReLU()
