"""What transfer gives at one layer pair, kept beside the cells: its rows and the fitted maps."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from congruence.errors import InputError, StorageError
from congruence.storage import (
    Artefact,
    NotWhole,
    Older,
    OtherKind,
    atomic_folder,
    not_whole_unless_read,
    open_artefact,
    whole_or_none,
    write_artefact,
)
from congruence.transfer.maps import KINDS, FittedMap

KIND, FORMAT = "transfer", 1
RECORD, MAPS = "transfer.json", "maps.npz"
DIRECTIONS = ("a_to_b", "b_to_a")


@dataclass(frozen=True)
class PairTransfer:
    """One layer pair.

    Attributes:
        rows: of transfer.parquet, without what follows from matched features.
        maps: (direction, kind) -> the fitted map; identity isn't kept.
        place: name of the folder that it is kept in.
    """

    rows: Sequence[Mapping[str, Any]]
    maps: Mapping[tuple[str, str], FittedMap] = field(default_factory=dict, repr=False)
    place: str = ""


def save_pair(found: PairTransfer, folder: Path) -> None:
    """Write it as a folder that is whole or absent.

    Raises:
        StorageError: it can't be written.
    """
    arrays, told = {}, []
    for (direction, kind), one in found.maps.items():
        name = f"{direction}/{kind}"
        arrays |= {f"{name}/matrix": one.matrix.astype(np.float32)}
        arrays |= {f"{name}/{mean}": getattr(one, mean) for mean in ("mean_x", "mean_y")}
        told.append({"direction": direction, "kind": kind, "n": one.n, "r2": one.r2})
    with atomic_folder(folder) as temporary:
        with (temporary / MAPS).open("wb") as handle:
            np.savez(handle, **dict[str, Any](arrays))
        record = {"rows": list(found.rows), "maps": told}
        write_artefact(temporary / RECORD, KIND, FORMAT, record, files=[MAPS], place=folder.name)


def load_pair(folder: Path) -> PairTransfer | None:
    """It, if it is there and as it was written; what isn't is set aside.

    Raises:
        StorageError: it can't be read, or a newer congruence wrote it.
    """
    return whole_or_none(folder, lambda place: _read(_opened(place)))


def stored_map(
    folder: Path,
    places: Mapping[str, str],
    layers: tuple[int | str, int | str],
    *,
    kind: str,
    direction: str,
) -> FittedMap:
    """A map of a finished run; see `Run.map`.

    Args:
        folder: the run's folder.
        places: "3-5" -> where that layer pair's maps lie, as run.json names it.
        layers: of a and of b.
        kind, direction: which map.

    Raises:
        InputError: the run has no such map; the message says what it has.
        StorageError: it isn't there any more, or isn't as it was written.
    """
    if not places:
        raise InputError(f"{folder} has no maps: give its configuration function: transfer")
    if direction not in DIRECTIONS:
        raise InputError(f"direction={direction!r}: use one of {', '.join(DIRECTIONS)}")
    if kind not in KINDS:
        raise InputError(f"kind={kind!r}: use one of {', '.join(KINDS)}")
    layer_a, layer_b = layers
    pair = f"{_layer(layer_a, 'layer_a')}-{_layer(layer_b, 'layer_b')}"
    if pair not in places:
        known = ", ".join("L{} with L{}".format(*name.split("-")) for name in list(places)[:12])
        raise InputError(f"layers {layer_a!r} of a and {layer_b!r} of b have no map: known are {known}")
    place = folder / "cells" / places[pair]
    try:
        opened = _opened(place)
        found = _read(opened).maps
    except NotWhole as error:
        if not place.exists():
            raise StorageError(
                f"{place} isn't there: a copy without cells/ has no maps; give the command of the run again"
            ) from error
        raise StorageError(f"{error}: give the command of the run again") from error
    except (Older, OtherKind) as error:
        raise StorageError(f"{error}: give the command of the run again") from error
    if (direction, kind) not in found:
        known = ", ".join(name for way, name in found if way == direction) or "none (keep_maps: false)"
        raise InputError(f"no {kind} map of layers {pair} {direction} was kept: there are {known}")
    return found[direction, kind]


def _layer(value: Any, name: str) -> int:
    """A block's number, written 3 or "L3"."""
    written = re.fullmatch(r"L?(\d{1,5})", str(value))
    if written is None or isinstance(value, bool):
        raise InputError(f"{name}={value!r} names no layer: write 3 or 'L3'")
    return int(written[1])


def _opened(folder: Path) -> Artefact:
    return open_artefact(folder / RECORD, KIND, FORMAT, place=folder.name)


def _read(opened: Artefact) -> PairTransfer:
    content, folder = opened.read(MAPS), opened.path.parent
    with not_whole_unless_read(folder), np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        maps = {}
        for told in opened.record["maps"]:
            name = f"{told['direction']}/{told['kind']}"
            matrix = arrays[f"{name}/matrix"].astype(np.float64)
            means = (arrays[f"{name}/{mean}"] for mean in ("mean_x", "mean_y"))
            one = FittedMap(told["kind"], matrix, *means, n=told["n"], r2=told["r2"])
            maps[told["direction"], told["kind"]] = one
        return PairTransfer(opened.record["rows"], maps, folder.name)
