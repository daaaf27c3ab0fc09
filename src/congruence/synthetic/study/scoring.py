"""What measures say of a planted share, how that varies between worlds, and p where nothing is shared."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from congruence.errors import InputError
from congruence.matching import match
from congruence.metrics import METRICS, DecoderRows, Measure, is_answerable
from congruence.nulls import Case, make_null
from congruence.nulls.document_shift import starts_of
from congruence.records import Matching
from congruence.rng import derive, derive_seed
from congruence.significance.scoring import Observed, against_null
from congruence.stats import prepare, rolled
from congruence.synthetic.study.size import Size
from congruence.synthetic.study.task import Rows, Task, row, world_seed
from congruence.synthetic.world import World

KNOWN, FOUND = "true pairs", "found pairs"
NOISE: dict[str, Any] = {"direction_noise": 0.3}
"""Shared directions agree to a cosine of about .92 between models, as in no two models they are equal."""
REPAIRED = ("pairing", "firing_rate")
SHIFTED = ("pc1_correlation", "rsa", "linear_cka", "procrustes", "translation_accuracy")
"""Measures that are held against document_shift: each draw pairs anew, so the study takes five."""
NULL_FEATURES, NULL_TOKENS = 120, 6000


def tasks(size: Size) -> list[Task]:
    """Curves over the planted share, 50 % against 60 %, and worlds with nothing shared."""
    found = []
    for rotate in (True, False):
        labels = [measure.label for measure in measures(rotate=rotate)]
        settings = {"measures": labels}
        kind = "rotated" if rotate else "one space"
        for share in size.shares:
            for number in range(size.curve_worlds):
                options = _options(
                    size, "curve", number, rotate=rotate, shared=share, features=size.curve_features
                )
                found.append(Task("share", kind, options, settings, scores_on))
        for pairs in size.power_pairs:
            for share in (0.5, 0.6):
                for number in range(size.power_worlds):
                    path = ("power", pairs, f"{share}", number)
                    options = _options(size, *path, rotate=rotate, shared=share, features=pairs)
                    found.append(Task(f"50 or 60 % of {pairs}", kind, options, settings, scores_on))
    for number in range(size.null_worlds):
        options = _options(size, "null", number, shared=0.0, features=NULL_FEATURES, tokens=NULL_TOKENS)
        settings = {"draws": size.null_draws, "measures": [m.label for m in measures(rotate=True)]}
        settings |= {"nulls": REPAIRED, "shifted": SHIFTED}
        found.append(
            Task("nothing shared", "rotated", options, settings, lambda world: p_on(world, size.null_draws))
        )
    return found


def _options(size: Size, *path: str | int, **options: Any) -> dict[str, Any]:
    tokens = min(size.tokens, 10_000)
    return {"tokens": tokens, "seed": world_seed(size.seed, *path)} | NOISE | options


def measures(*, rotate: bool) -> list[Measure]:
    """Every measure at its defaults, and svcca as a run takes it; those of one space where there is one."""
    every = [METRICS.get(name).bind() for name in METRICS]
    every.append(METRICS.get("svcca").bind(n_components="n/10"))
    return [measure for measure in every if measure.laws.same_width is not rotate]


def scores_on(world: World) -> Rows:
    """Every measure of the true pairs (those of no partner at random), and of the pairs that are found."""
    found = []
    matching = _found(world)
    for setting, (a, b) in {
        KNOWN: true_pairs(world),
        FOUND: (matching.feature_a, matching.feature_b),
    }.items():
        rows = world.models[0].W_dec[a], world.models[1].W_dec[b]
        found.append(row("(pairs)", setting, "right", world.truth.are_partners(a, b).mean()))
        for measure in measures(rotate=world.options.rotate):
            found.append(row(measure.label, setting, "score", _score(measure, *rows)))
    return found


def true_pairs(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Every feature of A with its partner; those without one with a random one of B's own."""
    shared = world.truth.pairs()
    own_a, own_b = (np.flatnonzero(~world.truth.is_shared(model)) for model in (0, 1))
    own_b = derive(world.options.seed, "strangers").permutation(own_b)[: len(own_a)]
    return np.concatenate([shared[:, 0], own_a]), np.concatenate([shared[:, 1], own_b])


def _found(world: World) -> Matching:
    return match(*(model.acts() for model in world.models), method="one_to_one")


def _score(measure: Measure, x: np.ndarray, y: np.ndarray) -> float:
    try:
        return float(measure(x, y))
    except InputError:
        return float("nan")


def p_on(world: World, draws: int) -> Rows:
    """p of every measure under each null, of the pairs found in a world where nothing is shared."""
    acts = [prepare(model.acts(), document_offsets=world.document_offsets) for model in world.models]
    matching = match(*acts, method="one_to_one")
    rows = tuple(model.W_dec for model in world.models)
    case = _case(acts, matching, rows, world)
    pairs = rows[0][matching.feature_a], rows[1][matching.feature_b]
    observed = [
        one
        for measure in measures(rotate=True)
        if measure.laws.pairing and (one := _observed(measure, *pairs)) is not None
    ]
    shifted = [one for one in observed if one.measure.label in SHIFTED]
    found = []
    for null, tested in [*((name, observed) for name in REPAIRED), ("document_shift", shifted)]:
        tests = against_null(tested, case, make_null(null), draws=draws)
        found += [row(one.measure.label, null, "p", test.p) for one, test in zip(tested, tests, strict=True)]
    return found


def _observed(measure: Measure, x: np.ndarray, y: np.ndarray) -> Observed | None:
    try:
        one = Observed.of(measure, x, y)
    except InputError:
        return None
    return one if np.isfinite(one.score.value) and is_answerable(one.prepared) else None


def _case(acts: Sequence[Any], matching: Matching, rows: tuple[np.ndarray, ...], world: World) -> Case:
    def pair_shifted(start: int) -> tuple[np.ndarray, np.ndarray]:
        again = match(acts[0], rolled(acts[1], -start), method="one_to_one")
        again = again.select(np.sort(np.argsort(-again.r, kind="stable")[: len(matching)]))
        return again.feature_a, again.feature_b

    return Case(
        n=len(matching),
        seed=derive_seed(world.options.seed, "null"),
        rows=(DecoderRows(rows[0]), DecoderRows(rows[1])),
        pairs=(matching.feature_a, matching.feature_b),
        rates=matching.firings_b.astype(float),
        starts=starts_of(acts[1], world.document_offsets),
        pair_shifted=pair_shifted,
    )
