"""Reading tensors and configs from files, with one clear line for each way in which they can be broken.

Nothing is ever executed: pickles are read with `weights_only=True`, .npz files without pickled objects. And
what a header says of a size is held against the bytes that are there.
"""

import json
import math
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from congruence.errors import SaeError
from congruence.models.corpus_text import is_lfs_pointer

LARGEST_POINTER = 1024
"""Bytes that a Git LFS pointer never reaches."""
MOST_DEFLATED = 1100
"""Bytes that one byte of a deflated file can stand for, at most (zlib's own limit is 1032)."""


def read_config(path: Path) -> dict[str, Any]:
    """A JSON object, or a YAML mapping where the file's name ends so.

    Raises:
        SaeError: the file is missing, can't be read, or holds something other than an object.
    """
    kind = "YAML" if path.suffix in (".yaml", ".yml") else "JSON"
    check_fetched(path)
    try:
        text = path.read_text(encoding="utf-8")
        config = _yaml(text) if kind == "YAML" else json.loads(text)
    except FileNotFoundError:
        raise SaeError(f"{path} doesn't exist: this SAE needs it to be read") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SaeError(f"{path} isn't readable {kind} ({_line(error)}): download it again") from error
    if not isinstance(config, dict):
        raise SaeError(f"{path} holds a {type(config).__name__}, not a {kind} object: is it an SAE's config?")
    return {str(name): value for name, value in config.items()}


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def check_fetched(path: Path) -> None:
    """Refuse what Git leaves in place of a large file; one that isn't there is left to whoever reads it.

    Raises:
        SaeError: it is a Git LFS pointer.
    """
    try:
        pointer = path.is_file() and path.stat().st_size <= LARGEST_POINTER and is_lfs_pointer(path)
    except OSError:
        return
    if pointer:
        raise SaeError(f"{path} is a Git LFS pointer: fetch its content by `git lfs pull`")


def read_tensors(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors, .npz or torch file, by name; a torch file may hold plain values too.

    Raises:
        SaeError: the file is missing, truncated, or holds anything but data.
    """
    if not path.is_file():
        raise SaeError(f"{path} doesn't exist: this SAE needs it to be read")
    check_fetched(path)
    readers = {".safetensors": _read_safetensors, ".npz": _read_npz}
    return readers.get(path.suffix, _read_torch)(path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise SaeError(
            f"{path} isn't a whole safetensors file ({_line(error)}): download it again"
        ) from error


def _read_npz(path: Path) -> dict[str, Tensor]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            _check_sizes(path, arrays)
            return {name: torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in arrays.files}
    except MemoryError as error:
        raise SaeError(f"{path} doesn't fit in memory ({_line(error)})") from error
    except (
        Exception
    ) as error:  # zipfile and numpy raise anything from OSError to RuntimeError on broken bytes
        told = "it holds objects, or is no such file" if "pickle" in str(error) else _line(error)
        raise SaeError(
            f"{path} isn't a whole .npz file of plain arrays ({told}): download it again"
        ) from error


def _check_sizes(path: Path, arrays: Any) -> None:
    """Refuse arrays whose headers, or the archive's directory, claim more bytes than the file can hold.

    Raises:
        ValueError: one does.
    """
    if not isinstance(arrays, np.lib.npyio.NpzFile):
        raise ValueError("it is one array, not an archive of named ones")
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            packed = 1 if member.compress_type == zipfile.ZIP_STORED else MOST_DEFLATED
            if member.file_size > packed * max(member.compress_size, 1):
                raise ValueError(f"{member.filename} claims {member.file_size} bytes")
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else _header_2_0
                shape, _, dtype = read(file)
                left = member.file_size - file.tell()
            if dtype.itemsize * math.prod(shape) > left:
                raise ValueError(f"{member.filename} claims shape {shape} in {left} bytes")


def _header_2_0(file: Any) -> Any:
    return np.lib.format.read_array_header_2_0(file)


def _read_torch(path: Path) -> dict[str, Any]:
    try:
        with warnings.catch_warnings(action="ignore"):
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise SaeError(
            f"{path} isn't a file of tensors, or holds more than tensors and plain values, and running code "
            "from a pickle is refused: download it again, or save its state_dict alone"
        ) from error
    except Exception as error:  # torch.load raises anything from EOFError to RuntimeError on broken bytes
        raise SaeError(f"{path} isn't a whole torch file ({_line(error)}): download it again") from error
    if not isinstance(state, Mapping):
        raise SaeError(f"{path} holds a {type(state).__name__}, not named tensors: save its state_dict")
    return {str(name): value for name, value in state.items()}


def read_one_tensor(path: Path, name: str) -> Tensor | None:
    """One tensor of a whole .safetensors or .npz file without reading the others; None elsewhere.

    Raises:
        SaeError: the file is broken or holds no such tensor.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(path, framework="pt") as tensors:
                return tensors.get_tensor(name)
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                _check_sizes(path, arrays)
                return torch.from_numpy(np.ascontiguousarray(arrays[name]))
    except Exception as error:  # as many kinds as in the readers of whole files
        raise SaeError(f"{path} has no tensor {name!r} that can be read ({_line(error)})") from error
    return None


def take(tensors: Mapping[str, Any], name: str, path: Path | None) -> Tensor:
    """The tensor of that name.

    Raises:
        SaeError: it is missing, or isn't a tensor.
    """
    value = tensors.get(name)
    if isinstance(value, Tensor):
        return _plain(value, name, path)
    if value is not None:
        raise SaeError(f"{path}: {name!r} is a {type(value).__name__}, not a tensor: is the file whole?")
    raise SaeError(
        f"{path} has no tensor {name!r}, only {', '.join(sorted(tensors)) or 'none'}: is the file whole?"
    )


def _plain(tensor: Tensor, name: str, path: Path | None) -> Tensor:
    """The tensor, if each of its values has bytes of its own: not sparse, quantised or repeated."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise SaeError(f"{path}: {name!r} isn't a plain dense tensor: save it as one")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise SaeError(
            f"{path}: {name!r} claims shape {tuple(tensor.shape)} in {tensor.untyped_storage().nbytes()} "
            "bytes: the file is broken"
        )
    return tensor


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."
