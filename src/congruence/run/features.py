"""The verdict on every feature of a run: its best partner over all layers, chance, ceiling, presence."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from congruence.config.sections import VerdictsConfig
from congruence.matching.counterparts import Arrays, best_r, counterparts_of_pair, over_layers
from congruence.progress import Progress, Silent
from congruence.rng import derive
from congruence.run.captures import Captures
from congruence.run.columns import blank, typed
from congruence.run.concept_stage import ConceptStage, document_offsets_of
from congruence.run.grid import Source
from congruence.run.presence import MOST, Looked, judge, look
from congruence.run.schema import FEATURES
from congruence.run.tables import write_table
from congruence.sides.crosscoder import is_by_crosscoder
from congruence.sides.variants import REAL
from congruence.significance.verdicts import (
    NOT_SHARED,
    VERDICTS,
    design_effect,
    share_interval,
    verdicts,
)
from congruence.stats.occasions import occasions
from congruence.threads import side_by_side

logger = logging.getLogger(__name__)

VERSION = 1
TABLE = "features.parquet"
OTHER = {"a": "b", "b": "a"}
_ALL = -1


@dataclass(eq=False)
class FeatureStage:
    """What a run does for `verdicts:`; each pair of layers is kept under a key of its own.

    Attributes:
        captures: of the run, everything captured.
        config: the section; None where nothing is asked for.
        none: why there are no verdicts; "" where there are.
        concepts: the run's, for what each feature belongs to.
        seconds: spent, for the record.
    """

    captures: Captures
    config: VerdictsConfig | None
    none: str = ""
    concepts: ConceptStage | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, captures: Captures, concepts: ConceptStage | None) -> "FeatureStage":
        """The stage of a run; it says why where it has nothing to do."""
        config, none = captures.config.verdicts, ""
        if config is None:
            none = "verdicts is false in its configuration"
        elif is_by_crosscoder(captures.config):
            none = "a crosscoder's features are the same on both sides"
        elif _documents(captures) < 2:
            none = "its text is one document, which can't be shifted against itself"
        return cls(captures, None if none else config, none, concepts)

    def compute(self, progress: Progress) -> None:
        """Correlate what isn't correlated yet: every pair of layers, and of each side's own SAEs."""
        if self.config is None:
            return
        started = time.perf_counter()
        wanted = [(a, b, True) for a in self._sources("a") for b in self._sources("b")]
        wanted += [(mine, own, False) for side in OTHER for mine, own in self._own(side)]
        progress.advance("look for counterparts", 0, len(wanted), "pairs")
        done = 0
        for small, some in groupby(wanted, lambda pair: self.captures.in_memory(*pair[:2])):
            most = 2 if small else 1  # each has a rolled copy of a layer beside the layers themselves
            for _ in side_by_side(lambda pair: self._pair(*pair[:2], shifted=pair[2]), some, most=most):
                done += 1
                progress.advance("look for counterparts", done, len(wanted), "pairs")
        sources = [source for side in OTHER for source in self._sources(side)]
        for _ in side_by_side(self._occasions, sources):
            pass
        for source in sources if self.concepts is not None else []:
            self._members(source)
        self.seconds["verdicts"] = time.perf_counter() - started
        if self.config.presence:
            started = time.perf_counter()
            for side in OTHER:
                self._look(side, self._side(side), progress)
            self.captures.let_go()
            self.seconds["presence"] = time.perf_counter() - started

    def finish(self, folder: Path) -> dict[str, Any]:
        """Write features.parquet into a run's folder; what run.json says of it."""
        if self.config is None:
            return {"verdicts": {"none": self.none}}
        sides = {side: self._side(side) for side in OTHER}
        if self.config.presence:
            sides = {side: self._with_presence(side, rows) for side, rows in sides.items()}
        for rows in sides.values():
            rows["top_tokens"] = self._top_tokens(rows)
            rows["concepts"] = self._concepts_of(rows)
        table = pd.concat(sides.values(), ignore_index=True)
        write_table(typed(table, FEATURES), FEATURES, folder / TABLE)
        for side in OTHER:
            counted = table[table.side == side].verdict.value_counts()
            logger.info("verdicts on features of %s: %s", side, counted.to_dict())
        return {"verdicts": {"draws": self.draws, "shares": self._shares(table)}}

    @property
    def draws(self) -> int:
        """Shifts of the text: no more than there are documents to shift by."""
        assert self.config is not None
        return min(self.config.draws, _documents(self.captures) - 1)

    def _sources(self, side: str) -> list[Source]:
        return [Source(side, REAL, layer) for layer in self.captures.sides[side].layers]

    def _own(self, side: str) -> list[tuple[Source, Source]]:
        """Pairs of SAEs of one model that are held against each other for ceilings."""
        seeds = list(self.captures.sides[side].other_seed)
        found = [(Source(side, REAL, layer), Source(side, "other_seed", layer)) for layer in seeds]
        every = self._sources(side)
        return found + [
            (first, second)
            for place, first in enumerate(every)
            for second in every[place + 1 :]
            if first.layer not in seeds or second.layer not in seeds
        ]

    def _pair(self, a: Source, b: Source, *, shifted: bool) -> Arrays:
        draws = self.draws if shifted else 0
        key = [VERSION, self.captures.key(a), self.captures.key(b), draws, self.captures.config.seed]

        def correlate() -> dict[str, np.ndarray]:
            first, second = (self.captures.features(source).acts for source in (a, b))
            rng = derive(self.captures.config.seed, "counterparts")
            return counterparts_of_pair(first, second, draws=draws, rng=rng)

        return self.captures.memo.arrays("counterparts", key, correlate)

    def _occasions(self, source: Source) -> Arrays:
        def count() -> dict[str, np.ndarray]:
            layer = self.captures.features(source)
            return {
                "firings": np.asarray(layer.acts.moments.firings, np.int64),
                "occasions": occasions(layer.acts, layer.document_offsets),
            }

        return self.captures.memo.arrays("occasions", [VERSION, self.captures.key(source)], count)

    def _pairs_of(self, source: Source) -> list[Arrays]:
        """Of one layer with every layer of the other side, in order."""
        if source.side == "a":
            return [self._pair(source, other, shifted=True) for other in self._sources("b")]
        return [self._pair(other, source, shifted=True) for other in self._sources("a")]

    def _ceiling(self, source: Source) -> tuple[np.ndarray | None, str]:
        """(f,) best r in another seed's SAE at this layer, else in the SAEs of the side's other layers."""
        held = [
            (self._pair(a, b, shifted=False), "a" if a == source else "b", b.variant)
            for a, b in self._own(source.side)
            if source in (a, b)
        ]
        seeds = [(pair, at) for pair, at, variant in held if variant != REAL]
        chosen = seeds or [(pair, at) for pair, at, _ in held]
        if not chosen:
            return None, ""
        return np.fmax.reduce([best_r([pair], at) for pair, at in chosen]), "seed" if seeds else "layers"

    def _side(self, side: str) -> pd.DataFrame:
        """The rows of one side, every layer's living features in order."""
        assert self.config is not None
        layers = [self._layer(source) for source in self._sources(side)]
        columns = {name: np.concatenate([one[name] for one, _ in layers]) for name in layers[0][0]}
        null = np.concatenate([drawn for _, drawn in layers], axis=1)
        found = verdicts(
            columns["r"],
            null,
            firings=columns["firings"],
            occasions=columns["occasions"],
            mutual=columns["mutual"],
            ceiling=columns["ceiling"],
            layer=columns["layer"],
            share=self.config.share,
            fdr=self.config.fdr,
        )
        self._null[side] = null
        shown = {name: getattr(found, name) for name in _TESTED}
        rows = pd.DataFrame({**columns, **shown, "side": side})
        for column in FEATURES:
            if column.name not in rows:
                rows[column.name] = pd.Series([blank(column)] * len(rows), dtype=object)
        return rows

    @cached_property
    def _null(self) -> dict[str, np.ndarray]:
        return {}

    def _layer(self, source: Source) -> tuple[dict[str, np.ndarray], np.ndarray]:
        found = over_layers(self._pairs_of(source), source.side)
        counted = self._occasions(source)
        live = np.flatnonzero(counted["firings"])
        others = np.asarray([other.layer for other in self._sources(OTHER[source.side])])
        ceiling, of = self._ceiling(source)
        ceiling = np.full(len(found.r), np.nan) if ceiling is None else ceiling
        place = found.place[live]
        columns = {
            "layer": np.full(len(live), source.layer),
            "feature": live,
            "firings": counted["firings"][live],
            "occasions": counted["occasions"][live],
            "partner_layer": np.where(place >= 0, others[place], -1),
            "partner": found.feature[live],
            "r": found.r[live],
            "cofirings": found.cofirings[live],
            "mutual": found.mutual[live],
            "ceiling": ceiling[live],
            "ceiling_of": np.full(len(live), of, dtype=object),
        }
        return columns, found.null[:, live]

    def _chosen(self, side: str, rows: pd.DataFrame) -> dict[Source, np.ndarray]:
        """Features that are looked for in states: all that aren't shared, others at random up to MOST."""
        found = {}
        for source in self._sources(side):
            mine = rows[rows.layer == source.layer]
            lacking = (mine.verdict == NOT_SHARED).to_numpy()
            rank = derive(self.captures.config.seed, "presence", source.name).random(len(mine))
            order = np.lexsort((rank, ~lacking))[: max(MOST, int(lacking.sum()))]
            found[source] = np.sort(mine.feature.to_numpy()[order])
        return found

    def _look(self, side: str, rows: pd.DataFrame, progress: Progress) -> tuple[np.ndarray, Looked]:
        """Rows of the chosen features, and what is found of them."""
        chosen = self._chosen(side, rows)
        looked = look(self.captures, side, chosen, progress)
        at = [
            np.flatnonzero((rows.layer == source.layer) & rows.feature.isin(features))
            for source, features in chosen.items()
        ]
        return np.concatenate(at), looked

    def _with_presence(self, side: str, rows: pd.DataFrame) -> pd.DataFrame:
        assert self.config is not None
        at, looked = self._look(side, rows, Silent())
        presence, q, point = judge(
            looked,
            firings=rows.firings.to_numpy()[at],
            occasions=rows.occasions.to_numpy(dtype=np.float64)[at],
            share=self.config.share,
            fdr=self.config.fdr,
        )
        columns = {
            "readout": looked.r, "readout_layer": looked.layer, "readout_null": point, "readout_q": q,
            "readout_ceiling": looked.own, "scaling": looked.scaling, "scaling_error": looked.error,
            "presence": presence,
        }  # fmt: skip
        for name, values in columns.items():
            rows.loc[at, name] = values
        return rows

    def _top_tokens(self, rows: pd.DataFrame) -> list[list[str]]:
        found: list[list[str]] = []
        for source in self._sources(rows.side.iloc[0]):
            mine = rows.feature[rows.layer == source.layer].to_numpy()
            found += self.captures.features(source).top_token_strings(mine)
        return found

    def _concepts_of(self, rows: pd.DataFrame) -> list[list[str]]:
        found: list[list[str]] = [[] for _ in range(len(rows))]
        if self.concepts is None:
            return found
        for source in self._sources(rows.side.iloc[0]):
            at = dict(zip(*_places(rows, source.layer), strict=True))
            for name, members in self._members(source).items():
                for feature in members.tolist():
                    if feature in at:
                        found[at[feature]].append(name)
        return found

    def _members(self, source: Source) -> Mapping[str, np.ndarray]:
        """Features of each single concept at a layer; words are looked up once for a text."""
        concepts = self.concepts
        assert concepts is not None
        key = [VERSION, self.captures.key(source), concepts.key_parts(), self.captures.config.seed]

        def members() -> dict[str, np.ndarray]:
            layer = concepts.layer(source).concepts
            semantic = [one.name for one in concepts.text.subspaces.values() if one.kind == "semantic"]
            return {name: np.asarray(layer.members(name).features, np.int64) for name in semantic}

        return self.captures.memo.arrays("concept-members", key, members)

    def _shares(self, table: pd.DataFrame) -> list[dict[str, Any]]:
        """Counts and shares with intervals: of all, of each layer, of each concept."""
        found = []
        for side in OTHER:
            mine = table[table.side == side].reset_index(drop=True)
            null = self._null[side]
            groups: list[tuple[int, str, np.ndarray]] = [(_ALL, "all", np.ones(len(mine), bool))]
            groups += [(int(layer), "all", (mine.layer == layer).to_numpy()) for layer in mine.layer.unique()]
            names = dict.fromkeys(name for of_feature in mine.concepts for name in of_feature)
            groups += [(_ALL, name, np.asarray([name in one for one in mine.concepts])) for name in names]
            for layer, concept, chosen in groups:
                design = design_effect(null[:, chosen])
                found += _share_rows(side, layer, concept, mine.verdict[chosen], design)
        return found


_TESTED = ("verdict", "reason", "null_r", "p", "q", "p_lacking", "q_lacking")


def _documents(captures: Captures) -> int:
    """Documents that hold any row."""
    return len(np.unique(document_offsets_of(captures.text))) - 1


def _places(rows: pd.DataFrame, layer: int) -> tuple[Sequence[int], Sequence[int]]:
    mine = rows[rows.layer == layer]
    return mine.feature.tolist(), mine.index.tolist()


def _share_rows(side: str, layer: int, concept: str, verdict: Any, design: float) -> list[dict[str, Any]]:
    counts, features = verdict.value_counts(), len(verdict)
    rows = []
    for name in VERDICTS:
        count = int(counts.get(name, 0))
        low, high = share_interval(count, features, design)
        rows.append({
            "side": side, "layer": layer, "concept": concept, "verdict": name, "features": features,
            "count": count, "share": count / features if features else None, "low": low, "high": high,
            "design": design,
        })  # fmt: skip
    return rows
