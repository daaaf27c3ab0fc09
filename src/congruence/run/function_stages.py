"""What `function` of a configuration asks for, in the order in which a run can answer it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from congruence.config.steps import functions_of
from congruence.progress import Progress
from congruence.run.captures import Captures
from congruence.run.columns import table_of
from congruence.run.function_schema import FUNCTION
from congruence.run.stored import CellResult
from congruence.run.tables import write_table

if TYPE_CHECKING:
    from congruence.run.logit_stage import LogitStage
    from congruence.run.stitching_stage import StitchingStage
    from congruence.run.substitution_stage import SubstitutionStage
    from congruence.run.transfer_stage import TransferStage

TABLE = "function.parquet"


class FunctionStages:
    """The stages that a run's `function` names; none of them for a run that asks for none.

    Attributes:
        seconds: spent on each.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._transfer: TransferStage | None = None
        self._stitching: StitchingStage | None = None
        self._logits: LogitStage | None = None
        self._substitution: SubstitutionStage | None = None

    @classmethod
    def of(cls, captures: Captures, cells: Path) -> "FunctionStages":
        """The stages; what can't be answered is said now, before anything is captured.

        Args:
            captures: of the run.
            cells: where finished layer pairs are kept.

        Raises:
            ConfigError: in one line.
        """
        wanted, made = functions_of(captures.config), cls()
        if "logit_weights" in wanted:
            from congruence.run.logit_stage import LogitStage

            made._logits = LogitStage(captures, wanted["logit_weights"])
        if "transfer" in wanted:
            from congruence.run.transfer_stage import TransferStage

            made._transfer = TransferStage(captures, wanted["transfer"], cells)
        if made._transfer and "stitching" in wanted:
            from congruence.run.stitching_stage import StitchingStage

            made._stitching = StitchingStage(made._transfer, wanted["stitching"])
        if made._transfer and "substitution" in wanted:
            from congruence.run.substitution_stage import SubstitutionStage

            made._substitution = SubstitutionStage(made._transfer, wanted["substitution"])
        return made

    def before_the_grid(self, progress: Progress) -> None:
        """What needs models and states, and no pairs of features."""
        if self._logits is not None:
            with self._timed("logit_weights"):
                self._logits.prepare(progress)
        for name, stage in (("transfer", self._transfer), ("stitching", self._stitching)):
            if stage is not None:
                with self._timed(name):
                    stage.compute(progress)
        if self._transfer is not None:
            self._transfer.let_go()

    def of_pairs(self, results: Sequence[CellResult], progress: Progress) -> Sequence[CellResult]:
        """What is asked of the pairs of finished cells; the cells, with what that adds to their matches."""
        if self._transfer is not None:
            with self._timed("transfer"):
                self._transfer.agree(results)
        if self._logits is not None:
            with self._timed("logit_weights"):
                results = self._logits.compute(results, progress)
        if self._substitution is not None and self._transfer is not None:
            with self._timed("substitution"):
                self._substitution.compute(results, progress)
            self._transfer.let_go()
        return results

    def state_places(self) -> list[str]:
        """Names of the folders of captured states."""
        return self._transfer.states.places() if self._transfer else []

    def places(self) -> list[str]:
        """Names of the folders of finished layer pairs."""
        return self._transfer.places() if self._transfer else []

    def finish(self, folder: Path) -> dict[str, Any]:
        """Write their tables into a run's folder; what run.json says of them."""
        told: dict[str, Any] = {}
        for stage in (self._transfer, self._stitching, self._logits, self._substitution):
            told |= stage.finish(folder) if stage is not None else {}
        rows = [
            row for stage in (self._logits, self._substitution) if stage is not None for row in stage.rows
        ]
        if rows:
            write_table(table_of(rows, FUNCTION), FUNCTION, folder / TABLE)
        return told

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
