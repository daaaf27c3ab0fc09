"""Decoder rows of one layer laid out in two dimensions, with each row's nearest neighbours."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from congruence.errors import CongruenceError, InputError
from congruence.run.decoder_space import NEIGHBOURS, nearest, principal_plane
from congruence.run.results import Run
from congruence.storage import NotWhole, Older, OtherKind
from congruence.storage.memo import arrays_in
from congruence.storage.run_folder import RunFolder


@dataclass(frozen=True)
class DecoderMap:
    """Some features of one layer of one side.

    Attributes:
        features: (f,) their numbers, ascending.
        xy: (f, 2) where the decoder rows, each of length one, lie in the plane: as the run laid them out,
            else their first two principal components.
        neighbours: (f, k) places in `features` of the nearest others by cosine, nearest first; -1 where a
            near one isn't among `features`.
        cosines: (f, k) of these.
    """

    features: np.ndarray
    xy: np.ndarray
    neighbours: np.ndarray
    cosines: np.ndarray


def decoder_map(run: Run, side: str, layer: int, features: np.ndarray) -> DecoderMap:
    """The map of some features: the one that the run keeps and its pages show, else from the SAE it names.

    Raises:
        InputError: the SAE can't be read any more, was an object in memory, or isn't the one that was used.
    """
    features = np.unique(features)
    kept = _kept(run, side, layer, features)
    if kept is not None:
        return kept
    rows = _rows(run, side, layer)
    if len(features) and features[-1] >= len(rows):
        raise InputError(f"the SAE of {side} at layer {layer} has {len(rows)} features: it isn't the run's")
    chosen = rows[features].astype(np.float64)
    unit = chosen / np.maximum(np.linalg.norm(chosen, axis=1, keepdims=True), 1e-12)
    if len(unit) < 2:
        return DecoderMap(features, np.zeros((len(unit), 2)), *np.empty((2, len(unit), 0), dtype=int))
    return DecoderMap(features, principal_plane(unit), *nearest(unit, min(NEIGHBOURS, len(unit) - 1)))


def _kept(run: Run, side: str, layer: int, features: np.ndarray) -> DecoderMap | None:
    """The map from what the run keeps beside its tables; None where that isn't there or isn't whole."""
    told = (run.info.get("evidence") or {}).get("layers") or {}
    name = str((told.get(f"{side}/real/{layer}") or {}).get("arrays") or "")
    if not name or Path(name).name != name:
        return None
    try:
        arrays = arrays_in(RunFolder(run.path).known / f"{name}.json")
    except (NotWhole, Older, OtherKind):
        return None
    if len(features) and features[-1] >= len(arrays["xy"]):
        return None
    near = arrays["neighbours"][features]
    at = np.minimum(np.searchsorted(features, near), max(len(features) - 1, 0))
    places = np.where((near >= 0) & (features[at] == near), at, -1) if len(features) else near
    return DecoderMap(features, arrays["xy"][features], places, arrays["cosines"][features])


def _rows(run: Run, side: str, layer: int) -> np.ndarray:
    about = (run.info["sides"][side].get("saes") or {}).get(str(layer)) or {}
    if not about.get("source") or not about.get("sae_id"):
        raise InputError(f"run.json names no SAE of {side} at layer {layer}")
    from congruence.saes.find import find_sae

    fold = bool((run.config.get(side) or {}).get("fold_decoder_norm"))
    try:
        entry = find_sae(about["source"], layer, sae_id=about["sae_id"])
        key = entry.key(fold_decoder_norm=fold)
        if about.get("key") and key != about["key"]:
            raise InputError(f"{entry.where} has changed since the run used it")
        return entry.decoder(fold_decoder_norm=fold)
    except (CongruenceError, OSError) as error:
        raise InputError(f"the SAE of {side} at layer {layer} can't be used: {error}") from error
