"""`permutation_test`: a score against draws of a named null; and the same on every cell of a grid."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from congruence.errors import InputError, quoted
from congruence.matching.subsets import Ragged
from congruence.metrics import METRICS
from congruence.metrics.inputs import whole_number
from congruence.metrics.own import FunctionMeasure
from congruence.nulls import NULLS, Case, Null, make_null, seed_of
from congruence.nulls.document_shift import rotated, starts_of
from congruence.nulls.permutations import check_draws
from congruence.options import choice
from congruence.records import Alternative, NullTest, PairLists
from congruence.significance.scoring import Observed, against_null
from congruence.significance.summary import ALTERNATIVES

_ARGUMENTS = {
    "rows": ("spaces",),
    "pair_inside": ("rematch", "pools", "min_pairs"),
    "pair_shifted": ("acts", "pair"),
    "starts": ("document_offsets",),
}
"""The arguments that a fact of a case is made from, the one that can't be left out first."""


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
    the seed and d alone: tests with one seed are synchronised, as max-T over a grid needs. A draw that gives
    no score counts as extreme.

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
        **options: those of the null, and what it draws from; the rest are the measure's. firing_rate: rates
            (n,), strata. subset: spaces (two matrices of all rows), sizes, rematch (the matcher inside two
            sets of rows), pools, min_pairs. document_shift: acts, spaces, pair (the matcher),
            document_offsets. random_model, other_seed: rerun (a function of a generator, or a sequence,
            of (x, y)).

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
    of_null, of_case, of_measure = _sorted_options(null, options)
    measure = measure_of(metric, of_measure)
    if NULLS.get(null).repairs and not measure.laws.pairing:
        raise InputError(
            f"{measure.name} doesn't depend on the pairing: null={quoted(null)} can't test it: use 'subset'"
        )
    observed = Observed.of(measure, x, y)
    case = _case(observed.prepared.n, seed, of_case)
    chosen = make_null(null, **of_null)
    _check_facts(chosen, case)
    return against_null(
        [observed], case, chosen, draws=draws, alternative=alternative, stop_after=stop_after
    )[0]


def _sorted_options(
    null: str, options: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The options of the null, what it draws from, and the rest, which are the measure's."""
    entry = NULLS.get(null)
    own = {field.name for field in fields(entry)}  # pyright: ignore[reportArgumentType]
    taken = {argument for fact in entry.needs for argument in _ARGUMENTS.get(fact, (fact,))} - own
    known = own | taken
    return (
        {name: value for name, value in options.items() if name in own},
        {name: value for name, value in options.items() if name in taken},
        {name: value for name, value in options.items() if name not in known},
    )


def test_cells(
    metric: str | Callable[..., Any],
    cells: Iterable[tuple[ArrayLike, ArrayLike]],
    *,
    rng: int | np.random.Generator,
    **options: Any,
) -> list[NullTest]:
    """`permutation_test` on each (x, y), all from one seed, ready for ``adjust(results, "max_t")``.

    Draw d is the same re-pairing in all cells of one size, and nearly the same in cells of nearly one
    size (see `permutations_for`). Calling `permutation_test` cell by cell, in any order or process, with
    the same integer seed gives the same results.

    Args:
        metric: as for `permutation_test`.
        cells: (x, y) of each cell.
        rng: a seed, or a generator from which one is drawn.
        **options: as for `permutation_test`.

    Returns:
        One NullTest a cell, in order.
    """
    seed = seed_of(rng)
    return [permutation_test(metric, x, y, rng=seed, **options) for x, y in cells]


test_cells.__test__ = False  # pyright: ignore[reportFunctionMemberAccess] (or pytest would collect it)


def measure_of(metric: str | Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """The measure of a registered name, a registered function, or any callable ``f(x, y, **options)``.

    Raises:
        ConfigError: the name isn't registered.
        InputError: `metric` is neither a name nor callable, or doesn't take one of the options.
    """
    name = metric if isinstance(metric, str) else getattr(metric, "name", getattr(metric, "__name__", ""))
    if isinstance(metric, str) or (name in METRICS and _is_registered(metric, name)):
        entry = METRICS.get(name)
        known = [field.name for field in fields(entry.measure)]
        unknown = [option for option in options if option not in known]
        if unknown:
            raise InputError(
                f"{unknown[0]}={quoted(options[unknown[0]])} is an option neither of {name} (which takes "
                f"{', '.join(known) or 'none'}) nor of this null: leave it out, or name the null it "
                f"belongs to"
            )
        return entry.bind(**options)
    if not callable(metric):
        raise InputError(f"metric={quoted(metric)}: pass a registered name or a function of x and y")
    return FunctionMeasure(function=metric, chosen=dict(options))


def _is_registered(metric: Any, name: str) -> bool:
    entry = METRICS.get(name)
    return metric is entry or metric is entry.function


def _case(n: int, seed: int, given: Mapping[str, Any]) -> Case:
    """What the arguments of `permutation_test` say of a case."""
    rows = given.get("spaces")
    made = {argument for arguments in _ARGUMENTS.values() for argument in arguments}
    facts: dict[str, Any] = {name: value for name, value in given.items() if name not in made}
    if rows is not None:
        facts["rows"] = tuple(np.asarray(space) for space in rows)
    if given.get("pools") is not None:
        facts["pools"] = tuple(given["pools"])
    if "rematch" in given:
        facts["pair_inside"] = _each_rematched(given["rematch"])
    if "acts" in given and "pair" in given:
        acts_a, acts_b = given["acts"]
        facts["starts"] = starts_of(acts_b, given.get("document_offsets"))
        facts["pair_shifted"] = cache(
            lambda start: _paired_features(given["pair"](acts_a, rotated(acts_b, start)))
        )
    return Case(n, seed, min_pairs=given.get("min_pairs", 3), **facts)


def _each_rematched(rematch: Callable[..., Any]) -> Callable[[Ragged, Ragged], PairLists]:
    def pair_inside(subsets_a: Ragged, subsets_b: Ragged) -> PairLists:
        return PairLists.of([rematch(a, b) for a, b in zip(subsets_a, subsets_b, strict=True)])

    return pair_inside


def _paired_features(found: Any) -> tuple[np.ndarray, np.ndarray]:
    return (found.feature_a, found.feature_b) if hasattr(found, "feature_a") else found


def _check_facts(null: Null, case: Case) -> None:
    missing = [_ARGUMENTS.get(fact, (fact,))[0] for fact in null.missing(case)]
    if missing:
        raise InputError(
            f"null {null.name!r} needs {', '.join(missing)}: pass {missing[0]}=... to permutation_test"
        )


def _check_stop(stop_after: Any, alternative: Alternative) -> None:
    whole_number("stop_after", stop_after, low=1)
    if alternative == "two-sided":
        raise InputError(f"stop_after={stop_after} needs a one-sided alternative: use 'greater' or 'less'")
