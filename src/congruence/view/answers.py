"""Every answer that the pages ask of a run, each computed once."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from congruence.errors import InputError, unknown_name
from congruence.run.results import Run, load_run
from congruence.storage import MemoryCache
from congruence.view.cell import FIRINGS, cell
from congruence.view.cells import FIELDS, CellKey
from congruence.view.concepts import concepts
from congruence.view.maps import feature_map
from congruence.view.matches import INTEREST, Matches, Query, row_of
from congruence.view.overview import overview
from congruence.view.pair import pair
from congruence.view.stored import Stored
from congruence.view.unmatched import SHOWN, WITH_CONTEXTS, unmatched

_HELD = 256 << 20
"""Bytes of pairs that are held in memory at a time."""


class Answers:
    """The answers of one run, as JSON-able data: shapes are those of the pages' types.

    Args:
        run: a finished run, or its folder.
        source: "server" where everything can be asked, "embedded" in a report.

    Raises:
        StorageError: it isn't one, or can't be read.
    """

    def __init__(self, run: "Run | str | Path", *, source: str = "server") -> None:
        self.run = load_run(run) if not isinstance(run, Run) else run
        self.source = source
        self.stored = Stored(self.run)
        self._matches: MemoryCache[Matches] = MemoryCache(_HELD, lambda one: one.nbytes)

    @cached_property
    def _overview(self) -> dict[str, Any]:
        known = self.stored.told.get("layers") and self.stored.text is not None
        holds = {
            "matches": self.run.holds("matches"),
            "contexts": bool(known),
            "maps": bool(known),
            "concepts": self.run.results.concept.nunique() > 1,
            "unmatched": self.run.holds("matches"),
        }
        return {**overview(self.run), "holds": holds, "source": self.source}

    def overview(self) -> dict[str, Any]:
        """The answer, both sides, every grid."""
        return self._overview

    def pairs_of(self, key: CellKey) -> Matches:
        """The pairs of a cell.

        Raises:
            InputError: the run has no such cell.
        """

        def read() -> Matches:
            self.stored.summary(key)
            return self._read([key])[key]

        return self._matches.get(key, read)

    def ahead(self, keys: Sequence[CellKey]) -> None:
        """Read the pairs of several cells at once, for a report that goes through them all."""
        for key, found in self._read(keys).items():
            self._matches.get(key, lambda found=found: found)

    def _read(self, keys: Sequence[CellKey]) -> dict[CellKey, Matches]:
        """The pairs of some cells."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        if not keys or not self.run.holds("matches"):
            return {key: Matches.of(pa.table({"layer_a": pa.array([], pa.int64())})) for key in keys}
        rows = self.run.rows_of_cells("matches", sorted({(k.control, k.layer_a, k.layer_b) for k in keys}))
        if len(keys) == 1 and "control_side" in rows.column_names:
            return {keys[0]: Matches.of(rows.filter(pc.field("control_side") == keys[0].control_side))}
        place = rows.select([field for field in FIELDS if field in rows.column_names]).to_pandas()
        at = place.reindex(columns=list(FIELDS), fill_value="").groupby(list(FIELDS), sort=False).indices
        nowhere = np.zeros(0, dtype=np.int64)
        return {key: Matches.of(rows.take(at.get(tuple(key.record().values()), nowhere))) for key in keys}

    def cell(self, key: CellKey, *, firings: int = FIRINGS) -> dict[str, Any]:
        """Histograms, scores, filters and warnings of a cell."""
        return cell(self.stored, key, self.pairs_of(key).table, firings=firings)

    def brief(self, key: CellKey) -> dict[str, Any]:
        """A cell's scores, filters and warnings: what is known without reading its pairs."""
        return cell(self.stored, key, None)

    def matches(self, key: CellKey, query: Query) -> dict[str, Any]:
        """Pairs of a cell, searched and sorted."""
        pairs = self.pairs_of(key)
        total, rows = pairs.find(query)
        return {
            "total": total,
            "available": len(pairs.table),
            "all": len(pairs.table),
            "rows": [row_of(row, has_pair=True) for row in rows.to_dict("records")],
            "interest_words": INTEREST,
        }

    def pair(self, key: CellKey, feature_a: int, feature_b: int) -> dict[str, Any]:
        """Two matched features side by side."""
        return pair(self.stored, key, self.pairs_of(key), feature_a, feature_b)

    def map(self, key: CellKey) -> dict[str, Any]:
        """Both decoder spaces of a cell in the plane."""
        return feature_map(self.stored, key, self.pairs_of(key))

    def concepts(self) -> dict[str, Any]:
        """Concept subspaces over the layers."""
        return concepts(self.run, self._overview["grids"])

    def unmatched(
        self, key: CellKey, side: str, *, shown: int = SHOWN, in_text: int = WITH_CONTEXTS
    ) -> dict[str, Any]:
        """Features of one side without a counterpart.

        Raises:
            InputError: the side isn't "a" or "b".
        """
        if side not in ("a", "b"):
            raise InputError(unknown_name("side", side, ("a", "b")))
        return unmatched(self.stored, key, side, self.pairs_of(key), shown=shown, in_text=in_text)
