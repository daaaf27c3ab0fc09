"""`permutation_test`: a score against draws of a named null."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from congruence.errors import InputError
from congruence.metrics.inputs import choice, whole_number
from congruence.nulls.permutations import check_draws, seed_of
from congruence.nulls.registry import NULLS, Null, Setting
from congruence.nulls.scorer import scorer_for
from congruence.records import Alternative, NullTest
from congruence.significance.summary import ALTERNATIVES, at_least, summarise

BLOCK_NUMBERS = 8_000_000


def permutation_test(
    metric: str | Callable[..., Any],
    x: ArrayLike,
    y: ArrayLike,
    *,
    null: str = "pairing",
    draws: int = 1000,
    rng: int | np.random.Generator,
    alternative: Alternative = "greater",
    stop_after: int | None = None,
    **options: Any,
) -> NullTest:
    """Test one score against a named null.

    p = (1 + b) / (1 + m), b of the m draws at least as extreme as the observed score. Draw d depends on
    the seed and d alone: tests with one seed are synchronised, as max-T over a grid needs.

    Args:
        metric: a registered measure, by name or function (with its fast re-pairing), or any callable
            ``f(x, y, **options)`` of two float64 arrays whose value converts to float.
        x: (n, d_a) rows of side A.
        y: (n, d_b) rows of side B, row i paired with row i of x.
        null: a registered null.
        draws: number of null scores.
        rng: a seed, or a generator from which one is drawn.
        alternative: "greater" (more alike than chance), "less" or "two-sided".
        stop_after: stop once this many draws are at least as extreme; then p is their share of the draws
            made, which is valid (Besag and Clifford 1991). Not for max-T, and one-sided only.
        **options: those of the null by name (see `NULLS`), the rest are the measure's.

    Returns:
        NullTest; `.score` holds the full record of the observed score.

    Raises:
        InputError: bad input, draws below 1, an unknown or missing option, or a NaN score.
        ConfigError: an unknown measure or null.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(50, 8))
    >>> permutation_test("rsa", x, x[:, :6], draws=99, rng=0).p
    0.01
    """
    draws, seed = check_draws(draws), seed_of(rng)
    choice("alternative", alternative, ALTERNATIVES)
    if stop_after is not None:
        _check_stop(stop_after, alternative)
    entry = NULLS.get(null)
    inputs, options = _split_options(entry, options)
    scorer = scorer_for(metric, options)
    if entry.repairs and not scorer.pairing:
        raise InputError(
            f"{scorer.name} doesn't depend on the pairing, so null={null!r} can't test it: use 'subset'"
        )
    prepared = scorer.prepare(x, y)
    setting = Setting(scorer, prepared, seed)
    observed = prepared.observed()
    blocks = (entry.draw(setting, numbers, **inputs) for numbers in _blocks(draws, prepared.n, stop_after))
    scores, p = _collect(blocks, float(observed), alternative, stop_after, prepared.resolution)
    return summarise(
        observed,
        scores,
        measure=scorer.name,
        null=null,
        alternative=alternative,
        seed=seed,
        resolution=prepared.resolution,
        p=p,
    )


def _check_stop(stop_after: Any, alternative: Alternative) -> None:
    whole_number("stop_after", stop_after, low=1)
    if alternative == "two-sided":
        raise InputError(f"stop_after={stop_after} needs a one-sided alternative: use 'greater' or 'less'")


def _split_options(entry: Null, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The null's inputs and the measure's options."""
    missing = [name for name in entry.needs if options.get(name) is None]
    if missing:
        raise InputError(
            f"null {entry.name!r} needs {', '.join(missing)}: pass {missing[0]}=... to permutation_test"
        )
    own = (*entry.needs, *entry.takes)
    inputs = {name: value for name, value in options.items() if name in own}
    return inputs, {name: value for name, value in options.items() if name not in own}


def _blocks(draws: int, n: int, stop_after: int | None) -> Iterator[range]:
    """Ranges of draws, small enough to hold their permutations."""
    size = max(1, BLOCK_NUMBERS // n) if stop_after is None else min(100, max(1, BLOCK_NUMBERS // n))
    for start in range(0, draws, size):
        yield range(start, min(start + size, draws))


def _collect(
    blocks: Iterator[Float[np.ndarray, " b"]],
    observed: float,
    alternative: Alternative,
    stop_after: int | None,
    resolution: float,
) -> tuple[Float[np.ndarray, " m"], float | None]:
    """All null scores, or those up to the draw at which enough were extreme, with the p that goes with it."""
    if stop_after is None:
        return np.concatenate(list(blocks)), None
    sign = 1.0 if alternative == "greater" else -1.0
    scores = np.empty(0)
    for block in blocks:
        scores = np.concatenate([scores, block])
        tie = resolution * max(abs(observed), float(np.abs(scores).max()))
        extreme = np.flatnonzero(at_least(sign * scores, sign * observed, tie))
        if len(extreme) >= stop_after:
            used = int(extreme[stop_after - 1]) + 1
            return scores[:used], stop_after / used
    return scores, None
