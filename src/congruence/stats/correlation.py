"""Correlating every feature of one side with every feature of the other."""

import logging
from typing import Any, Literal

import numpy as np

from congruence.errors import ConfigError, InputError
from congruence.stats.dense_engine import BLOCK_SIZE, DenseJob, dense_best_partners
from congruence.stats.prepared import PreparedActs, prepare
from congruence.stats.records import BestPartners, Correlation, EngineChoice
from congruence.stats.scaling import check_measure
from congruence.stats.sparse_engine import SparseJob
from congruence.stats.sparse_partners import sparse_best_partners
from congruence.threads import available_threads, spread


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
    if min_cofirings < 0:
        raise InputError(f"min_cofirings is {min_cofirings}: give at least 0")
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
    a, b = spread(lambda acts: prepare(acts, mask=mask), (acts_a, acts_b), 2)
    if a.shape[0] != b.shape[0]:
        raise InputError(
            f"acts_a has {a.shape[0]} tokens and acts_b {b.shape[0]}: give both sides the same tokens"
        )
    if a.shape[0] < 2:
        raise InputError(f"{a.shape[0]} tokens are too few to correlate: give at least two")
    return a, b


log = logging.getLogger(__name__)

EngineName = Literal["auto", "sparse", "dense"]

# Rough rates of one core or one GPU; only their ratios matter.
_ADDS_PER_SECOND = 8e8
_CELLS_PER_SECOND = 4e9
_CPU_FLOPS = 8e10
_GPU_FLOPS = 2e13
_DENSE_START = 0.1


def choose_engine(
    a: PreparedActs, b: PreparedActs, *, engine: str, device: str | None, threads: int
) -> EngineChoice:
    """The engine with the smaller estimate of time, with both estimates as its reason.

    Raises:
        ConfigError: no such engine.
    """
    if engine not in ("auto", "sparse", "dense"):
        raise ConfigError(f"engine is {engine!r}: give 'auto', 'sparse' or 'dense'")
    device = device or _device(a, b)
    (n, f), g = a.shape, b.shape[1]
    adds = _entries(a) * _entries(b) / max(1, n)
    # Where few pairs ever fire together, only those are looked at.
    looked_at = min(float(f) * g, 4.0 * adds)
    sparse = (adds / _ADDS_PER_SECOND + looked_at / _CELLS_PER_SECOND) / threads
    rate = _CPU_FLOPS * threads if device == "cpu" else _GPU_FLOPS
    dense = 2.0 * n * f * g / rate + _DENSE_START
    reason = (
        f"{adds / max(1, n):.3g} of {float(f) * g:.3g} products a token are non-zero: about {sparse:.2g} s "
        f"by co-activation, {dense:.2g} s by matrix products on {device}"
    )
    if engine == "auto":
        engine = "sparse" if sparse <= dense else "dense"
    else:
        reason = f"asked for; {reason}"
    choice = EngineChoice(engine if engine == "sparse" else f"dense-{device}", reason)
    log.info("correlating %d x %d features over %d tokens: %s (%s)", f, g, n, choice.name, choice.reason)
    return choice


def best_partners(
    a: PreparedActs,
    b: PreparedActs,
    choice: EngineChoice,
    *,
    measure: str,
    top_k: int,
    min_cofirings: int = 1,
    features_a: np.ndarray | None = None,
    features_b: np.ndarray | None = None,
    block_size: int | None = None,
    precision: str = "float32",
    threads: int | None = None,
) -> tuple[BestPartners, BestPartners]:
    """The best partners of the features given (all that vary by default), both ways, by the engine chosen."""
    # A best partner that never co-fires is the answer where every correlation is <= 0: 1 doesn't bar it.
    fewest = min_cofirings if min_cofirings > 1 else 0
    if choice.name == "sparse":
        job = SparseJob(
            a, b, measure, features_a, features_b, fewest, block_size, threads or available_threads()
        )
        return sparse_best_partners(job, top_k)
    device = choice.name.removeprefix("dense-")
    size = block_size or BLOCK_SIZE
    return dense_best_partners(
        DenseJob(a, b, measure, features_a, features_b, fewest, size, device, precision), top_k
    )


def _entries(side: PreparedActs) -> float:
    """What the sparse engine would hold: firings, and every token of features that fire on most."""
    firings = side.moments.firings
    return float(np.where(firings * 2 > side.shape[0], side.shape[0], firings).sum())


def _device(a: PreparedActs, b: PreparedActs) -> str:
    for side in (a, b):
        device: Any = getattr(side.source.dense, "device", None)
        if device is not None and getattr(device, "type", "cpu") != "cpu":
            return str(device)
    return "cpu"
