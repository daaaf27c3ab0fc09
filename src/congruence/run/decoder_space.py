"""Decoder rows of one layer: which lie nearest to each, and where they lie in a plane."""

import numpy as np

from congruence.errors import ConfigError
from congruence.metrics.blas import in_parallel
from congruence.wording import install

NEIGHBOURS = 10
_BLOCK_BYTES = 1 << 25
"""Of cosines that a thread holds at a time."""
_DIGITS = 4
"""Of cosines and coordinates: fewer than any BLAS agrees on."""
UMAP_NEIGHBOURS, UMAP_SEED = 15, 0


def nearest(units: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k rows with the highest cosine to each, itself left out.

    Args:
        units: (f, d) rows of length 1.
        k: below f.

    Returns:
        (f, k) rows and their cosines to four digits, highest first; equal ones by row.
    """
    from congruence.saes.largest import k_largest  # with torch, which a finished run doesn't load

    units = np.ascontiguousarray(units, dtype=np.float32)
    steps = units * np.float32(10**_DIGITS)
    size = max(1, _BLOCK_BYTES // units.nbytes * units.shape[1])
    nothing = np.zeros(len(units), dtype=np.float32)

    def of(start: int) -> tuple[np.ndarray, np.ndarray]:
        block = steps[start : start + size] @ units.T
        np.rint(block, out=block)
        own = np.arange(len(block))
        block[own, start + own] = -2 * 10**_DIGITS
        values, found = k_largest(block, nothing, k, threads=1)
        order = np.argsort(-values, axis=1, kind="stable")
        return np.take_along_axis(found, order, axis=1), np.take_along_axis(values, order, axis=1)

    found, values = zip(*in_parallel(of, range(0, len(units), size)), strict=True)
    return np.concatenate(found), np.concatenate(values) / np.float32(10**_DIGITS)


def principal_plane(rows: np.ndarray) -> np.ndarray:
    """(f, 2) the first two principal components of rows; of each, the largest loading is positive."""
    centred = np.asarray(rows, dtype=np.float64) - rows.mean(axis=0, dtype=np.float64)
    if rows.shape[1] < 2:
        return np.column_stack([centred[:, 0], np.zeros(len(rows))])
    _, vectors = np.linalg.eigh(centred.T @ centred)
    plane = vectors[:, [-1, -2]]
    plane = plane * np.sign(plane[np.argmax(np.abs(plane), axis=0), [0, 1]])
    return np.round(centred @ plane, _DIGITS)


def laid_out(units: np.ndarray, method: str) -> np.ndarray:
    """Rows of length 1 in the plane.

    Args:
        units: (f, d).
        method: "pca": the first two principal components. "umap": UMAP of McInnes et al. 2018
            (arXiv 1802.03426) by cosine, begun from those; it separates more, its distances mean less, and
            another processor may turn it into another picture.

    Returns:
        (f, 2).

    Raises:
        ConfigError: umap-learn isn't installed.
    """
    plane = principal_plane(units)
    if method == "pca" or len(units) <= UMAP_NEIGHBOURS:
        return plane
    check_method(method)
    from umap import UMAP

    spread = 10 / max(np.abs(plane).max(), 1e-12)
    layout = UMAP(
        n_neighbors=UMAP_NEIGHBOURS, metric="cosine", init=plane * spread, random_state=UMAP_SEED, n_jobs=1
    )
    return np.round(np.asarray(layout.fit_transform(units), dtype=np.float64), _DIGITS)


def check_method(method: str) -> None:
    """
    Raises:
        ConfigError: what `method` needs isn't installed.
    """
    from importlib.util import find_spec

    if method == "umap" and find_spec("umap") is None:
        raise ConfigError(f"decoder_map: umap needs the package umap-learn: {install('umap')}, or write pca")
