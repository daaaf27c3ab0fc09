"""What a run keeps beside its tables: activations, text of their rows, decoder neighbours, null scores."""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from congruence.activations.store import ActivationStore
from congruence.errors import InputError, quoted
from congruence.run.results import Run
from congruence.run.stored import rows_and_scores
from congruence.storage import MemoryCache, NotWhole, Older, OtherKind
from congruence.storage.arrays import unpacked
from congruence.storage.memo import arrays_in
from congruence.storage.run_folder import RunFolder
from congruence.view.cells import CellKey
from congruence.view.columns import Columns
from congruence.view.views import records

HELD_BYTES = 1 << 30
"""Activations that are held in memory at a time."""
_GONE = (NotWhole, Older, OtherKind)


class Stored:
    """Read when it is asked for; what isn't there or isn't whole is None.

    Args:
        run: whose.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.folder = run, RunFolder(run.path)
        told = run.info.get("evidence")
        self.told: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
        self._layers: MemoryCache[dict[str, np.ndarray]] = MemoryCache(HELD_BYTES, _nbytes, at_least=2)
        self._promoted: dict[str, tuple[np.ndarray, list[str]] | None] = {}
        self._columns: MemoryCache[Columns] = MemoryCache(HELD_BYTES, lambda one: one.nbytes, at_least=2)

    @cached_property
    def _summaries(self) -> dict[CellKey, dict[str, Any]]:
        return {CellKey.of(row): row for row in records(self.run.cells)}

    @cached_property
    def _scores(self) -> dict[CellKey, list[dict[str, Any]]]:
        found: dict[CellKey, list[dict[str, Any]]] = {}
        for row in records(self.run.results):
            found.setdefault(CellKey.of(row), []).append(row)
        return found

    def summary(self, key: CellKey) -> dict[str, Any]:
        """A cell's row of cells.parquet.

        Raises:
            InputError: the run has no such cell.
        """
        if key not in self._summaries:
            raise InputError(f"the run has no cell {quoted(key.text, 80)}: name one of its layer pairs")
        return self._summaries[key]

    def scores(self, key: CellKey) -> list[dict[str, Any]]:
        """A cell's rows of results.parquet."""
        return self._scores.get(key, [])

    @cached_property
    def features(self) -> pd.DataFrame:
        """Every feature with its verdict.

        Raises:
            InputError: the run looked for none.
        """
        return self.run.features()

    @cached_property
    def text(self) -> "Text | None":
        """The text of the rows."""
        arrays = self._arrays(self.told.get("text"))
        return None if arrays is None else Text(arrays)

    @property
    def map_method(self) -> str:
        """How decoder rows were laid out in the plane."""
        return str(self.told.get("map") or "pca")

    def layer(self, source: str) -> dict[str, np.ndarray] | None:
        """What `congruence.run.evidence` keeps of one source's features."""
        name = self._of(source).get("arrays")
        if not name:
            return None
        try:
            return self._layers.get(source, lambda: _there(self._arrays(name)))
        except LookupError:
            return None

    def promoted(self, source: str, feature: int) -> list[str] | None:
        """Tokens that a feature makes more likely, the most promoted first; None where nobody asked."""
        told = self.run.info.get("logit_weights")
        names = told.get("promoted") if isinstance(told, Mapping) else None
        name = names.get(source) if isinstance(names, Mapping) else None
        if source not in self._promoted:
            arrays = self._arrays(name)
            self._promoted[source] = None if arrays is None else (arrays["tokens"], unpacked(arrays))
        kept = self._promoted[source]
        return None if kept is None else [kept[1][code] for code in kept[0][feature].tolist() if code >= 0]

    def columns(self, source: str) -> Columns | None:
        """The activations of one source, by feature."""
        name, text = self._of(source).get("activations"), self.text
        if not name or text is None or not _is_name(name):
            return None

        def read() -> Columns:
            store = ActivationStore.open(self.folder.activations / name)
            return Columns.of(store, text.groups(source[0]), self.told.get("pooling"), text.document_offsets)

        try:
            return self._columns.get(source, read)
        except _GONE:
            return None

    def null_scores(self, key: CellKey) -> list[tuple[dict[str, Any], np.ndarray]]:
        """Rows of results of a cell with the null scores behind them."""
        uses = (self.run.info.get("uses") or {}).get("cells") or []
        ending = re.compile(rf"(.*-)?L{key.layer_a}-L{key.layer_b}(-concepts)?-[0-9a-f]{{16}}")
        found = []
        for name in uses:
            if not ending.fullmatch(str(name)) or not _is_name(name):
                continue
            try:
                rows, scores = rows_and_scores(self.folder.cells / name)
            except _GONE:
                continue
            found += [
                (rows[index], drawn)
                for index, drawn in scores.items()
                if (rows[index]["control"], rows[index]["control_side"]) == (key.control, key.control_side)
            ]
        return found

    def _of(self, source: str) -> Mapping[str, Any]:
        layers = self.told.get("layers")
        found = layers.get(source) if isinstance(layers, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    def _arrays(self, name: Any) -> dict[str, np.ndarray] | None:
        if not name or not _is_name(name):
            return None
        try:
            return dict(arrays_in(self.folder.known / f"{name}.json"))
        except _GONE:
            return None


class Text:
    """The text of a run's rows.

    Args:
        arrays: as `congruence.run.evidence` keeps them.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = arrays
        self.document_offsets = arrays["document_offsets"]
        self.strings = unpacked(arrays)

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.codes("a"))

    def codes(self, side: str) -> np.ndarray:
        """(n,) index into `strings` of each row, as one side reads it."""
        return self._arrays[f"codes_{side}"]

    def groups(self, side: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Offsets and token rows of each unit; None where rows are tokens."""
        offsets = self._arrays.get(f"offsets_{side}")
        return None if offsets is None else (offsets, self._arrays[f"rows_{side}"])

    def tokens(self, side: str, start: int, stop: int) -> list[str]:
        """Strings of some rows."""
        return [self.strings[code] if code >= 0 else "" for code in self.codes(side)[start:stop]]

    def words(self, codes: np.ndarray) -> list[str]:
        """Strings of codes; -1 stands for none."""
        return [self.strings[code] for code in codes if 0 <= code < len(self.strings)]

    def window(self, row: int, before: int, after: int) -> tuple[int, int, int]:
        """First row, last row + 1 and document of the text around a row."""
        document = int(np.searchsorted(self.document_offsets, row, side="right")) - 1
        start, stop = self.document_offsets[document : document + 2].tolist()
        return max(start, row - before), min(stop, row + after + 1), document


def _is_name(name: Any) -> bool:
    """Whether a record names something beside it and not a way out of the run's folder."""
    return isinstance(name, str) and Path(name).name == name and name not in (".", "..")


def _there(arrays: dict[str, np.ndarray] | None) -> dict[str, np.ndarray]:
    if arrays is None:
        raise LookupError
    return arrays


def _nbytes(arrays: dict[str, np.ndarray]) -> int:
    return sum(array.nbytes for array in arrays.values())
