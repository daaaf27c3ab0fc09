"""`function: logit_weights`: do paired features add to the logits of the same tokens?"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from congruence.errors import ConfigError
from congruence.function.logit_weights import LogitSpace, logit_agreement
from congruence.function.promoted import TOP, promoted
from congruence.function.quality import quality_curve
from congruence.hook_names import parse_hook_name
from congruence.progress import Progress
from congruence.run.captures import Captures
from congruence.run.columns import blank_row
from congruence.run.function_schema import FUNCTION
from congruence.run.grid import REAL, Source
from congruence.run.stored import CellResult
from congruence.storage.arrays import packed
from congruence.threads import side_by_side
from congruence.transfer import LogitWeightsSettings

logger = logging.getLogger(__name__)

VERSION = 1
PROMOTED = "promoted"
NAME = "logit_weights"
NOT_WRITTEN = ("mlp_in", "mlp_hidden", "attn_in", "attn_z")
"""Kinds of hook points whose vectors aren't added to the residual stream."""


class LogitStage:
    """Logit weights of the matched features of a run's layer pairs and of its ceilings.

    Args:
        captures: of the run.
        settings: what `function` says of it.

    Raises:
        ConfigError: a side has no SAEs, they don't write into the residual stream, or the vocabularies don't
            share tokens.
    """

    def __init__(self, captures: Captures, settings: LogitWeightsSettings) -> None:
        self.captures, self.settings = captures, settings
        self.sides = captures.sides
        for name, side in self.sides.items():
            _check(name, captures)
            logger.debug("logit weights of side %s: head of %s", name, side.model.name)
        self.tokens = shared_ids(captures)
        self.rows: list[dict[str, Any]] = []
        self.promoted: dict[str, str] = {}
        self._unembedded = cache(self._made_unembedding)
        self._strings = cache(self._made_strings)
        self._space = cache(self._made_space)
        self._one_at_a_time = Lock()

    def prepare(self, progress: Progress) -> None:
        """What models tell without pairs, while they are loaded: the tokens that each feature promotes, as
        pages show them beside a pair, and the products that agreement follows from."""
        wanted = [(side, layer) for side, opened in self.sides.items() for layer in opened.layers]
        for done, (side, layer) in enumerate(wanted):
            progress.advance("promoted tokens", done, len(wanted), "layers")
            self._keep_promoted(side, layer)
        progress.advance("promoted tokens", len(wanted), len(wanted), "layers")
        if self._unembedded.cache_info().currsize:  # what is finished needs no model again
            self._space("a", "b")
            for side in (side for side, opened in self.sides.items() if opened.other_seed):
                self._space(side, side)
        self._unembedded.cache_clear()
        self._strings.cache_clear()

    def compute(self, results: Sequence[CellResult], progress: Progress) -> list[CellResult]:
        """The cells with `logit_r` beside their matches; what is finished is read."""
        found = []
        for result, told in zip(results, side_by_side(self._told, results), strict=True):
            progress.advance("logit weights", len(found), len(results), "cells")
            found.append(result if told is None else self._cell(result, told))
        progress.advance("logit weights", len(results), len(results), "cells")
        self._space.cache_clear()
        self._unembedded.cache_clear()
        return found

    def finish(self, folder: Path) -> dict[str, Any]:
        """What run.json says of it."""
        more = {"tokens": len(self.tokens["a"]), PROMOTED: self.promoted}
        return {NAME: {**asdict(self.settings), **more}}

    def _keep_promoted(self, side: str, layer: int) -> None:
        known = self.captures.variant(side, REAL).saes[layer]
        of_sae = None if known is None else known.key
        key = [VERSION, TOP, of_sae, self.sides[side].model.key, self.tokens[side]]
        self.captures.memo.arrays(PROMOTED, key, partial(self._promoted, side, layer))
        self.promoted[Source(side, REAL, layer).name] = self.captures.memo.name(PROMOTED, key)

    def _promoted(self, side: str, layer: int) -> Mapping[str, np.ndarray]:
        found, weights = promoted(self.captures.decoder(side, REAL, layer), self._unembedded(side))
        used, codes = np.unique(found, return_inverse=True)
        words = [self._strings(side)[place] for place in used[used >= 0].tolist()]
        codes = codes.reshape(found.shape) - int((used < 0).any())
        return {"tokens": codes.astype(np.int32), "weights": weights.astype(np.float32), **packed(words)}

    def _told(self, result: CellResult) -> Mapping[str, np.ndarray] | None:
        """What there is to say of a cell; None of one that isn't asked."""
        control = result.summary["control"]
        if control not in ("none", "other_seed") or not len(result.matches):
            return None
        own = result.summary["control_side"]
        sides = [(own, REAL), (own, control)] if own else [("a", REAL), ("b", REAL)]
        compute = partial(self._agreement, result, sides)
        return self.captures.memo.arrays("logit-weights", self._key(result, sides), compute)

    def _cell(self, result: CellResult, told: Mapping[str, np.ndarray]) -> CellResult:
        kept = np.asarray(result.matches.kept, dtype=bool)
        curve, area = quality_curve(np.asarray(result.matches.r, dtype=float)[kept], told["r"][kept])
        value, mean, q95, share, p = told["told"].tolist()
        self.rows.append(
            blank_row(
                FUNCTION,
                **{name: result.summary[name] for name in ("control", "control_side", "layer_a", "layer_b")},
                question=NAME, n=int(np.isfinite(told["r"][kept]).sum()), value=value, null="re-paired",
                null_mean=mean, null_q95=q95, p=p, share=share, area=area, curve=curve,
                tokens=len(self.tokens["a"]),
                warnings=[] if np.isfinite(value) else ["fewer than two kept pairs have logit weights"],
            )
        )  # fmt: skip
        return replace(result, pairs=result.matches.assign(logit_r=told["r"]))

    def _agreement(self, result: CellResult, sides: Sequence[tuple[str, str]]) -> Mapping[str, np.ndarray]:
        layers = [result.summary["layer_a"], result.summary["layer_b"]]
        rows = [
            self.captures.decoder(side, name, layer)[np.asarray(result.matches[f"feature_{letter}"])]
            for (side, name), layer, letter in zip(sides, layers, "ab", strict=True)
        ]
        with self._one_at_a_time:  # a space is made by whoever is first
            space = self._space(sides[0][0], sides[1][0])
        found = logit_agreement(
            rows[0],
            rows[1],
            space,
            counted=np.asarray(result.matches.kept, dtype=bool),
            draws=self.settings.draws,
            seed=self.captures.config.seed,
        )
        mean = float(found.draws.mean()) if len(found.draws) else float("nan")
        return {"r": found.r, "told": np.array([found.value, mean, found.null_q95, found.share, found.p])}

    def _made_unembedding(self, side: str) -> np.ndarray:
        from congruence.function.unembedding import unembedding

        return unembedding(self.sides[side].model, self.tokens[side])

    def _made_strings(self, side: str) -> list[str]:
        from congruence.models import token_strings

        return token_strings(self.sides[side].model.tokenizer, self.tokens[side].tolist())

    def _made_space(self, first: str, second: str) -> LogitSpace:
        return LogitSpace.of(self._unembedded(first), self._unembedded(second))

    def _key(self, result: CellResult, sides: Sequence[tuple[str, str]]) -> list[Any]:
        layers = [result.summary["layer_a"], result.summary["layer_b"]]
        saes = [
            self.captures.variant(side, name).saes[layer]
            for (side, name), layer in zip(sides, layers, strict=True)
        ]
        models = [self.sides[side].model.key for side, _ in sides]
        ids = [self.tokens[side] for side in ("a", "b")]
        keys = [None if sae is None else sae.key for sae in saes]
        return [VERSION, asdict(self.settings), self.captures.config.seed, result.places, keys, models, ids]


def shared_ids(captures: Captures) -> dict[str, np.ndarray]:
    """Ids of the tokens that both vocabularies share, by side; kept, so that no tokenizer is loaded twice.

    Raises:
        ConfigError: they share too few.
    """
    from congruence.function.vocabulary import shared_tokens

    models = {name: side.model for name, side in captures.sides.items()}

    def compute() -> dict[str, np.ndarray]:
        found = shared_tokens(models["a"].tokenizer, models["b"].tokenizer)
        return {"a": found.a, "b": found.b}

    return dict(captures.memo.arrays("shared-tokens", [VERSION, *(m.key for m in models.values())], compute))


def check_head(captures: Captures, side: str) -> None:
    """Refuse a model that predicts no tokens; it is loaded once to see that.

    Raises:
        ModelError: in one line.
    """
    from congruence.models.edits import head_of

    model = captures.sides[side].model
    captures.memo.value("head", model.key, lambda: type(head_of(model)).__name__)


def _check(side: str, captures: Captures) -> None:
    variant = captures.variant(side, REAL)
    for layer in captures.sides[side].layers:
        hook = variant.hooks[layer]
        if variant.saes.get(layer) is None:
            raise ConfigError(f"function: logit_weights needs SAEs, and {side} has neurons: leave it out")
        point = parse_hook_name(hook)
        architecture = str((variant.saes[layer].about or {}).get("architecture") or "")
        if point is not None and point.kind in NOT_WRITTEN and not architecture.endswith("transcoder"):
            raise ConfigError(
                f"function: logit_weights needs features that write into the residual stream, and those of "
                f"{side} at {hook} don't: leave it out"
            )
    check_head(captures, side)
