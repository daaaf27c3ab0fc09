"""Correlating every feature of one side with every feature of the other."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from congruence.errors import InputError
from congruence.stats.engine import best_partners, choose_engine
from congruence.stats.prepared import PreparedActs, prepare
from congruence.stats.records import Correlation
from congruence.stats.scaling import check_measure
from congruence.threads import available_threads


def correlate(
    acts_a: Any,
    acts_b: Any,
    *,
    measure: str = "pearson",
    top_k: int = 1,
    min_cofirings: int = 1,
    block_size: int | None = None,
    mask: np.ndarray | None = None,
    engine: str = "auto",
    device: str | None = None,
    precision: str = "float32",
    threads: int | None = None,
) -> Correlation:
    """For every feature its `top_k` most similar features on the other side, both ways from one pass.

    pearson r = sum (x - m_x)(y - m_y) / sqrt(sum (x - m_x)^2 sum (y - m_y)^2); cosine sum x y / (|x| |y|);
    euclidean -|x - y|; jaccard (tokens where both fire) / (tokens where either does).

    Exact: a feature whose every correlation is <= 0 gets its true best, whether or not the two ever fire
    together. Ties go to the lowest index. A constant feature has no partner and is nobody's: index -1, value
    NaN. So has a place beyond the last candidate.

    Args:
        acts_a, acts_b: (n, f) and (n, g) activations of the same tokens: scipy sparse, stored shards read
            out of core (FeatureActs), dense numpy or torch, or a side prepared once by :func:`prepare`.
        measure: ``pearson``, ``cosine``, ``euclidean`` or ``jaccard``.
        top_k: partners to keep.
        min_cofirings: above 1, a partner must fire together with the feature on at least so many tokens.
        block_size: features handled at once: B's in the sparse engine (at most 65,536; the default goes by
            their number), either side's in the dense one (default 4,096). The answer doesn't depend on it.
        mask: (n,) bool, the tokens to keep.
        engine: ``auto`` picks by density, size and device, and logs why; ``sparse`` adds up co-activations,
            ``dense`` multiplies matrices.
        device: torch device of the dense engine; by default that of the activations, else the CPU.
        precision: of dense products: ``float32``; ``tf32`` and ``bfloat16`` trade some 1e-3 for speed.
        threads: of the sparse engine; by default NUMBA_NUM_THREADS or all cores. No answer depends on it.

    Returns:
        Correlation with `values`, `indices`, `cofirings` (f, top_k), the same for B in `b_to_a`, and firings,
        means and deviations of both sides.

    Raises:
        InputError: the sides aren't activations of the same two or more tokens, or hold NaN or infinity.
        ConfigError: unknown measure, engine or precision; `top_k`, `block_size` or `threads` below 1.
    """
    a, b = prepare_pair(acts_a, acts_b, mask=mask)
    check_measure(measure)
    for name, value in (("top_k", top_k), ("block_size", block_size), ("threads", threads)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}: give at least 1")
    threads = threads or available_threads()
    choice = choose_engine(a, b, engine=engine, device=device, threads=threads)
    best_a, best_b = best_partners(
        a, b, choice, measure=measure, top_k=top_k, min_cofirings=min_cofirings, block_size=block_size,
        precision=precision, threads=threads,
    )  # fmt: skip
    return Correlation(best_a, best_b, a.moments, b.moments, measure, min_cofirings, choice)


def prepare_pair(
    acts_a: Any, acts_b: Any, *, mask: np.ndarray | None = None
) -> tuple[PreparedActs, PreparedActs]:
    """Prepare two sides at once and see that they fit.

    Raises:
        InputError: they don't hold the same number of tokens, or fewer than two.
    """
    with ThreadPoolExecutor(2) as pool:
        a, b = pool.map(lambda acts: prepare(acts, mask=mask), (acts_a, acts_b))
    if a.shape[0] != b.shape[0]:
        raise InputError(
            f"acts_a has {a.shape[0]} tokens and acts_b {b.shape[0]}: give both sides the same tokens"
        )
    if a.shape[0] < 2:
        raise InputError(f"{a.shape[0]} tokens are too few to correlate: give at least two")
    return a, b
