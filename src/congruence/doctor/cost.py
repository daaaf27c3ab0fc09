"""What the run will take, from what its sample took."""

from collections.abc import Iterable, Mapping

from congruence.config.run import RunConfig
from congruence.doctor.records import Record
from congruence.doctor.sample import Sample
from congruence.sides.corpus import SharedText
from congruence.sides.side import Side

BYTES_A_FIRING = 8
COUNTS_A_SECOND = 2e8
"""Co-firings counted in a second on one core; measured on the embedded demo, to the factor of two."""
SECONDS_A_CELL = 0.5
"""What filters, measures and nulls of a cell take beside its correlations, to the factor of three."""


def cost_record(
    config: RunConfig,
    sides: Mapping[str, Side],
    text: SharedText,
    samples: Mapping[str, Sample],
    fits: Iterable[Record],
) -> Record:
    """Time, memory and disk of the run on this machine, roughly."""
    fits = [record for record in fits if "l0" in record.figures]
    grids = 1 + sum(control != "other_seed" for control in config.controls)
    forward = sum(_forward(samples[name], text, name) for name in samples)
    encode = sum(_encode(record, text) for record in fits)
    firings = {(r.side, r.layer): r.figures["l0"] * text.tokens[r.side].n for r in fits if r.seed == "saes"}
    disk = grids * BYTES_A_FIRING * sum(firings.values())
    cells, grid = _grid(firings, text)
    figures = {
        "capture_seconds": grids * (forward + encode),
        "grid_seconds": grids * grid,
        "cells": grids * cells,
        "disk_bytes": disk,
        "memory_bytes": _weights(sides) + 2 * disk / grids,
    }
    message = (
        f"about {_duration(figures['capture_seconds'])} to capture and {_duration(figures['grid_seconds'])} "
        f"for {figures['cells']} layer pairs, {_size(figures['memory_bytes'])} of memory, "
        f"{_size(disk)} of disk"
    )
    return Record("cost", "ok", message, figures=figures)


def _forward(sample: Sample, text: SharedText, side: str) -> float:
    return sample.seconds / max(sample.positions, 1) * text.tokens[side].input_ids.size


def _encode(record: Record, text: SharedText) -> float:
    return record.figures["seconds"] / record.figures["tokens"] * text.tokens[record.side].n


def _grid(firings: Mapping[tuple[str, int | None], float], text: SharedText) -> tuple[int, float]:
    """Number of layer pairs and the seconds they take: co-firings grow with the product of both L0."""
    a = [count for (side, _), count in firings.items() if side == "a"]
    b = [count for (side, _), count in firings.items() if side == "b"]
    n = max(text.tokens["a"].n, 1)
    counts = sum(a) * sum(b) / n
    cells = len(a) * len(b)
    return cells, counts / COUNTS_A_SECOND + SECONDS_A_CELL * cells


def _weights(sides: Mapping[str, Side]) -> float:
    """Bytes of the models and SAEs."""
    models = {id(side.model.module): side.model.module for side in sides.values()}
    total = sum(p.numel() * p.element_size() for module in models.values() for p in module.parameters())
    for side in sides.values():
        for sae in (*side.saes.values(), *side.other_seed.values()):
            total += 2 * sae.W_dec.numel() * sae.W_dec.element_size()
    return float(total)


def _duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> _duration(42), _duration(600), _duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(size: float) -> str:
    """Bytes in binary units.

    >>> _size(3 * 2**20)
    '3 MiB'
    """
    for unit in ("MiB", "GiB"):
        size /= 1024 if unit == "GiB" else 2**20
        if size < 1000:
            break
    return f"{size:.3g} {unit}"
