"""An SAE that has just been read is held to its own shapes, and to numbers that are numbers."""

from collections.abc import Iterator
from dataclasses import fields

import torch
from torch import Tensor

from congruence.errors import SaeError
from congruence.saes.sae import Sae


def check_sae(sae: Sae) -> Sae:
    """The SAE itself, if its tensors fit together and are finite.

    Raises:
        SaeError: names the file, the tensor, and what is wrong with it.
    """
    for name in ("hook_name", "hook_name_out"):
        if not isinstance(value := getattr(sae, name), str | None):
            raise SaeError(f"{sae.path}: {name} is {value!r}, expected a word: the config is broken")
    for name, tensor in _named_tensors(sae):
        if not tensor.is_floating_point():
            raise SaeError(f"{sae.path}: {name} holds {tensor.dtype}, not floating-point weights")
        if tensor.dtype.itemsize == 1:
            raise SaeError(
                f"{sae.path}: {name} holds {tensor.dtype}, which means nothing without its scale: convert it "
                "to bfloat16 or float32"
            )
    for name, tensor, expected in _shapes(sae):
        if tuple(tensor.shape) != expected:
            raise SaeError(
                f"{sae.path}: {name} has shape {tuple(tensor.shape)}, expected {expected} "
                f"(d_in={sae.d_in}, d_sae={sae.d_sae}): the file is broken or of another format"
            )
    for name, tensor in _named_tensors(sae):
        never_fires = tensor == torch.inf if name == "threshold" else False
        bad = int((~(torch.isfinite(tensor) | never_fires)).sum())
        if bad:
            raise SaeError(
                f"{sae.path}: {name} has {bad} values that are NaN or infinite: the file is unusable"
            )
    if sae.k is not None and not 1 <= sae.k <= sae.d_sae:
        raise SaeError(f"{sae.path}: k={sae.k} isn't between 1 and d_sae={sae.d_sae}: the config is broken")
    return sae


def check_matrix(tensor: Tensor, name: str, path: object) -> Tensor:
    """The tensor, if it is a matrix: the one that gives d_in and d_sae has to be."""
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise SaeError(
            f"{path}: {name} has shape {tuple(tensor.shape)}, expected a matrix: the file is broken"
        )
    return tensor


def check_size(found: int, config: object, name: str, path: object) -> None:
    """Refuse a config that states another width than the tensors have."""
    if config is not None and config != found:
        raise SaeError(
            f"{path}: the config says {name}={config}, the tensors say {found}: the file is broken"
        )


def _shapes(sae: Sae) -> Iterator[tuple[str, Tensor, tuple[int, ...]]]:
    d_out = sae.d_out if sae.is_transcoder and sae.W_dec.ndim == 2 else sae.d_in
    yield "W_dec", sae.W_dec, (sae.d_sae, d_out)
    yield "b_enc", sae.b_enc, (sae.d_sae,)
    yield "b_dec", sae.b_dec, (d_out,)
    if sae.W_skip is not None:
        yield "W_skip", sae.W_skip, (d_out, sae.d_in)
    for name, tensor in _activation_tensors(sae):
        if name == "atoms":
            yield name, tensor, (sae.d_sae, sae.d_in)
        else:
            yield name, tensor, (() if tensor.ndim == 0 else (sae.d_sae,))


def _named_tensors(sae: Sae) -> Iterator[tuple[str, Tensor]]:
    for name in ("W_enc", "W_dec", "b_enc", "b_dec", "W_skip"):
        if (tensor := getattr(sae, name)) is not None:
            yield name, tensor
    yield from _activation_tensors(sae)


def _activation_tensors(sae: Sae) -> Iterator[tuple[str, Tensor]]:
    for field in fields(sae.activation):
        value = getattr(sae.activation, field.name)
        if isinstance(value, Tensor):
            yield field.name, value
