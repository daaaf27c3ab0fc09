"""What a task costs: how it grows with its size is fixed, how fast a machine is is measured."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from congruence.activations.store import ActivationStore
from congruence.errors import StorageError, quoted
from congruence.planning.work import Piece
from congruence.storage import NotWhole, Older, OtherKind, generations, open_artefact
from congruence.storage.places import stands_for_something
from congruence.storage.run_folder import RunFolder

_SHARD = re.compile(
    r"shard \d+/\d+: (?P<tokens>\d+) tokens of (?P<what>.+) computed in (?P<seconds>[\d.]+) s"
)
_FEWEST = 3
"""Tasks of a kind from which its speed is taken as measured."""


@dataclass(frozen=True)
class Costs:
    """Seconds of a task on one worker, and what lies around tasks.

    Attributes:
        per_flop, per_firing: of a capture.
        per_cell, per_cofiring, per_draw, per_concept_draw: of a layer pair.
        spread: standard deviation of the logarithm of a task's time about its mean.
        start: seconds until a worker has opened the run.
        dispatch: seconds that the starting process needs to give out a task and hear of its end.
        load: bytes a second at which a model is read.
        alone: seconds of the starting process beside the tasks: opening, preflight, report.
        alone_per_cell, alone_per_source: what it does for each, by itself.
        told: where these numbers are from.
    """

    per_flop: float
    per_firing: float
    per_cell: float
    per_cofiring: float
    per_draw: float
    per_concept_draw: float
    spread: float
    start: float
    dispatch: float
    load: float
    alone: float
    alone_per_cell: float
    alone_per_source: float
    told: str = ""

    @classmethod
    def default(cls) -> "Costs":
        """As measured on the embedded demo: one core."""
        text = resources.files("congruence.planning").joinpath("measured.json").read_text(encoding="utf-8")
        return cls(**json.loads(text))

    def seconds(self, piece: Piece) -> float:
        """Of a task's work, without what is loaded, read or written for it."""
        capture = self.per_flop * piece.flops + self.per_firing * piece.firings
        if piece.stage != "compare":
            return capture
        draws = self.per_draw * piece.draws + self.per_concept_draw * piece.concept_draws
        return self.per_cell + self.per_cofiring * piece.cofirings + draws

    def at_speed(self, *, capture: float = 1.0, cell: float = 1.0, concepts: float = 1.0) -> "Costs":
        """The same on a machine that takes so many times as long."""
        return replace(
            self,
            per_flop=capture * self.per_flop,
            per_firing=capture * self.per_firing,
            per_cell=cell * self.per_cell,
            per_cofiring=cell * self.per_cofiring,
            per_draw=cell * self.per_draw,
            alone_per_cell=cell * self.alone_per_cell,
            per_concept_draw=concepts * self.per_concept_draw,
        )

    def record(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


@dataclass(frozen=True)
class Measured:
    """What a run's own records say of its tasks.

    Attributes:
        shards: (tokens, seconds) of each.
        cells: seconds of each layer pair's whole space.
        concepts: seconds of each layer pair's concepts.
        l0: features that fire on a token, by source.
    """

    shards: Sequence[tuple[int, float]]
    cells: Sequence[float]
    concepts: Sequence[float]
    l0: dict[str, float]

    def fit(self, costs: Costs, pieces: Iterable[Piece], tokens: int) -> Costs:
        """Costs whose speed is that of these tasks.

        Where a kind has fewer than three tasks its speed stays. The tasks must be of the same configuration
        as `pieces`, or nearly: how costs grow from one size to another isn't fitted.

        Args:
            costs: to start from.
            pieces: the run's tasks as they were planned.
            tokens: of the run's text, all shards together.
        """
        by_stage: dict[str, list[Piece]] = {}
        for piece in pieces:
            by_stage.setdefault(piece.stage, []).append(piece)
        speeds, logs, told = {}, [], []
        capture = sum(map(costs.seconds, by_stage.get("capture", [])))
        passes = len({piece.near for piece in by_stage.get("capture", [])})
        compare = [costs.seconds(replace(p, concept_draws=0.0)) for p in by_stage.get("compare", [])]
        concepts = [costs.per_concept_draw * p.concept_draws for p in by_stage.get("compare", [])]
        concepts = [seconds for seconds in concepts if seconds]
        if len(self.shards) >= _FEWEST and capture:
            rate = sum(seconds for _, seconds in self.shards) / sum(count for count, _ in self.shards)
            speeds["capture"] = rate * tokens * passes / capture
            told.append(f"{len(self.shards)} shards")
        for name, found, expected in (("cell", self.cells, compare), ("concepts", self.concepts, concepts)):
            if len(found) >= _FEWEST and expected:
                speeds[name] = float(np.mean(found) / np.mean(expected))
                logs.append(float(np.std(np.log(np.maximum(found, 1e-3)))))
                told.append(f"{len(found)} {'layer pairs' if name == 'cell' else name}")
        if not told:
            return costs
        spread = max(logs) if logs else costs.spread
        return replace(costs.at_speed(**speeds), spread=spread, told=f"measured: {', '.join(told)}")


def measured_in(path: Path) -> Measured:
    """The times of a run's tasks, finished or not, from its folder.

    Raises:
        StorageError: it holds no finished task.
    """
    if not stands_for_something(path) or not path.is_dir():
        shown = quoted(str(path), 200)
        raise StorageError(f"{shown} isn't a folder: name the folder that `congruence run --out` wrote")
    folder = RunFolder(path)
    log = folder.log.read_text("utf-8", errors="replace") if folder.log.is_file() else ""
    shards = [(int(one["tokens"]), float(one["seconds"])) for one in _SHARD.finditer(log)]
    cells, concepts = [], []
    for place in sorted(folder.cells.glob("*/cell.json")):
        try:
            record = open_artefact(place, "cell", 1 << 16, oldest=1).record
        except (NotWhole, OtherKind, Older):
            continue
        if record.get("summary"):
            cells.append(float(record["summary"]["seconds"]))
        elif record.get("rows"):
            concepts.append(sum(float(row.get("seconds") or 0.0) for row in record["rows"]))
    if not (shards or cells):
        raise StorageError(
            f"{path} holds no finished task of a run: give the folder of `congruence run --out`"
        )
    return Measured(shards, cells, concepts, _l0(path))


def _l0(path: Path) -> dict[str, float]:
    """What fired in each source of a finished run, by the sizes of its activations."""
    try:
        record = open_artefact(
            generations.current_folder(path) / generations.RECORD, "run", 1 << 16, oldest=1, unsealed=2
        ).record
    except StorageError:
        return {}
    stores = {place.name.rpartition("-")[2]: place for place in RunFolder(path).activations.glob("*-*")}
    found = {}
    for source, key in (record.get("keys", {}).get("activations") or {}).items():
        if key in stores:
            try:
                store = ActivationStore.open(stores[key])
            except StorageError:
                continue
            if not store.dense and store.shape[0]:
                found[source] = store.nbytes / 8 / store.shape[0]
    return found
