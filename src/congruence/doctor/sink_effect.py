"""What attention sinks do to a comparison: pairs and correlations of a sample, with the sinks and without."""

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from congruence.config.run import RunConfig
from congruence.doctor.records import Record
from congruence.errors import CongruenceError
from congruence.matching import match
from congruence.sides.corpus import SharedText
from congruence.sides.sample import Sample, is_sink
from congruence.sides.side import Side, fed_place

PERFECT = 0.99
"""Correlation from which a pair is called perfect."""
_FIRINGS = 2


def effect_records(
    config: RunConfig, sides: Mapping[str, Side], text: SharedText, samples: Mapping[str, Sample]
) -> list[Record]:
    """The change of the pairs when sinks are masked, at the middle layer of each side; nothing without sinks.

    Only for sides that read the same tokens, as a sample's rows must correspond.

    Args:
        config: of the run.
        sides, text: as opened and read.
        samples: of each side, the same rows.
    """
    if text.alignment is not None or any(not side.saes for side in sides.values()):
        return []
    try:
        acts, sinks = {}, []
        for name, side in sides.items():
            layer = side.layers[len(side.layers) // 2]
            states = samples[name].states(fed_place(side, layer))
            ordinary = ~samples[name].special
            acts[name] = side.saes[layer].encode_csr(states[ordinary])
            sinks.append(is_sink(states, samples[name].special)[ordinary])
        if len({len(sink) for sink in sinks}) > 1 or not np.any(sinks):
            return []
        left = ~np.logical_or(*sinks)
        kept = _pairs(config, acts["a"], acts["b"])
        masked = _pairs(config, sparse.csr_array(acts["a"][left]), sparse.csr_array(acts["b"][left]))
    except CongruenceError:  # told where the SAE is examined
        return []
    layers = " and ".join(str(side.layers[len(side.layers) // 2]) for side in sides.values())
    message = (
        f"at layers {layers}, of {len(left):,} tokens {int((~left).sum())} are sinks: with them "
        f"{kept[0]} pairs, mean r {kept[1]:.3f}, {kept[2]} of them above {PERFECT}; without "
        f"{masked[0]}, {masked[1]:.3f}, {masked[2]}"
    )
    names = ("pairs", "mean_r", "perfect")
    figures = dict(zip(names, kept, strict=True)) | {
        f"{name}_masked": value for name, value in zip(names, masked, strict=True)
    }
    return [Record("effect of sinks", "ok", message, figures=figures)]


def _pairs(config: RunConfig, a: sparse.csr_array, b: sparse.csr_array) -> tuple[int, float, int]:
    """Number, mean correlation and number of perfect ones, of features that fire at least twice."""
    found = match(a, b, method="many_to_one", min_cofirings=_FIRINGS, from_=config.pairing.from_)
    r = found.r[np.isfinite(found.r)]
    return len(r), float(r.mean()) if len(r) else float("nan"), int((r >= PERFECT).sum())
