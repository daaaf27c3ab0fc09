"""What a person asks of a finished run from Python: names, tables of features, pictures, its report."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from congruence.display import html_table
from congruence.errors import InputError, unknown_name
from congruence.run.best import best_row
from congruence.run.null_draws import drawn_scores
from congruence.wording import format_score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from congruence.transfer.maps import FittedMap

SHOWN_BY = {
    "summary": "congruence.report.terminal:summary",
    "plot": "congruence.report.paper.plot:plot",
    "to_latex": "congruence.report.tables:latex",
    "report": "congruence.report.html:write_report",
    "pair": "congruence.view.shown_pair:pair_of",
}
"""What draws and writes lies above results and reads them; it is loaded by its name when it is asked for."""


def _shown(name: str, *given: Any, **options: Any) -> Any:
    module, function = SHOWN_BY[name].split(":")
    return getattr(importlib.import_module(module), function)(*given, **options)


class Reading:
    """The part of `Run` that answers people. It reads `info`, `results`, `cells` and the matches."""

    path: Path
    folder: Path
    info: dict[str, Any]
    results: pd.DataFrame
    cells: pd.DataFrame

    @property
    def measures(self) -> list[str]:
        """Labels of its measures, as `grid`, `best` and `plot` take them."""
        return self.results.measure.unique().tolist()

    @property
    def nulls(self) -> list[str]:
        """Names of its nulls."""
        return self.results.null.unique().tolist()

    @property
    def concepts(self) -> list[str]:
        """Names of its concept subspaces; none where only the whole space was compared."""
        names = self.results.concept[self.results.control == "none"].unique().tolist()
        return [name for name in names if name != "all"]

    @property
    def controls(self) -> list[str]:
        """Names of its controls, the comparison itself left out."""
        return [name for name in self.results.control.unique().tolist() if name != "none"]

    def summary(self) -> Any:
        """The answer and the grid, for ``rich.print``; ``str()`` gives it as plain text."""
        return _shown("summary", self)

    def plot(self, what: str | None = None, **options: Any) -> "Figure":
        """One figure, as `congruence figures` draws them, shown by a notebook; no state of pyplot is touched.

        Args:
            what: a measure, or a kind of figure such as "mean_r"; None: the leading measure.
            **options: `kind` ("scores", "p", "null", "depth", "draws", "concepts", …), `width`, `font_size`
                and `title`.

        Raises:
            InputError: the run has nothing of that name; the message lists what it has.
        """
        return _shown("plot", self, what, **options)

    def to_latex(self, table: str | None = None) -> str:
        """One of its tables for LaTeX (booktabs), stars explained below; by default the scores."""
        return _shown("to_latex", self, table)

    def report(self) -> Path:
        """Write report.html into its folder, and say where that is."""
        return _shown("report", self)

    def features(
        self, layer_a: int | None = None, layer_b: int | None = None, *, kept: bool | None = None
    ) -> pd.DataFrame:
        """Every feature with its verdict, or the pairs of features of one layer pair, most alike first.

        Args:
            layer_a, layer_b: the layer pair; neither: the verdicts (features.parquet).
            kept: of pairs, only those that the filters kept (True) or took (False).

        Returns:
            Without layers a row a feature of either side that fires: its best partner over all layers of the
            other side, null, ceiling and verdict. With layers the columns of `matches` without the place in
            the grid.

        Raises:
            InputError: one layer is given without the other, there are no such layers, or no verdicts.
        """
        if layer_a is None and layer_b is None:
            return self._verdicts()
        if layer_a is None or layer_b is None:
            raise InputError(
                f"features({layer_a!r}, {layer_b!r}) names one layer: name those of a pair, or neither"
            )
        found = self._cell(layer_a, layer_b)
        if kept is not None:
            found = cast(pd.DataFrame, found[found.kept == kept])
        place = ["control", "control_side", "layer_a", "layer_b"]
        return found.drop(columns=place).sort_values("r", ascending=False, kind="stable", ignore_index=True)

    def shared(self, *, concept: str = "all") -> pd.DataFrame:
        """How many features are shared, aren't, or can't be told, by side and layer, with intervals.

        Args:
            concept: of features of one concept only, where the run compared concepts.

        Returns:
            side, layer (−1: all of them), verdict, features, count, share, low and high (90 % interval:
            Wilson's, with a design effect from the variance between shifts of the text), design.

        Raises:
            InputError: the run has no verdicts, or no such concept.
        """
        told = self._verdict_record()
        table = pd.DataFrame(told["shares"])
        if concept not in (names := table.concept.unique().tolist()):
            raise InputError(unknown_name("concept", concept, names))
        mine = cast(pd.DataFrame, table[table.concept == concept])
        return mine.drop(columns="concept").reset_index(drop=True)

    def _verdict_record(self) -> dict[str, Any]:
        told = self.info.get("verdicts") or {}
        if "shares" not in told:
            why = (
                told.get("none") or "it was run without, or by an older congruence: run again with verdicts:"
            )
            raise InputError(f"{self.path} has no verdicts on features: {why}")
        return told

    def _verdicts(self) -> pd.DataFrame:
        raise NotImplementedError

    def pair(self, layer_a: int, feature_a: int, layer_b: int, feature_b: int) -> dict[str, Any]:
        """All that the run knows of one pair of features; a notebook shows it with its text.

        Returns:
            The match's row, with `rank` among the pairs of the layers by r (1: the most alike), and
            `others_a`, `others_b`: the other pairs of either feature at these layers, most alike first;
            `contexts`: text with both features' activations, where each is strongest and where only one of
            them fires (see :class:`congruence.view.shown_pair.Pair`).

        Raises:
            InputError: the two weren't matched there; the message says what each was matched with.
        """
        found = self.features(layer_a, layer_b)
        of_a, of_b = found.feature_a == feature_a, found.feature_b == feature_b
        rows = found[of_a & of_b]
        if rows.empty:
            with_a, with_b = found.feature_b[of_a].tolist(), found.feature_a[of_b].tolist()
            raise InputError(
                f"features {feature_a!r} and {feature_b!r} of layers {layer_a} and {layer_b} aren't a pair: "
                f"{feature_a!r} of a was with {_some(with_a)}, {feature_b!r} of b with {_some(with_b)}"
            )
        row = rows.iloc[0].to_dict() | {
            "rank": int(rows.index[0]) + 1,
            "others_a": found[of_a & ~of_b].reset_index(drop=True),
            "others_b": found[of_b & ~of_a].reset_index(drop=True),
        }
        return _shown("pair", self, row, layer_a, layer_b)

    def null_scores(
        self,
        measure: str,
        layer_a: int,
        layer_b: int,
        *,
        control: str = "none",
        concept: str = "all",
        subspace: str | None = None,
        null: str | None = None,
    ) -> np.ndarray:
        """(draws,) scores of the null at one layer pair, draw by draw; NaN where a draw gave none.

        Args:
            measure, control, concept, subspace, null: as for `grid`.
            layer_a, layer_b: the layer pair.

        Raises:
            InputError: there is no such row, or it wasn't tested.
            StorageError: the run's cells, where the draws are kept, have been removed.
        """
        rows = self._rows(measure, control, concept, subspace, null)
        rows = rows[(rows.layer_a == layer_a) & (rows.layer_b == layer_b)]
        if rows.empty:
            raise InputError(self._no_layers(layer_a, layer_b))
        row = rows.iloc[0]
        if not row.draws:
            raise InputError(
                f"{row.measure} at layers {layer_a} and {layer_b} wasn't tested: it has no draws"
            )
        return drawn_scores(self.path, list((self.info.get("uses") or {}).get("cells") or []), row)

    def map(
        self,
        layer_a: int | str,
        layer_b: int | str,
        kind: str = "orthogonal",
        *,
        direction: str = "a_to_b",
    ) -> "FittedMap":
        """The fitted map between the hidden states of two layers, of a run with `function: transfer`.

        `.apply(states)` gives states of the other model, `.apply_directions(rows)` probes, steering vectors
        or decoder rows; `.kind`, and `.r2` on documents that it wasn't fitted on.

        Args:
            layer_a, layer_b: of a and of b, as 3 or "L3".
            kind: orthogonal, affine or ridge.
            direction: "a_to_b", or "b_to_a".

        Raises:
            InputError: the run has no such map.
            StorageError: the run's cells, where maps are kept, have been removed.
        """
        from congruence.run.transfer_store import stored_map

        places = (self.info.get("transfer") or {}).get("places") or {}
        return stored_map(self.path, places, (layer_a, layer_b), kind=kind, direction=direction)

    def _cell(self, layer_a: int, layer_b: int) -> pd.DataFrame:
        found = self.matches_of(layer_a, layer_b)
        here = (self.cells.layer_a == layer_a) & (self.cells.layer_b == layer_b)
        if found.empty and not (here & (self.cells.control == "none")).any():
            raise InputError(self._no_layers(layer_a, layer_b))
        return found

    def _no_layers(self, layer_a: Any, layer_b: Any) -> str:
        rows = self.results[self.results.control == "none"]
        return (
            f"layers {layer_a!r} and {layer_b!r} weren't compared: a has {_some(sorted(set(rows.layer_a)))}, "
            f"b has {_some(sorted(set(rows.layer_b)))}"
        )

    def _rows(
        self, measure: str | None, control: str, concept: str, subspace: str | None, null: str | None
    ) -> pd.DataFrame:
        raise NotImplementedError

    def matches_of(self, layer_a: int, layer_b: int, *, control: str = "none") -> pd.DataFrame:
        raise NotImplementedError

    def side_name(self, side: str) -> str:
        raise NotImplementedError

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.startswith("_")]

    def __repr__(self) -> str:
        return f"Run({self._sides()}: {len(self.measures)} measures, {self._best_words()}; {self.path})"

    def _repr_html_(self) -> str:
        """The best layer pair of every measure, for a notebook."""
        whole = self.results[(self.results.control == "none") & (self.results.concept == "all")]
        rows = []
        for measure in whole.measure.unique():
            best: Any = best_row(self._rows(measure, "none", "all", None, None))
            if best is not None:
                numbers = [format_score(best[name]) for name in ("value", "null_mean")]
                rows.append([measure, best.layer_a, best.layer_b, *numbers, f"{best.p:.3g}", f"{best.q:.3g}"])
        heads = ("measure", "layer a", "layer b", "best score", "null mean", "p", "q")
        return html_table(f"{self._sides()} ({self.path})", rows, heads=heads)

    def _sides(self) -> str:
        return f"{self.side_name('a')} × {self.side_name('b')}"

    def _best_words(self) -> str:
        best: Any = best_row(self._rows(None, "none", "all", None, None))
        if best is None:
            return "no layer pair has a score"
        place = f"layers {best.layer_a} and {best.layer_b}"
        return f"best {best.measure} {format_score(float(best['value']))} at {place}"


def _some(values: Sequence[Any]) -> str:
    told = ", ".join(str(value) for value in values[:20]) or "none"
    return told if len(values) <= 20 else f"{told}, …"
