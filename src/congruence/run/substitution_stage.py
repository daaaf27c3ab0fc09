"""`function: substitution`: pairs of features taken out of both models, and one in the other's place."""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from congruence.activations.plan import read_at
from congruence.errors import ConfigError, InputError
from congruence.function.quality import above_null, p_of_pairs, quality_curve
from congruence.function.sampling import hard_negatives, stratified
from congruence.metrics.blas import one_blas_thread
from congruence.progress import Progress
from congruence.run.columns import blank_row, table_of
from congruence.run.function_schema import FUNCTION, SUBSTITUTION
from congruence.run.grid import REAL, Source
from congruence.run.logit_stage import check_head, shared_ids
from congruence.run.stored import CellResult
from congruence.run.tables import write_table
from congruence.run.transfer_stage import TransferStage
from congruence.transfer import SubstitutionSettings, fit_map

if TYPE_CHECKING:
    from congruence.function.positions import Ablator
    from congruence.function.substitution import Bench

logger = logging.getLogger(__name__)

VERSION = 1
TABLE = "substitution.parquet"
PAIR, NEGATIVE = "pair", "hard negative"
FOUND = ("contexts", "ablation_r", "kl_ablated", "kl_substituted", "substitution", "reason")
QUESTIONS = {"ablation": "ablation_r", "substitution": "substitution"}
"""Question of function.parquet -> the column of substitution.parquet that answers it for a pair."""


class SubstitutionStage:
    """Substitution at every layer pair of the comparison itself, on documents that fitted no map.

    Args:
        transfer: the run's transfer, whose states and halves these are.
        settings: what `function` says of it.

    Raises:
        ConfigError: a side has no SAEs, or some that predict something else than they read.
    """

    def __init__(self, transfer: TransferStage, settings: SubstitutionSettings) -> None:
        self.transfer, self.settings = transfer, settings
        self.captures, self.sides = transfer.captures, transfer.sides
        for side in self.sides:
            self._check(side)
        widths = [self._width(side) for side in self.sides]
        if settings.map == "identity" and widths[0] != widths[1]:
            raise ConfigError(
                f"function: substitution has map: identity, and the states have widths {widths[0]} and "
                f"{widths[1]}: use orthogonal, affine or ridge"
            )
        self.tokens = shared_ids(self.captures)
        self.rows: list[dict[str, Any]] = []
        self.pairs: list[dict[str, Any]] = []
        self.tested: dict[str, dict[str, int]] = {}

    def compute(self, results: Sequence[CellResult], progress: Progress) -> None:
        """Every layer pair; what is finished is read."""
        real = [result for result in results if result.summary["control"] == "none"]
        for result in real:
            layer_a, layer_b = result.summary["layer_a"], result.summary["layer_b"]
            key, started = self._key(result), time.perf_counter()
            found = self.captures.memo.look_up("substitution", key)
            if found is None:
                label = f"substitution L{layer_a}-L{layer_b}"
                found = self._pair(result, partial(progress.advance, label))
                self.captures.memo.keep("substitution", key, found)
                logger.info("%s computed in %.2f s", label, time.perf_counter() - started)
            self.rows += found["function"]
            self.pairs += found["pairs"]
            self.tested[f"{layer_a}-{layer_b}"] = found["tested"]

    def finish(self, folder: Path) -> dict[str, Any]:
        """Write substitution.parquet into a run's folder; what run.json says of it."""
        write_table(table_of(self.pairs, SUBSTITUTION), SUBSTITUTION, folder / TABLE)
        return {"substitution": {**asdict(self.settings), "tested": self.tested}}

    def _pair(self, result: CellResult, advance: Any) -> dict[str, Any]:
        layers = {"a": result.summary["layer_a"], "b": result.summary["layer_b"]}
        place = {f"layer_{side}": layer for side, layer in layers.items()}
        matches = result.matches[np.asarray(result.matches.kept, dtype=bool)].reset_index(drop=True)
        try:
            bench = self._bench(layers)
        except InputError as error:
            return self._nothing(place, len(matches), str(error))
        fires_a, fires_b = bench.fires()
        features = [np.asarray(matches[f"feature_{side}"], dtype=np.int64) for side in "ab"]
        alive = np.flatnonzero((fires_a[features[0]] > 0) & (fires_b[features[1]] > 0))
        if len(alive) < 2:
            return self._nothing(place, len(matches), "fewer than two kept pairs fire on the held-out text")
        r = np.asarray(matches.r, dtype=np.float64)[alive]
        seed = self.captures.config.seed
        sample = stratified(r, fires_b[features[1][alive]], self.settings.pairs, seed=seed)
        chosen = alive[sample.index]
        a, b = features[0][chosen], features[1][chosen]
        negatives, overlap = self._negatives(result.matches, layers, a, b, fires_b)
        own = self._overlap(layers, a, b)
        wanted = [(i, PAIR, b[i], -1, own[i]) for i in range(len(a))]
        wanted += [
            (i, NEGATIVE, negatives[i], b[i], overlap[i]) for i in np.flatnonzero(negatives >= 0).tolist()
        ]
        wanted.sort(key=lambda one: one[0])  # a pair and its negative share places
        effects = bench.effects(
            a[[one[0] for one in wanted]],
            np.array([one[2] for one in wanted], dtype=np.int64),
            progress=lambda done: advance(done, len(wanted), "pairs"),
        )
        rows = []
        for (i, kind, other, partner, tokens), effect in zip(wanted, effects, strict=True):
            found = {name: getattr(effect, name) for name in FOUND}
            drawn = {"stratum": sample.stratum[i], "weight": float(sample.weight[i])}
            pair = {"feature_a": int(a[i]), "feature_b": int(other), "partner": int(partner)}
            of_pair = {"r": float(r[sample.index[i]]), "overlap": int(tokens)}
            rows.append(blank_row(SUBSTITUTION, **place, kind=kind, **pair, **of_pair, **drawn, **found))
        return {
            "pairs": rows,
            "function": [self._summary(place, question, rows) for question in QUESTIONS],
            "tested": {"kept": len(matches), "firing": len(alive), "sampled": len(a)},
        }

    def _summary(
        self, place: dict[str, int], question: str, rows: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        """One number of a layer pair: the mean over the pairs that the sample stands for, beside its null."""
        table = pd.DataFrame(rows)
        pairs, others = (table[table.kind == kind] for kind in (PAIR, NEGATIVE))
        column = QUESTIONS[question]
        quality = np.asarray(pairs[column], dtype=float)
        weight, told = np.asarray(pairs.weight, dtype=float), np.isfinite(quality)
        null = np.asarray(others[column], dtype=float)
        above, q95 = above_null(quality, null)
        null = null[np.isfinite(null)]
        curve, area = quality_curve(np.asarray(pairs.r, dtype=float), quality, weight)
        beside = pairs.merge(
            others, left_on=["feature_a", "feature_b"], right_on=["feature_a", "partner"], suffixes=("", "_n")
        )
        whole = weight[told].sum()
        differences = np.asarray(beside[column] - beside[f"{column}_n"], dtype=float)
        return blank_row(
            FUNCTION,
            **place,
            question=question,
            n=int(told.sum()),
            value=float((weight * quality)[told].sum() / whole) if whole else float("nan"),
            null="hard negatives",
            null_mean=float(null.mean()) if len(null) else float("nan"),
            null_q95=q95,
            p=p_of_pairs(differences, seed=self.captures.config.seed),
            share=float(weight[above].sum() / whole) if whole and len(null) else float("nan"),
            area=area,
            curve=curve,
            tokens=len(self._ids()["a"]),
            warnings=[] if told.any() else ["no pair's feature changes a prediction when it is taken out"],
        )

    def _nothing(self, place: dict[str, int], kept: int, why: str) -> dict[str, Any]:
        rows = [
            blank_row(FUNCTION, **place, question=question, null="hard negatives", warnings=[why])
            for question in QUESTIONS
        ]
        return {"pairs": [], "function": rows, "tested": {"kept": kept, "firing": 0, "sampled": 0}}

    def _negatives(
        self, matches: pd.DataFrame, layers: dict[str, int], a: np.ndarray, b: np.ndarray, fires: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        partners: dict[int, set[int]] = {}
        for one, other in zip(matches.feature_a.tolist(), matches.feature_b.tolist(), strict=True):
            partners.setdefault(int(one), set()).add(int(other))
        top_a, top_b = self._top(layers)
        return hard_negatives(
            a, b, partners=partners, firings_b=fires, top_a=top_a, top_b=top_b, seed=self.captures.config.seed
        )

    def _overlap(self, layers: dict[str, int], a: np.ndarray, b: np.ndarray) -> list[int]:
        top_a, top_b = self._top(layers)
        return [len(set(x[x >= 0]) & set(y[y >= 0])) for x, y in zip(top_a[a], top_b[b], strict=True)]

    def _top(self, layers: dict[str, int]) -> list[np.ndarray]:
        return [self.captures.features(Source(s, REAL, layer)).token_codes for s, layer in layers.items()]

    def _bench(self, layers: dict[str, int]) -> "Bench":
        from congruence.function.substitution import Bench

        transfer, settings = self.transfer, self.settings
        pair = transfer.layer_pair(layers["a"], layers["b"])
        with one_blas_thread():
            fitted = fit_map(pair.fit, settings.map, penalty=transfer.settings.penalty)
        a, b = (self._ablator(side, layer) for side, layer in layers.items())
        within = [one.column[one.at] < settings.length for one in (a, b)]
        offsets = transfer.states.document_offsets
        document = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        ids, among = self._ids(), transfer.split.held & within[0] & within[1]
        return Bench(a, b, fitted, document, among, ids["a"], ids["b"], settings.contexts)

    def _ablator(self, side: str, layer: int) -> "Ablator":
        from congruence.function.positions import Ablator

        states, config = self.transfer.states, self.sides[side].config
        variant = self.captures.variant(side, REAL)
        known = variant.saes[layer]
        assert known is not None
        return Ablator(
            self.sides[side].model,
            states.tokens[side],
            read_at(variant.hooks[layer], config.hook_offset),
            known.load(),
            states.of_tokens(side, layer),
            states.last_tokens(side),
            self.captures.config.batch_tokens,
        )

    def _ids(self) -> dict[str, np.ndarray]:
        """The shared tokens that are most frequent in a's text, by side."""
        counts = np.bincount(self.transfer.states.tokens["a"].token_ids, minlength=self.tokens["a"].max() + 1)
        order = np.argsort(-counts[self.tokens["a"]], kind="stable")[: self.settings.vocabulary]
        return {side: ids[order] for side, ids in self.tokens.items()}

    def _width(self, side: str) -> int:
        return next(sae.d_in for sae in self.captures.variant(side, REAL).saes.values() if sae is not None)

    def _check(self, side: str) -> None:
        for sae in self.captures.variant(side, REAL).saes.values():
            if sae is None:
                raise ConfigError(f"function: substitution needs SAEs, and {side} has neurons: leave it out")
            if str((sae.about or {}).get("architecture") or "").endswith("transcoder"):
                raise ConfigError(
                    f"function: substitution takes features out where they are read, and {side} has "
                    "transcoders, which write elsewhere: leave it out"
                )
        check_head(self.captures, side)

    def _key(self, result: CellResult) -> list[Any]:
        """All that the rows of a layer pair follow from."""
        layers = {"a": result.summary["layer_a"], "b": result.summary["layer_b"]}
        states = [self.transfer.states.key(side, layer) for side, layer in layers.items()]
        saes = [self.captures.variant(side, REAL).saes.get(layer) for side, layer in layers.items()]
        keys = [None if sae is None else sae.key for sae in saes]
        models = [side.model.key for side in self.sides.values()]
        options = [asdict(self.settings), self.transfer.settings.penalty, self.captures.config.seed]
        return [VERSION, options, result.places, states, keys, models, *self.tokens.values()]
