"""Arrays out of the bytes of an .npz file whose digest was proven already."""

import io
import zipfile
from collections.abc import Iterator

import numpy as np

_LOCAL, _NAME, _EXTRA = 30, slice(26, 28), slice(28, 30)
"""Bytes of a member's own header without its name and extra field, and where their lengths stand."""
_VERSION, _LENGTH = b"\x93NUMPY\x01\x00", slice(8, 10)


def npz_arrays(content: bytes) -> dict[str, np.ndarray]:
    """Every array by name, as `numpy.load` gives them.

    `numpy.load` takes each member's checksum and parses each header anew: a cell has a hundred arrays of one
    type and shape. Here equal headers are parsed once, and members that `numpy.savez` stored as they are
    become arrays without passing through the zip file's reader. No pickled object is read.

    Args:
        content: of the file.

    Raises:
        ValueError, OSError, zipfile.BadZipFile: it holds anything else.
    """
    headers: dict[bytes, tuple[np.dtype, bool, tuple[int, ...]]] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: _array(file, content, member, headers) for name, member in _members(file)}


def _members(file: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo]]:
    for member in file.infolist():
        yield member.filename.removesuffix(".npy"), member


def _array(
    file: zipfile.ZipFile,
    content: bytes,
    member: zipfile.ZipInfo,
    headers: dict[bytes, tuple[np.dtype, bool, tuple[int, ...]]],
) -> np.ndarray:
    if member.compress_type != zipfile.ZIP_STORED:
        with file.open(member) as handle:
            return np.lib.format.read_array(handle, allow_pickle=False)
    start = member.header_offset + _LOCAL
    local = content[member.header_offset : start]
    start += int.from_bytes(local[_NAME], "little") + int.from_bytes(local[_EXTRA], "little")
    stored = memoryview(content)[start : start + member.file_size]
    if stored[: len(_VERSION)] != _VERSION:
        return np.lib.format.read_array(io.BytesIO(stored), allow_pickle=False)
    first = _LENGTH.stop + int.from_bytes(stored[_LENGTH], "little")
    header = bytes(stored[_LENGTH.start : first])
    if header not in headers:
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(header))
        headers[header] = dtype, by_column, shape
    dtype, by_column, shape = headers[header]
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds Python objects")
    if not dtype.itemsize:
        return np.lib.format.read_array(io.BytesIO(stored), allow_pickle=False)
    values = np.frombuffer(stored[first:], dtype=dtype)
    if values.size != int(np.prod(shape, dtype=np.int64)):
        raise ValueError(f"{member.filename} doesn't hold what its header says")
    return values.reshape(shape, order="F" if by_column else "C").copy(order="K")
