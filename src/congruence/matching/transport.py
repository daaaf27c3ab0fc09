"""Entropic optimal transport between two small sets of features."""

import logging
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt
from jaxtyping import Float

from congruence.errors import InputError
from congruence.matching.pairs import SimilarityMatrix, matching_of
from congruence.matching.registry import MATCHERS
from congruence.records import Matching
from congruence.stats import correlate, prepare_pair

log = logging.getLogger(__name__)

_CELLS = 1 << 25


def transport_plan(
    similarity: Float[np.ndarray, "f g"],
    *,
    epsilon: float = 0.05,
    tolerance: float = 1e-6,
    max_iterations: int = 5_000,
) -> Float[np.ndarray, "f g"]:
    """The plan P >= 0, rows summing to 1/f and columns to 1/g, that maximises <P, S> + epsilon * entropy(P).

    Sinkhorn's iteration on logarithms (Cuturi 2013), stable for any epsilon; what is missing to the margins
    at the end is made up as in Altschuler, Weed & Rigollet 2017.

    Args:
        similarity: (f, g) S.
        epsilon: weight of the entropy, in units of similarity; towards 0 the plan becomes an assignment, and
            takes more iterations.
        tolerance: stop when no row sum is off by more than this share.
        max_iterations: stop anyway, and say so in the log.

    Raises:
        InputError: epsilon isn't positive.
    """
    if not epsilon > 0:
        raise InputError(f"epsilon is {epsilon}: give a positive number, such as 0.05")
    f, g = similarity.shape
    kernel = similarity / epsilon
    log_a, log_b, off = np.zeros(f), np.zeros(g), np.inf
    for _ in range(max_iterations):
        log_b = -np.log(g) - _log_sum(kernel + log_a[:, None], axis=0)
        rows = _log_sum(kernel + log_b, axis=1)
        off = np.abs(np.expm1(rows + log_a + np.log(f))).max()
        if off <= tolerance:
            break
        log_a = -np.log(f) - rows
    else:
        log.warning("transport stopped %.1g off its margins: raise epsilon (%g)", off, epsilon)
    return _onto_margins(np.exp(kernel + log_a[:, None] + log_b))


def _onto_margins(plan: np.ndarray) -> np.ndarray:
    f, g = plan.shape
    plan = plan * np.minimum(1.0, 1.0 / (f * plan.sum(axis=1, keepdims=True)))
    plan = plan * np.minimum(1.0, 1.0 / (g * plan.sum(axis=0, keepdims=True)))
    missing_a, missing_b = 1.0 / f - plan.sum(axis=1), 1.0 / g - plan.sum(axis=0)
    return plan + np.outer(missing_a, missing_b) / max(missing_a.sum(), np.finfo(float).tiny)


@MATCHERS.register("transport")
def transport(
    acts_a: Any,
    acts_b: Any,
    *,
    measure: str = "pearson",
    min_cofirings: int = 1,
    epsilon: Annotated[float, Gt(0)] = 0.05,
) -> Matching:
    """Each A feature takes the B feature to which the entropic plan sends most of it; partners may repeat.

    For small sets: memory 60 f g bytes. `total` is what the plan reaches, <P, S> for P scaled to min(f, g)
    units, which is at most the total of `assignment`; `r` is each pair's own similarity.

    Args:
        acts_a, acts_b, measure: as for `correlate`.
        min_cofirings: pairs that co-fire on fewer tokens (where above 1) count as the least similar pair.
        epsilon: see :func:`transport_plan`.

    Raises:
        InputError: more than 3e7 pairs of features; else as :func:`transport_plan` and `correlate`.
    """
    a, b = prepare_pair(acts_a, acts_b)
    if len(a.varying) * len(b.varying) > _CELLS:
        raise InputError(
            f"transport over {len(a.varying)} x {len(b.varying)} features: choose 'assignment' or 'greedy' "
            "for sets so large"
        )
    correlation = correlate(a, b, measure=measure, top_k=2, min_cofirings=min_cofirings)
    matrix = SimilarityMatrix.of(a, b, correlation)
    plan = transport_plan(matrix.values, epsilon=epsilon) if matrix.values.size else matrix.values
    rows = np.arange(len(plan) if plan.size else 0)
    found = matrix.pairs(rows, plan.argmax(axis=1) if plan.size else rows)
    objective = f"sum of P S + {epsilon} entropy(P) over transport plans P"
    matching = matching_of(correlation, found, method="transport", objective=objective)
    return replace(matching, total=float(min(plan.shape) * (plan * matrix.values).sum()))


def _log_sum(values: np.ndarray, axis: int) -> np.ndarray:
    top = values.max(axis=axis, keepdims=True)
    return np.log(np.exp(values - top).sum(axis=axis)) + top.squeeze(axis)
