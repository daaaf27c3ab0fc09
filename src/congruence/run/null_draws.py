"""The null scores of one row of a run's results, read from the cell that computed them."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from congruence.errors import StorageError
from congruence.run.stored import FORMAT_VERSION, KIND, RECORD, SCORES
from congruence.storage import NotWhole, Older, OtherKind, not_whole_unless_read, open_artefact

_PLACE = ("control", "control_side", "layer_a", "layer_b", "concept", "subspace", "measure", "null")
_ABSENT = {"control": "none", "control_side": "", "concept": "all", "subspace": "all"}


def drawn_scores(folder: Path, names: list[str], row: Any) -> np.ndarray:
    """(draws,) null scores of a row of the results; NaN where a draw gave none.

    Args:
        folder: the run's folder.
        names: its cells, as run.json names them.
        row: the row.

    Raises:
        StorageError: the cell isn't there any more, isn't as it was written, or keeps no scores of the row.
    """
    start = f"L{row['layer_a']}-L{row['layer_b']}-"
    if row["control"] != "none":
        start = f"{row['control']}-"
    wanted = {name: row[name] for name in _PLACE}
    told = f"{row['measure']} at layers {row['layer_a']} and {row['layer_b']}"
    for name in (name for name in names if name.startswith(start)):
        place = folder / "cells" / name
        if not (place / RECORD).exists():
            continue
        try:
            found = _scores_of(place, wanted)
        except (NotWhole, Older, OtherKind) as error:
            raise StorageError(f"{error}: give the command of the run again") from error
        if found is not None:
            return found
    raise StorageError(
        f"{folder} keeps no null scores of {told}: a copy without cells/ has only their mean and quantiles; "
        "give the command of the run again"
    )


def _scores_of(place: Path, wanted: dict[str, Any]) -> np.ndarray | None:
    cell = open_artefact(place / RECORD, KIND, FORMAT_VERSION, place=place.name)
    with not_whole_unless_read(place):
        for index, row in enumerate(cell.record["rows"]):
            if all(row.get(name, _ABSENT.get(name)) == value for name, value in wanted.items()):
                with np.load(io.BytesIO(cell.read(SCORES)), allow_pickle=False) as stored:
                    return stored[str(index)] if str(index) in stored.files else None
    return None
