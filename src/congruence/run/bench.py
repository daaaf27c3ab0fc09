"""A run that is opened: sides, text, cells, and what is done with them. Workers open the same one."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from congruence.activations.store import RECORD
from congruence.config.run import RunConfig
from congruence.progress import Silent, working
from congruence.run.captures import Captures, Pass, sources_of
from congruence.run.concept_stage import ConceptStage, stage_of
from congruence.run.grid import Cell, cells_of
from congruence.run.plan import Plan
from congruence.run.remote import worker_place
from congruence.run.run_cells import cell_places, run_cells
from congruence.runners import Task
from congruence.sides.corpus import SharedText, read_text
from congruence.sides.crosscoder import JointReading, joint_reading
from congruence.sides.side import Side, open_sides
from congruence.storage import Memo, elsewhere
from congruence.storage.run_folder import RunFolder

logger = logging.getLogger(__name__)

TEXT, PHRASES = "text", "phrases"


@dataclass(frozen=True, eq=False)
class Bench:
    """Everything that a run computes with.

    Attributes:
        config: the run's configuration, resolved.
        folder: its folder.
        memo: what was found out before.
        sides: both sides.
        text: the corpus as both see it.
        cells: what is compared.
        captures: the features.
        plan: what is done with every cell.
    """

    config: RunConfig
    folder: RunFolder
    memo: Memo
    sides: dict[str, Side]
    text: SharedText
    cells: list[Cell]
    captures: Captures
    plan: Plan

    @classmethod
    def open(cls, config: RunConfig, folder: RunFolder) -> "Bench":
        """Open models, SAEs and text of a configuration; nothing is computed.

        Raises:
            CongruenceError: one line each.
        """
        memo = Memo(folder.known)
        with working("open models and SAEs"):
            reading = joint_reading(config, memo)
            config = config if reading is None else reading.config
            sides = open_sides(config, memo)
        with working("read the text"):
            bos = None if reading is None else reading.prepend_bos
            text = read_text(config.corpus, sides["a"], sides["b"], memo=memo, trained_with_bos=bos)
        captures = _kind_of_captures(reading)(sides, text, config, folder.activations, memo, reading=reading)
        cells = cells_of(
            {name: side.layers for name, side in sides.items()},
            {name: list(side.other_seed) for name, side in sides.items()},
            {name: list(side.frozen_decoder) for name, side in sides.items()},
            config.controls,
        )
        return cls(config, folder, memo, sides, text, cells, captures, Plan.of(config))

    @cached_property
    def concepts(self) -> ConceptStage | None:
        """The concepts of the run, where there are any."""
        return stage_of(self.captures, self.plan)

    def captures_of(self, what: str) -> Captures:
        """The captures of the text, or of the phrases."""
        if what == TEXT:
            return self.captures
        assert self.concepts is not None
        return self.concepts.phrase_captures

    def passes(self, what: str) -> list[Pass]:
        """The passes over the text or the phrases, in an order that is every worker's."""
        captures = self.captures_of(what)
        real = [source for source in sources_of(self.cells) if what == TEXT or source.variant == "real"]
        return captures.passes(real)


def capture_tasks(bench: Bench, what: str, gpus: float) -> list[Task]:
    """A task for every shard of a pass that isn't on disk yet."""
    return [
        Task(
            "capture",
            f"shard {shard + 1} of {one.label}",
            (what, number, group, shard),
            near=f"{what}/{number}/{group}",
            size=tokens,
            gpus=gpus,
        )
        for number, one in enumerate(bench.passes(what))
        for group, shard, tokens in one.capture.missing()
    ]


def cell_tasks(bench: Bench) -> list[Task]:
    """A task for every cell that isn't on disk yet, its concepts with it."""
    return [
        Task("cell", f"cell {cell.name}", (number,), near=f"{cell.control}/{cell.a.name}")
        for number, cell in enumerate(bench.cells)
        if not all(
            elsewhere.there(place)
            for place in cell_places(cell, bench.captures, bench.plan, bench.folder.cells, bench.concepts)
        )
    ]


class BenchWorker:
    """Does a run's tasks in a process of its own; what they give stands in the run's folder."""

    def __init__(self, bench: Bench, settle: Callable[[], object] | None = None) -> None:
        self.bench, self._settle = bench, settle
        self._pass: tuple[str, int] | None = None
        self._passes: Sequence[Pass] = ()
        self._captured = False

    def __call__(self, task: Task) -> None:
        """Do it; what it gives is where others find it when this returns."""
        for place in {"capture": self.capture, "cell": self.cell}[task.kind](*task.arguments):
            elsewhere.offer(place)
        if self._settle is not None:
            self._settle()

    def capture(self, what: str, number: int, group: int, shard: int) -> list[Path]:
        """One shard of every store of a pass; the model of the pass before is let go."""
        if self._pass != (what, number):
            self.bench.captures.let_go()
            self.bench.captures_of(what).let_go()
            self._passes, self._pass = self.bench.passes(what), (what, number)
        for _ in self._passes[number].capture.compute(group, shard):
            pass
        stores = [store for stores in self._passes[number].capture.stores for store in stores.values()]
        return [place for store in stores for place in (store.path / RECORD, store.shard_path(shard))]

    def cell(self, number: int) -> list[Path]:
        """One cell, and its concepts; the layers that it compares are brought here, and no others."""
        bench, cell = self.bench, self.bench.cells[number]
        fresh = [source for source in (cell.a, cell.b) if not bench.captures.has(source)]
        if fresh:
            bench.captures.capture(fresh, Silent())
        if not self._captured:
            bench.captures.let_go()  # of the model that captured here before
            self._captured = True
        run_cells(
            [cell],
            bench.captures,
            bench.plan,
            bench.folder.cells,
            concepts=bench.concepts,
            progress=Silent(),
        )
        return cell_places(cell, bench.captures, bench.plan, bench.folder.cells, bench.concepts)


def open_worker(config: RunConfig, path: str, mark: str, url: str = "") -> BenchWorker:
    """A worker of a run, in its folder or, where this machine doesn't see that, in one of its own.

    Args:
        config: as the run has resolved it.
        path: the run's folder.
        mark: a file there by which it is known to be the same.
        url: of the run's store, or "".

    Raises:
        StorageError: this machine sees neither the folder nor a store.
    """
    place = worker_place(path, mark, url, config.cache)
    if place.mirror is not None:
        elsewhere.join(place.mirror)
    settle = None if place.mirror is None else place.mirror.settle
    return BenchWorker(Bench.open(config, RunFolder(place.folder)), settle)


def _kind_of_captures(reading: JointReading | None) -> type[Captures]:
    if reading is None:
        return Captures
    from congruence.run.crosscoder import CrosscoderCaptures  # brings torch

    return CrosscoderCaptures
