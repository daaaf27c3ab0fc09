"""Shared, not shared, can't be told: how often the verdict on a feature is false, and how many are found."""

from typing import Any

import numpy as np

from congruence.matching.counterparts import best_r, counterparts_of_pair, over_layers
from congruence.rng import derive
from congruence.significance.verdicts import FDR, NOT_SHARED, SHARED, verdicts
from congruence.stats import prepare
from congruence.stats.occasions import occasions
from congruence.synthetic.study.pairing import KINDS
from congruence.synthetic.study.size import Size
from congruence.synthetic.study.task import Rows, Task, row, world_seed
from congruence.synthetic.world import World

PLANTED, MANY = "verdicts", "verdicts on many pairs"
SHARES = (0.0, 0.3, 0.5, 0.7, 0.9)
"""Planted shares of the many pairs, in turn, as their kinds are."""
WITH, WITHOUT = "with a ceiling", "without"
DRAWS = 5


def planted(features: int) -> dict[str, float]:
    """Pairs of models that have to be told apart, by the share of features they have in common."""
    return {
        "rotated copy": 1.0,
        "copy with one feature swapped": 1 - 1 / features,
        "30 % replaced": 0.7,
        "independent": 0.0,
    }


def tasks(size: Size) -> list[Task]:
    """The four planted pairs of models, and many pairs of all kinds and shares."""
    found = []
    settings = {"draws": DRAWS, "fdr": FDR}
    for number in range(size.worlds):
        for name, share in planted(size.features).items():
            options = _options(size, PLANTED, name, number) | {"shared": share}
            found.append(Task(PLANTED, name, options, settings, verdicts_on))
    kinds = list(KINDS)
    for number in range(size.verdict_worlds):
        kind = kinds[number % len(kinds)]
        options = _options(size, MANY, number) | KINDS[kind]
        options["shared"] = SHARES[number // len(kinds) % len(SHARES)]
        found.append(Task(MANY, kind, options, settings, verdicts_on))
    return found


def _options(size: Size, *path: str | int) -> dict[str, Any]:
    return {"features": size.features, "tokens": size.tokens, "seed": world_seed(size.seed, *path)}


def verdicts_on(world: World) -> Rows:
    """False discoveries and finds of both claims, over the features of both models."""
    models = world.models
    acts = [prepare(model.acts(), document_offsets=world.document_offsets) for model in models]
    rng = derive(world.options.seed, "verdicts")
    pair = counterparts_of_pair(*acts, draws=DRAWS, rng=rng)
    said: dict[str, list[np.ndarray]] = {WITH: [], WITHOUT: []}
    truth = []
    for number, side in enumerate("ab"):
        live = np.flatnonzero(acts[number].moments.firings)
        found = over_layers([pair], side)
        again = prepare(models[number].another_reading().acts())
        ceiling = best_r([counterparts_of_pair(acts[number], again, draws=0, rng=rng)], "a")[live]
        truth.append(world.truth.is_shared(number)[live])
        for setting, known in ((WITH, ceiling), (WITHOUT, None)):
            told = verdicts(
                found.r[live],
                found.null[:, live],
                firings=acts[number].moments.firings[live],
                occasions=occasions(acts[number], world.document_offsets)[live],
                mutual=found.mutual[live],
                ceiling=known,
            )
            said[setting].append(told.verdict)
    shared = np.concatenate(truth)
    return [one for setting, told in said.items() for one in _judged(setting, np.concatenate(told), shared)]


def _judged(setting: str, verdict: np.ndarray, shared: np.ndarray) -> Rows:
    found = []
    for claim, true in ((SHARED, shared), (NOT_SHARED, ~shared)):
        claimed = verdict == claim
        false = claimed & ~true
        found.append(row(claim, setting, "said of", claimed.mean()))
        found.append(row(claim, setting, "false among them", false.sum() / max(1, claimed.sum())))
        if true.any():
            found.append(row(claim, setting, "found", claimed[true].mean()))
    return found
