"""Which engine a pair of sides goes to: by density, size and device."""

import logging
from typing import Any, Literal

import numpy as np

from congruence.errors import ConfigError
from congruence.stats.dense_engine import BLOCK_SIZE, DenseJob, dense_best_partners
from congruence.stats.prepared import PreparedActs
from congruence.stats.records import BestPartners, EngineChoice
from congruence.stats.sparse_engine import SparseJob
from congruence.stats.sparse_partners import sparse_best_partners
from congruence.threads import available_threads

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
