"""Home-made SAEs: an encoder and a decoder in any one file, told apart by their shapes and names.

What the file doesn't say (the activation rule, k, where it reads) the user does; whether that is right shows
in how much the SAE then explains of what it is fed, which a run checks before it starts.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from congruence.errors import SaeError, unknown_name
from congruence.saes.activation_functions import Activation, JumpReLU, ReLU, TopK
from congruence.saes.checks import check_sae
from congruence.saes.ids import some
from congruence.saes.sae import Sae
from congruence.saes.tensors import read_tensors
from congruence.storage import content_key, stamped_file_key

log = logging.getLogger(__name__)

ACTIVATIONS = ("relu", "topk", "jumprelu", "batchtopk")
SUFFIXES = (".safetensors", ".npz", ".pt", ".pth", ".bin")

_ENCODER = re.compile(r"enc|(?<![a-z])w_?(?:e|in|up)(?![a-z])", re.IGNORECASE)
_DECODER = re.compile(r"dec|dictionary|(?<![a-z])w_?(?:d|out|down)(?![a-z])", re.IGNORECASE)
_THRESHOLD = re.compile(r"thresh|theta", re.IGNORECASE)
_BEFORE = re.compile(r"pre_?bias|b_?pre|mean", re.IGNORECASE)


@dataclass(frozen=True)
class PlainReading:
    """What the user says of a home-made file.

    Attributes:
        activation: relu; topk, with `k`; jumprelu, with a threshold, here or in the file; batchtopk, with a
            threshold or, where neither has one, with `k`.
        k: features that fire on one token; of batchtopk with a threshold in the file, on average.
        threshold: of all features, where the file has none.
        orientation: how matrices are stored: in_first, (d_in, d_sae) and (d_sae, d_in), or out_first, as
            `torch.nn.Linear` has them; None: as shapes and names tell.
        subtract_b_dec: whether the decoder's bias is taken off the input first; None: as its name tells.
        hook_name: where it reads.
    """

    activation: str = "relu"
    k: int | None = None
    threshold: float | None = None
    orientation: str | None = None
    subtract_b_dec: bool | None = None
    hook_name: str | None = None


@dataclass(frozen=True)
class PlainFile:
    """A home-made file with how it is to be read."""

    path: Path
    reading: PlainReading

    def read(self) -> Sae:
        """The SAE, checked."""
        return sae_of_tensors(read_tensors(self.path), self.reading, self.path)

    def decoder(self) -> Tensor | None:
        return None

    def key(self) -> str:
        """Content key of the file and how it is read."""
        told = {name: value for name, value in asdict(self.reading).items() if name != "hook_name"}
        return content_key(["plain", 1, told, stamped_file_key(self.path)])

    def names(self) -> list[str]:
        return [self.path.name]


def load_plain(path: str | Path, **reading: Any) -> Sae:
    """A home-made SAE from a safetensors, .npz or torch file with an encoder and a decoder under any names.

    Args:
        path: the file, or a folder that holds one such file.
        **reading: activation, k, threshold, orientation, subtract_b_dec, hook_name: see `PlainReading`; one
            that nothing would read is an error.

    Raises:
        SaeError: names the file, what can't be told from it, and the option that tells it.

    Source: ours.
    """
    known = [field.name for field in fields(PlainReading)]
    for name in reading:
        if name not in known:
            raise SaeError(f"{path}: {unknown_name('option', name, known)}")
    return PlainFile(plain_file(Path(path).expanduser()), PlainReading(**reading)).read()


def plain_file(path: Path) -> Path:
    """The file at a path, or the only file with tensors in a folder.

    Raises:
        SaeError: there is none, or several.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise SaeError(f"no SAE at {path}: no such file or folder")
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES and file.is_file())
    if len(found) != 1:
        there = f"holds {len(found)} files with tensors ({some(file.name for file in found)})"
        raise SaeError(f"{path} {there if found else 'holds no file with tensors'}: name the file itself")
    return found[0]


def looks_plain(tensors: Mapping[str, Any]) -> bool:
    """Whether two matrices of a file fit together as encoder and decoder."""
    shapes = [sorted(tensor.shape) for _, tensor in _flat(tensors) if tensor.ndim == 2]
    return len(shapes) == 2 and shapes[0] == shapes[1]


def sae_of_tensors(tensors: Mapping[str, Any], reading: PlainReading, path: Path | None) -> Sae:
    """An `Sae` from tensors under any names.

    Raises:
        SaeError: what is what can't be told, or a setting is missing.
    """
    named = _without_common_prefix(dict(_flat(tensors)))
    encoder, decoder = _matrices(named, path)
    vectors = {name: tensor for name, tensor in named.items() if tensor.ndim == 1}
    d_in, d_sae = _sizes(named[encoder], encoder, vectors, path)
    out_first = _out_first(named[encoder], encoder, (d_in, d_sae), reading.orientation, path)
    W_enc = named[encoder].T if out_first else named[encoder]
    W_dec = W_enc.T if decoder is None else _decoder(named[decoder], (d_in, d_sae), out_first)
    threshold = _pick(vectors, d_sae, _THRESHOLD, alone=False)
    scalars = (name for name, tensor in named.items() if tensor.numel() == 1 and _THRESHOLD.search(name))
    threshold = threshold or next(scalars, None)
    rest = {name: tensor for name, tensor in vectors.items() if name != threshold}
    b_enc = _pick(rest, d_sae, _ENCODER, alone=d_in != d_sae)
    before = _pick({n: t for n, t in rest.items() if n != b_enc}, d_in, _BEFORE, alone=False)
    b_dec = _pick({n: t for n, t in rest.items() if n not in (b_enc, before)}, d_in, _DECODER, alone=True)
    if b_dec is None:
        b_dec, before = before, None
        usual = True
    else:
        usual = before is None and not b_dec.endswith("bias")
    bias = torch.zeros(d_sae, dtype=W_enc.dtype) if b_enc is None else rest[b_enc]
    if reading.subtract_b_dec is not None and b_dec is None:
        raise SaeError(f"{path}: it holds no bias of the decoder: leave subtract_b_dec out")
    subtract = usual if reading.subtract_b_dec is None else reading.subtract_b_dec
    if before is not None:
        bias = bias - rest[before] @ W_enc
    used = {encoder, decoder, threshold, b_enc, b_dec, before}
    sae = Sae(
        W_enc=W_enc,
        W_dec=W_dec,
        b_enc=bias,
        b_dec=torch.zeros(d_in, dtype=W_enc.dtype) if b_dec is None else rest[b_dec],
        activation=_activation(reading, named.get(threshold or ""), threshold, path),
        architecture=reading.activation,
        subtract_b_dec=subtract,
        hook_name=reading.hook_name,
        format="plain",
        path=path,
        metadata={
            "encoder": encoder,
            "decoder": decoder or f"{encoder}, tied",
            "orientation": "out_first" if out_first else "in_first",
            "subtract_b_dec": subtract,
            "unused": sorted(set(named) - used),
            **({} if reading.k is None else {"k": reading.k}),
        },
    )
    if sae.metadata["unused"]:
        log.warning("%s: nothing reads its %s", path, some(sae.metadata["unused"]))
    return check_sae(sae)


def other_readings(sae: Sae) -> Iterator[tuple[str, Sae]]:
    """The same file read otherwise, with the setting that would say so."""
    flipped = not sae.subtract_b_dec
    yield f"subtract_b_dec: {str(flipped).lower()}", replace(sae, subtract_b_dec=flipped)
    if sae.d_in == sae.d_sae:
        other = "in_first" if sae.metadata.get("orientation") == "out_first" else "out_first"
        yield f"orientation: {other}", replace(sae, W_enc=sae.W_enc.T, W_dec=sae.W_dec.T)


def _flat(tensors: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Tensor]]:
    """Floating-point tensors by dotted name, those of nested state dicts too."""
    for name, value in tensors.items():
        if "optim" in str(name).lower():
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif isinstance(value, Tensor) and value.is_floating_point():
            yield f"{above}{name}", value


def _without_common_prefix(named: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without the names of what all of them lie in, such as `state_dict.` or `sae.`."""
    parts = [name.split(".")[:-1] for name in named]
    shared = 0
    while parts and all(len(one) > shared and one[shared] == parts[0][shared] for one in parts):
        shared += 1
    return {name.split(".", shared)[shared]: tensor for name, tensor in named.items()}


def _matrices(named: Mapping[str, Tensor], path: Path | None) -> tuple[str, str | None]:
    """Names of encoder and decoder; no decoder where one matrix serves as both."""
    matrices = [name for name, tensor in named.items() if tensor.ndim == 2]
    told = f"{path}: its matrices are {some(f'{n} {tuple(named[n].shape)}' for n in matrices) or 'none'}"
    if len(matrices) == 1:
        return matrices[0], None
    if len(matrices) != 2 or sorted(named[matrices[0]].shape) != sorted(named[matrices[1]].shape):
        raise SaeError(f"{told}: an SAE of your own has one encoder and one decoder of the same two sizes")
    last = {name: name.removesuffix(".weight").rpartition(".")[2] or name for name in matrices}
    encoders = [n for n in matrices if _ENCODER.search(last[n]) and not _DECODER.search(last[n])]
    decoders = [n for n in matrices if _DECODER.search(last[n]) and not _ENCODER.search(last[n])]
    if len(encoders) == 1:
        return encoders[0], next(name for name in matrices if name != encoders[0])
    if len(decoders) == 1:
        return next(name for name in matrices if name != decoders[0]), decoders[0]
    raise SaeError(f"{told}, and no name tells which is the encoder: rename them W_enc and W_dec")


def _sizes(encoder: Tensor, name: str, vectors: Mapping[str, Tensor], path: Path | None) -> tuple[int, int]:
    """(d_in, d_sae): by the lengths of biases that say whose they are, else the larger one is d_sae."""
    small, large = sorted(encoder.shape)
    for vector, tensor in vectors.items():
        for pattern, is_width in ((_THRESHOLD, True), (_DECODER, False), (_ENCODER, True)):
            if pattern.search(vector):
                if len(tensor) in (small, large):
                    same = (len(tensor) == large) == is_width
                    return (small, large) if same else (large, small)
                break
    return small, large


def _out_first(
    encoder: Tensor, name: str, sizes: tuple[int, int], told: str | None, path: Path | None
) -> bool:
    if told not in (None, "in_first", "out_first"):
        raise SaeError(f"{path}: {unknown_name('orientation', told, ('in_first', 'out_first'))}")
    if sizes[0] == sizes[1]:
        return name.endswith("weight") if told is None else told == "out_first"
    found = tuple(encoder.shape) != sizes
    if told is not None and found != (told == "out_first"):
        other = "out_first" if found else "in_first"
        raise SaeError(
            f"{path}: orientation {told} disagrees with {name} of shape {tuple(encoder.shape)}, which has "
            f"d_in={sizes[0]} and d_sae={sizes[1]} {other}: leave orientation out"
        )
    return found


def _decoder(decoder: Tensor, sizes: tuple[int, int], out_first: bool) -> Tensor:
    if sizes[0] == sizes[1]:
        return decoder.T if out_first else decoder
    return decoder.T if tuple(decoder.shape) == sizes else decoder


def _pick(vectors: Mapping[str, Tensor], size: int, pattern: re.Pattern[str], *, alone: bool) -> str | None:
    """The vector of that length whose name fits; with `alone`, the only one of that length fits too."""
    right = [name for name, tensor in vectors.items() if len(tensor) == size]
    named = [name for name in right if pattern.search(name)]
    if named:
        return named[0]
    return right[0] if alone and len(right) == 1 else None


def _activation(
    reading: PlainReading, threshold: Tensor | None, name: str | None, path: Path | None
) -> Activation:
    kind, k = reading.activation, reading.k
    if kind not in ACTIVATIONS:
        raise SaeError(f"{path}: {unknown_name('activation', kind, ACTIVATIONS)}")
    _all_read(reading, threshold, name, path)
    if kind == "relu":
        return ReLU()
    if kind == "topk" or (kind == "batchtopk" and threshold is None and reading.threshold is None):
        if k is None:
            more = ", or threshold, which the file lacks" if kind == "batchtopk" else ""
            raise SaeError(
                f"{path}: activation {kind} needs k: add k, the features that fire on one token{more}"
            )
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise SaeError(f"{path}: k is {k!r}, expected a whole number from 1")
        return TopK(k)
    if threshold is None and reading.threshold is None:
        raise SaeError(f"{path}: activation {kind} needs a threshold, which the file lacks: add it")
    if threshold is None:
        return JumpReLU(torch.tensor(float(reading.threshold or 0.0)))
    threshold = threshold.exp() if "log" in (name or "").lower() else threshold
    return JumpReLU(threshold.reshape(()) if threshold.numel() == 1 else threshold)


def _all_read(reading: PlainReading, threshold: Tensor | None, name: str | None, path: Path | None) -> None:
    """Refuse what the user says and nothing would read."""
    kind = reading.activation
    if reading.k is not None and kind not in ("topk", "batchtopk"):
        raise SaeError(f"{path}: k goes with activation topk or batchtopk, and it is {kind}: drop k")
    if reading.threshold is None:
        return
    if kind not in ("jumprelu", "batchtopk"):
        raise SaeError(
            f"{path}: threshold goes with activation jumprelu or batchtopk, and it is {kind}: drop threshold"
        )
    if threshold is not None:
        raise SaeError(f"{path}: it holds a threshold of its own ({name}): leave threshold out")
    if reading.k is not None:
        raise SaeError(f"{path}: batchtopk fires by threshold or by k: give one of them")
