"""`function: stitching`: next-token loss of each model that goes on from the other's mapped states."""

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from congruence.activations.plan import read_at
from congruence.errors import InputError, ModelError
from congruence.metrics.blas import one_blas_thread
from congruence.progress import Progress
from congruence.run.columns import blank_row, table_of
from congruence.run.function_schema import STITCHING
from congruence.run.grid import REAL
from congruence.run.logit_stage import check_head
from congruence.run.tables import write_table
from congruence.run.transfer_stage import NULL_KINDS, TransferStage
from congruence.run.transfer_store import DIRECTIONS
from congruence.transfer import FittedMap, StitchingSettings, fit_map
from congruence.transfer.states import LayerPair

if TYPE_CHECKING:
    from congruence.function.stitching import Stitched

logger = logging.getLogger(__name__)

VERSION = 1
TABLE = "stitching.parquet"
STATES, RECONSTRUCTION = "states", "reconstruction"


class StitchingStage:
    """Stitching at every layer pair, on the documents that judge transfer.

    Args:
        transfer: the run's transfer, whose states, halves and nulls these are.
        settings: what `function` says of it.

    Raises:
        ModelError: a model has no language head.
    """

    def __init__(self, transfer: TransferStage, settings: StitchingSettings) -> None:
        self.transfer, self.settings = transfer, settings
        self.captures, self.sides = transfer.captures, transfer.sides
        self.rows: list[dict[str, Any]] = []
        for side in self.sides:
            check_head(self.captures, side)
        self._stitched = cache(self._open)
        self._baselines = cache(self._losses)

    def compute(self, progress: Progress) -> None:
        """Every layer pair; what is finished is read."""
        pairs = [(a, b) for a in self.sides["a"].layers for b in self.sides["b"].layers]
        for done, (layer_a, layer_b) in enumerate(pairs):
            progress.advance("stitching", done, len(pairs), "pairs")
            key, started = self._key(layer_a, layer_b), time.perf_counter()
            found = self.captures.memo.look_up("stitching", key)
            if found is None:
                found = list(self._pair(layer_a, layer_b))
                self.captures.memo.keep("stitching", key, found)
                spent = time.perf_counter() - started
                logger.info("stitching L%d-L%d computed in %.2f s", layer_a, layer_b, spent)
            self.rows += found
        progress.advance("stitching", len(pairs), len(pairs), "pairs")
        self._stitched.cache_clear()

    def finish(self, folder: Path) -> dict[str, Any]:
        """Write stitching.parquet into a run's folder; what run.json says of it."""
        write_table(table_of(self.rows, STITCHING), STITCHING, folder / TABLE)
        return {"stitching": asdict(self.settings)}

    def _pair(self, layer_a: int, layer_b: int) -> Iterator[dict[str, Any]]:
        pair = self.transfer.layer_pair(layer_a, layer_b)
        layers = {"a": layer_a, "b": layer_b}
        for direction, one in zip(DIRECTIONS, (pair, pair.reverse()), strict=True):
            source, target = ("a", "b") if direction == "a_to_b" else ("b", "a")
            place = {"layer_a": layer_a, "layer_b": layer_b, "direction": direction}
            try:
                yield from self._direction(one, place, source, target, layers)
            except (InputError, ModelError) as error:
                yield blank_row(STITCHING, **place, map="", what=STATES, warnings=[str(error)])

    def _direction(
        self, pair: LayerPair, place: dict[str, Any], source: str, target: str, layers: dict[str, int]
    ) -> Iterator[dict[str, Any]]:
        there, stitched = self._counted(target), self._stitched(target, layers[target])
        native, zero, mean = self._baselines(target, layers[target])

        def row(states: np.ndarray, **values: Any) -> dict[str, Any]:
            from congruence.function.stitching import loss_recovered

            loss = stitched.loss(states[there])
            return blank_row(
                STITCHING, **place, **values, loss=loss, native=native, zero=zero, mean=mean,
                recovered_zero=loss_recovered(loss, native=native, ablated=zero),
                recovered_mean=loss_recovered(loss, native=native, ablated=mean),
                places=int(there.sum()), predictions=stitched.predictions,
            )  # fmt: skip

        own = self._reconstructed(target, layers[target], pair.y.judged)
        if own is not None:
            yield row(own, map="native", what=RECONSTRUCTION)
        from_sae = self._reconstructed(source, layers[source], pair.x.judged)
        for kind, null, against, fitted in self._maps(pair, target, layers):
            if isinstance(fitted, str):
                yield blank_row(STITCHING, **place, map=kind, what=STATES, warnings=[fitted])
                continue
            yield row(fitted.apply(pair.x.judged), map=kind, null=null, against=against, what=STATES)
            if from_sae is not None and not null:
                yield row(fitted.apply(from_sae), map=kind, what=RECONSTRUCTION)

    @one_blas_thread()
    def _maps(
        self, pair: LayerPair, target: str, layers: dict[str, int]
    ) -> list[tuple[str, str, str, FittedMap | str]]:
        """Kind, null and wrong layer of every map, and the map or why there is none."""
        from congruence.transfer.judge import RANDOM, SHIFTED, WRONG_LAYER, turned

        penalty, seed = self.transfer.settings.penalty, self.captures.config.seed
        found: list[tuple[str, str, str, FittedMap | str]] = []
        for kind in dict.fromkeys(self.settings.maps):
            if kind == "identity" and pair.x.width != pair.y.width:
                continue
            try:
                found.append((kind, "", "", fit_map(pair.fit, kind, penalty=penalty)))
            except InputError as error:
                found.append((kind, "", "", str(error)))
                continue
            if kind in NULL_KINDS:
                found.append((kind, SHIFTED, "", fit_map(pair.shifted, kind, penalty=penalty)))
        orthogonal = fit_map(pair.fit, "orthogonal")
        found.append(("orthogonal", RANDOM, "", turned(orthogonal, seed)))
        wrong = self.transfer.wrong_layer(target, layers[target])
        if wrong is not None:
            at = {**layers, target: wrong}
            other = self.transfer.layer_pair(at["a"], at["b"])
            other = other if target == "b" else other.reverse()
            found.append(("orthogonal", WRONG_LAYER, f"L{wrong}", fit_map(other.fit, "orthogonal")))
        return found

    def _counted(self, target: str) -> np.ndarray:
        """(judged,) places whose state of the target is that at their last token."""
        return self.transfer.states.stands_for(target)[self.transfer.split.judged]

    def _open(self, side: str, layer: int) -> "Stitched":
        from congruence.function.stitching import Stitched

        states, config = self.transfer.states, self.sides[side].config
        at = states.last_tokens(side)[self.transfer.split.judged][self._counted(side)]
        hook = read_at(self.captures.variant(side, REAL).hooks[layer], config.hook_offset)
        batch = self.captures.config.batch_tokens
        return Stitched(self.sides[side].model, states.tokens[side], hook, at, batch)

    def _losses(self, side: str, layer: int) -> tuple[float, float, float]:
        """Loss of the model itself, and of it with the places set to zero and to the mean."""
        stitched = self._stitched(side, layer)
        fit = self.transfer.layer_states(side, layer).fit
        zero = np.zeros((len(stitched.at), fit.shape[1]))
        return stitched.loss(), stitched.loss(zero), stitched.loss(zero + fit.mean(axis=0))

    def _reconstructed(self, side: str, layer: int, states: np.ndarray) -> np.ndarray | None:
        """What a side's SAE gives for states; None of neurons, and of SAEs that predict something else."""
        known = self.captures.variant(side, REAL).saes.get(layer)
        if known is None:
            return None
        sae = known.load()
        if sae.is_transcoder or sae.is_part:
            return None
        import torch

        x = torch.from_numpy(states.astype(np.float32))
        return sae.decode_csr(sae.encode_csr(x), x).double().cpu().numpy()

    def _key(self, layer_a: int, layer_b: int) -> list[Any]:
        """All that the rows of a layer pair follow from."""
        transfer, settings = self.transfer, self.transfer.settings
        layers = {"a": layer_a, "b": layer_b}
        states = [transfer.states.key(side, layer) for side, layer in layers.items()]
        wrong = [(side, transfer.wrong_layer(side, layer)) for side, layer in layers.items()]
        states += ["" if layer is None else transfer.states.key(side, layer) for side, layer in wrong]
        saes = [self.captures.variant(side, REAL).saes.get(layer) for side, layer in layers.items()]
        tokens = [transfer.states.tokens[side].key for side in layers]
        models = [self.sides[side].model.key for side in layers]
        options = [asdict(self.settings), settings.penalty, settings.judged, self.captures.config.seed]
        saved = [None if sae is None else sae.key for sae in saes]
        return [VERSION, options, states, saved, tokens, models]
