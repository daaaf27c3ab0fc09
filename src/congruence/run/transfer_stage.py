"""`function: transfer`: maps between the states of every layer pair, and the SAEs on mapped states."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.progress import Progress
from congruence.run.captures import Captures
from congruence.run.columns import blank_row, table_of
from congruence.run.function_schema import TRANSFER
from congruence.run.grid import REAL
from congruence.run.states import PairedStates
from congruence.run.stored import CellResult
from congruence.run.tables import write_table
from congruence.run.transfer_store import DIRECTIONS, PairTransfer, load_pair, save_pair
from congruence.storage import MemoryCache, content_key
from congruence.transfer import TransferSettings, rotation_agreement
from congruence.transfer.split import FEWEST_DOCUMENTS, Split
from congruence.transfer.states import LayerPair, LayerStates

if TYPE_CHECKING:
    from congruence.transfer.reader import Reader

logger = logging.getLogger(__name__)

STAGE_VERSION = 1
TABLE = "transfer.parquet"
BYTES = 2 << 30
"""Of float64 states that stay in memory, and of what SAEs make of native ones; those at hand always do."""
NULL_KINDS = ("orthogonal", "affine")
"""Kinds that are also fitted on shifted text."""
CONTROLS = {"untrained_sae": "untrained SAE", "frozen_decoder": "frozen decoder"}
"""Control of the run -> null for which its SAEs stand in."""


class TransferStage:
    """Transfer at every layer pair of the run's grid.

    Args:
        captures: of the run.
        settings: what `function` says of it.
        folder: where finished layer pairs are kept.

    Raises:
        ConfigError: the text has too few documents.
    """

    def __init__(self, captures: Captures, settings: TransferSettings, folder: Path) -> None:
        self.captures, self.settings, self.folder = captures, settings, folder
        self.config, self.sides = captures.config, captures.sides
        self.states = PairedStates(
            self.sides,
            {name: captures.variant(name, REAL) for name in self.sides},
            captures.text,
            self.config,
            captures.folder,
            tokens=settings.tokens,
            fewest=FEWEST_DOCUMENTS,
        )
        self.split = Split.of(self.states.document_offsets, self.config.seed, judged=settings.judged)
        self.controls = [name for name in CONTROLS if name in self.config.controls]
        self.found: dict[tuple[int, int], PairTransfer] = {}
        self.agreements: dict[tuple[int, int, str], Mapping[str, Any]] = {}
        self._made: MemoryCache[dict[str, Any]] = MemoryCache(BYTES, _made_bytes, at_least=3)
        self._layers: MemoryCache[LayerStates] = MemoryCache(BYTES, lambda one: one.nbytes, at_least=4)
        self._readers: MemoryCache[Reader] = MemoryCache(BYTES, _reader_bytes, at_least=2)

    def compute(self, progress: Progress) -> None:
        """Capture the states, and judge every layer pair; what is finished is read."""
        self.states.capture(progress)
        pairs = [(a, b) for a in self.sides["a"].layers for b in self.sides["b"].layers]
        for done, (layer_a, layer_b) in enumerate(pairs):
            progress.advance("transfer", done, len(pairs), "pairs")
            place = self.folder / f"transfer-L{layer_a}-L{layer_b}-{self._key(layer_a, layer_b)}"
            found = load_pair(place)
            if found is None:
                started = time.perf_counter()
                made = PairTransfer(*self._pair(layer_a, layer_b))
                save_pair(made, place)
                found = PairTransfer(made.rows, place=place.name)
                spent = time.perf_counter() - started
                logger.info("transfer L%d-L%d computed in %.2f s", layer_a, layer_b, spent)
            else:
                logger.info("transfer L%d-L%d: finished before, read from %s", layer_a, layer_b, place.name)
            self.found[layer_a, layer_b] = PairTransfer(found.rows, place=place.name)
        progress.advance("transfer", len(pairs), len(pairs), "pairs")
        self._readers.clear()
        self._made.clear()

    def let_go(self) -> None:
        """Forget the states in memory; they are read again when they are wanted."""
        self._layers.clear()

    def agree(self, results: Sequence[CellResult]) -> None:
        """Hold the rotation of matched decoder rows against that of the states, at every layer pair."""
        for result in results:
            at = (result.summary["layer_a"], result.summary["layer_b"])
            if result.summary["control"] != "none" or at not in self.found:
                continue
            maps = cache(partial(load_pair, self.folder / self.found[at].place))
            for direction in DIRECTIONS:
                if "orthogonal" in self.settings.maps and self.settings.keep_maps:
                    of = [self.found[at].place, *result.places, direction, STAGE_VERSION]
                    compute = partial(self._agreement, result, direction, maps)
                    self.agreements[*at, direction] = self.captures.memo.value("rotations", of, compute)

    def places(self) -> list[str]:
        """Names of the folders of finished layer pairs."""
        return [found.place for found in self.found.values()]

    def finish(self, folder: Path) -> dict[str, Any]:
        """Write transfer.parquet into a run's folder; what run.json says of it."""
        rows = [
            {**row, **(self.agreements.get((*at, row["direction"])) or {})} if _is_rotation(row) else row
            for at, found in self.found.items()
            for row in found.rows
        ]
        write_table(table_of(rows, TRANSFER), TRANSFER, folder / TABLE)
        places = {f"{a}-{b}": found.place for (a, b), found in self.found.items()}
        return {"transfer": {**asdict(self.settings), "places": places}}

    def _pair(self, layer_a: int, layer_b: int) -> tuple[list[dict[str, Any]], dict[tuple[str, str], Any]]:
        """Rows and maps of one layer pair."""
        pair = self.layer_pair(layer_a, layer_b)
        rows, maps = [], {}
        for direction, one in zip(DIRECTIONS, (pair, pair.reverse()), strict=True):
            for row, fitted in self._direction(one, direction, layer_a, layer_b):
                rows.append(row)
                if fitted is not None and self.settings.keep_maps and not row["null"]:
                    maps[direction, row["map"]] = fitted
        return rows, {key: one for key, one in maps.items() if one.kind != "identity"}

    def _direction(
        self, pair: LayerPair, direction: str, layer_a: int, layer_b: int
    ) -> Iterator[tuple[dict[str, Any], Any]]:
        from congruence.transfer.judge import WRONG_LAYER, judged_maps

        to, layer = ("b", layer_b) if direction == "a_to_b" else ("a", layer_a)
        wrong = self.wrong_layer(to, layer)
        other = None
        if wrong is not None and to == "b":
            other = self.layer_pair(layer_a, wrong)
        elif wrong is not None:
            other = self.layer_pair(wrong, layer_b).reverse()
        controls = {CONTROLS[name]: self._reader(to, name, layer) for name in self.controls}
        judged = judged_maps(
            pair,
            self._reader(to, REAL, layer),
            kinds=tuple(dict.fromkeys(self.settings.maps)),
            penalty=self.settings.penalty,
            seed=self.config.seed,
            null_kinds=NULL_KINDS,
            wrong=other,
            controls={name: one for name, one in controls.items() if one is not None},
        )
        for one in judged:
            row = blank_row(
                TRANSFER,
                layer_a=layer_a,
                layer_b=layer_b,
                direction=direction,
                map=one.kind,
                null=one.null,
                against=f"L{wrong}" if one.null == WRONG_LAYER else "",
                **{
                    name: getattr(one, name) for name in ("r2", "explained", "ceiling", "explained_of_target")
                },
                f1=one.f1,
                r=one.r,
                n_fit=int(self.split.fit.sum()),
                n_held=int(self.split.held.sum()),
                n_judged=len(self.split.judged),
                warnings=[one.doubt] if one.doubt else [],
            )
            yield row, one.map

    def wrong_layer(self, side: str, layer: int) -> int | None:
        """The layer of a side that lies farthest from one of its layers; None where there is no other."""
        others = [one for one in self.sides[side].layers if one != layer]
        return max(others, key=lambda one: (abs(one - layer), -one), default=None)

    def layer_pair(self, layer_a: int, layer_b: int) -> LayerPair:
        """States of both layers at the shared places; a pair is also its neighbours' wrong layer."""
        made = self._made.get((layer_a, layer_b), dict)
        return LayerPair.of(
            self.layer_states("a", layer_a), self.layer_states("b", layer_b), self.split, made
        )

    def layer_states(self, side: str, layer: int) -> LayerStates:
        """States of a layer, cut into those that fit maps and those that judge them."""
        return self._layers.get(
            (side, layer), lambda: LayerStates.of(self.states.of(side, layer), self.split)
        )

    def _reader(self, side: str, variant: str, layer: int) -> "Reader | None":
        """An SAE on the judged native states; None where there is none, as of neurons."""
        sae = self.captures.variant(side, variant).saes.get(layer)
        if sae is None:
            return None
        from congruence.transfer.reader import Reader

        judged = self.layer_states(side, layer).judged
        return self._readers.get((side, variant, layer), lambda: Reader.of(sae.load(), judged))

    def _agreement(
        self, result: CellResult, direction: str, maps: Callable[[], PairTransfer | None]
    ) -> dict[str, Any]:
        """Columns that follow from the matched features that the filters kept."""
        layers = {"a": result.summary["layer_a"], "b": result.summary["layer_b"]}
        found = maps()
        fitted = None if found is None else found.maps.get((direction, "orthogonal"))
        kept = np.asarray(result.matches.kept, dtype=bool)
        sides = ("a", "b") if direction == "a_to_b" else ("b", "a")
        decoders = [self._decoder(side, layers[side]) for side in sides]
        rows = [
            decoder[np.asarray(result.matches[f"feature_{side}"])[kept]]
            for side, decoder in zip(sides, decoders, strict=True)
            if decoder is not None
        ]
        if fitted is None or tuple(one.shape[1] for one in rows) != fitted.matrix.shape:
            return {}  # of neurons, or of a transcoder
        told = rotation_agreement(rows[0], rows[1], fitted.matrix, seed=self.config.seed)
        return {
            "rotation_cosine": told.cosine,
            "rotation_null": told.null,
            "finds": told.finds,
            "pairs": told.pairs,
        }

    def _decoder(self, side: str, layer: int) -> np.ndarray | None:
        known = self.captures.variant(side, REAL).saes.get(layer)
        return None if known is None else self.captures.decoder(side, REAL, layer)

    def _key(self, layer_a: int, layer_b: int) -> str:
        """Of all that the rows and maps of a layer pair follow from."""
        layers = {"a": layer_a, "b": layer_b}
        wrong = {side: self.wrong_layer(side, layer) for side, layer in layers.items()}
        states = [self.states.key(side, layer) for side, layer in layers.items()]
        states += ["" if layer is None else self.states.key(side, layer) for side, layer in wrong.items()]
        saes = [
            self.captures.variant(side, name).saes.get(layer)
            for name in (REAL, *self.controls)
            for side, layer in layers.items()
        ]
        keys = [None if sae is None else sae.key for sae in saes]
        return content_key(
            [STAGE_VERSION, asdict(self.settings), self.config.seed, self.controls, states, keys]
        )


def _is_rotation(row: Mapping[str, Any]) -> bool:
    return row["map"] == "orthogonal" and not row["null"]


def _made_bytes(made: Mapping[str, Any]) -> int:
    return sum(getattr(one, "matrix", one).nbytes for one in made.values())


def _reader_bytes(reader: "Reader") -> int:
    given = 0 if reader.given is None else reader.given.nbytes
    return reader.y.nbytes + given + 24 * reader.acts.nnz
