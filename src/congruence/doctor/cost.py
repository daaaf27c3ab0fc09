"""What the run will take, from what its sample took."""

from collections.abc import Iterable, Mapping

from congruence.activations.capture import SAE_BYTES
from congruence.config.run import RunConfig
from congruence.config.steps import measures_of
from congruence.doctor.records import Record
from congruence.progress import in_words
from congruence.sides.corpus import SharedText
from congruence.sides.sample import Sample
from congruence.sides.side import Side, known_saes
from congruence.storage import memory_bytes

BYTES_A_FIRING = 8
COUNTS_A_SECOND = 2e8
"""Co-firings counted in a second on one core; measured on the embedded demo, to the factor of two."""
LAYERS_BYTES = 3 << 29
"""Activations of layers that a run keeps in memory beside those at hand."""
SECONDS_A_CELL = 0.5
"""What filters, measures and nulls of a cell take beside its correlations, to the factor of three."""


PAIRS_A_FEATURE = 0.5
"""Pairs that filters leave, of the narrower side's features; measured from 0.13 to 0.7."""


def cost_records(
    config: RunConfig,
    sides: Mapping[str, Side],
    text: SharedText,
    samples: Mapping[str, Sample],
    fits: Iterable[Record],
) -> list[Record]:
    """Time, memory and disk of the run on this machine, roughly; and what it doesn't have."""
    fits = [record for record in fits if "l0" in record.figures]
    grids = 1 + sum(control != "other_seed" for control in config.controls)
    forward = sum(_forward(samples[name], text, name) for name in _distinct(sides, text))
    encode = sum(_encode(record, text) for record in fits)
    firings = {
        (r.side, r.layer): r.figures["l0"] * text.tokens[r.side].n for r in fits if r.seed != "other_seed"
    }
    disk = grids * BYTES_A_FIRING * sum(firings.values())
    cells, grid = _grid(firings, text)
    capture, compare = _capture_memory(config, sides), _grid_memory(config, sides, firings)
    figures = {
        "capture_seconds": grids * (forward + encode),
        "grid_seconds": grids * grid,
        "cells": grids * cells,
        "disk_bytes": disk,
        "capture_memory_bytes": capture,
        "grid_memory_bytes": compare,
        "memory_bytes": max(capture, compare),
    }
    message = (
        f"about {in_words(max(1, figures['capture_seconds']))} to capture and "
        f"{in_words(max(1, figures['grid_seconds']))} for {figures['cells']} layer pairs, "
        f"{_size(figures['memory_bytes'])} of memory, {_size(disk)} of disk"
    )
    return [Record("cost", "ok", message, figures=figures), *_too_much(config, sides, capture, compare)]


def _distinct(sides: Mapping[str, Side], text: SharedText) -> list[str]:
    """Sides whose text goes through a model of their own: one model on both sides reads it once."""
    passes = {(id(side.model), text.tokens[name].key): name for name, side in sides.items()}
    return list(passes.values())


def _too_much(config: RunConfig, sides: Mapping[str, Side], capture: float, compare: float) -> list[Record]:
    """What this machine's memory doesn't hold: a capture is refused, a comparison may come out smaller."""
    there, found = memory_bytes(), []
    if capture > there and all(side.model.device.type == "cpu" for side in sides.values()):
        message = f"the capture needs about {_size(capture)} of memory, and this machine has {_size(there)}"
        remedy = "load the models in bfloat16, compare fewer layers at a time, or lower batch_tokens"
        found.append(Record("memory", "error", message, remedy))
    if compare > there:
        message = f"comparing may need about {_size(compare)} of memory, and this machine has {_size(there)}"
        remedy = "leave rsa out, add filters such as min_r, or compare fewer documents"
        found.append(Record("memory", "warning", message, remedy))
    return found


def _capture_memory(config: RunConfig, sides: Mapping[str, Side]) -> float:
    """Bytes of the models, of the SAEs of a pass, and of a batch's hidden states at every place."""
    models = {id(side.model): side.model.module for side in sides.values()}
    weights = sum(p.numel() * p.element_size() for module in models.values() for p in module.parameters())
    held = []
    for side in sides.values():
        known = [*known_saes(side.saes).values(), *known_saes(side.other_seed).values()]
        states = 4 * config.batch_tokens * side.model.d_model * (len(side.layers) + 4)
        logits = (
            0
            if known or side.config.features == "neurons"
            else 4 * config.batch_tokens * side.model.vocabulary
        )
        held.append(min(sum(sae.nbytes for sae in known), SAE_BYTES) + states + logits)
    return float(weights + max(held))


def _grid_memory(
    config: RunConfig, sides: Mapping[str, Side], firings: Mapping[tuple[str, int | None], float]
) -> float:
    """Bytes of the two layers at hand and those kept, of their decoders, and of the neediest measure."""
    layers = {key: 3 * BYTES_A_FIRING * count for key, count in firings.items()}
    pair = sum(max((size for (s, _), size in layers.items() if s == side), default=0.0) for side in sides)
    acts = max(pair, min(sum(layers.values()), LAYERS_BYTES))
    widths = {
        name: max(((sae.d_sae, sae.d_in) for sae in known_saes(side.saes).values()), default=(0, 0))
        for name, side in sides.items()
    }
    decoders = sum(2 * 4 * d_sae * d_in for d_sae, d_in in widths.values())
    n = PAIRS_A_FEATURE * min(d_sae for d_sae, _ in widths.values())
    d_a, d_b = (d_in for _, d_in in widths.values())
    measures = max((m.memory(int(n), d_a, d_b) for m in measures_of(config.measures)), default=0)
    products = sum(4 * d_sae * d_sae for d_sae, _ in widths.values()) if config.concepts else 0
    return float(acts + decoders + max(measures, products))


def _forward(sample: Sample, text: SharedText, side: str) -> float:
    return sample.seconds / max(sample.positions, 1) * text.tokens[side].input_ids.size


def _encode(record: Record, text: SharedText) -> float:
    return record.figures["seconds_a_token"] * text.tokens[record.side].n


def _grid(firings: Mapping[tuple[str, int | None], float], text: SharedText) -> tuple[int, float]:
    """Number of layer pairs and the seconds they take: co-firings grow with the product of both L0."""
    a = [count for (side, _), count in firings.items() if side == "a"]
    b = [count for (side, _), count in firings.items() if side == "b"]
    n = max(text.tokens["a"].n, 1)
    counts = sum(a) * sum(b) / n
    cells = len(a) * len(b)
    return cells, counts / COUNTS_A_SECOND + SECONDS_A_CELL * cells


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
