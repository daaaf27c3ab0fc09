"""The confound check of a run: layer pairs at which features of equal index agree more than others."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from congruence.matching.equal_index import DRAWS, equal_index
from congruence.run.captures import Captures
from congruence.run.grid import Cell
from congruence.significance import max_t

logger = logging.getLogger(__name__)

FORMAT = 1
ALARM = 0.01
"""Of p over all layer pairs at once: a check that every run gets must not cry wolf."""


def equal_index_record(cells: Sequence[Cell], captures: Captures) -> dict[str, Any]:
    """What run.json says of it; a warning is logged.

    Args:
        cells: of the run; the comparison itself and its ceilings are looked at, where both sides have as many
            features and aren't the same ones.
        captures: of the run.

    Returns:
        `pairs`, a record a layer pair with p allowing for all of them (max-T), and `warning`, "" for none.
    """
    looked = [(cell, found) for cell in cells if (found := _found(cell, captures)) is not None]
    if not looked:
        return {"pairs": [], "warning": ""}
    observed = np.concatenate([found["observed"] for _, found in looked])
    draws = np.concatenate([found["draws"] for _, found in looked])
    told = np.isfinite(observed)
    p = np.full(len(observed), np.nan)
    p[told] = max_t(observed[told], draws[told])
    pairs = []
    for number, (cell, found) in enumerate(looked):
        means, of_both = found["draws"].mean(axis=1), p[2 * number : 2 * number + 2]
        pairs.append(
            {
                "control": cell.control,
                "control_side": cell.control_side,
                "layer_a": cell.a.layer,
                "layer_b": cell.b.layer,
                "features": int(found["features"]),
                "r": float(found["observed"][0]),
                "null_r": float(means[0]),
                "cosine": _plain(found["observed"][1]),
                "null_cosine": _plain(means[1]),
                "p": float(np.nanmin(of_both)),
            }
        )
    warning = warning_of(pairs)
    if warning:
        logger.warning("%s", warning)
    return {"pairs": pairs, "warning": warning}


def warning_of(pairs: Sequence[dict[str, Any]]) -> str:
    """The warning in a line; "" where nothing speaks for it."""
    alarming = [pair for pair in pairs if pair["p"] <= ALARM]
    if not alarming:
        return ""
    worst = max(alarming, key=lambda pair: (pair["r"] - pair["null_r"], -pair["p"]))
    of = f" of {worst['control_side']} (SAEs of two seeds)" if worst["control"] == "other_seed" else ""
    cosine = ""
    if worst["cosine"] is not None:
        cosine = f", decoder cosine {worst['cosine']:.2f} and {worst['null_cosine']:.2f}"
    return (
        f"features of equal index agree more than others at {len(alarming)} of {len(pairs)} layer pairs, "
        f"most at layers {worst['layer_a']} and {worst['layer_b']}{of}: mean r {worst['r']:.2f}, re-paired "
        f"{worst['null_r']:.2f}{cosine} (p {worst['p']:.2g}): the SAEs seem to come from one start, one "
        "crosscoder or one order of features, which raises scores and ceilings; compare SAEs trained from "
        "other seeds"
    )


def _found(cell: Cell, captures: Captures) -> dict[str, np.ndarray] | None:
    """Observed means and draws of one cell, from the memo where they are kept."""
    if cell.control not in ("none", "other_seed") or captures.key(cell.a) == captures.key(cell.b):
        return None
    if captures.acts(cell.a).shape[1] != captures.acts(cell.b).shape[1]:
        return None

    def compute() -> dict[str, np.ndarray]:
        a, b = captures.features(cell.a), captures.features(cell.b)
        found = equal_index(a.acts, b.acts, a.W_dec, b.W_dec, seed=captures.config.seed)
        if found is None:
            return {
                "features": np.zeros(()),
                "observed": np.full(2, np.nan),
                "draws": np.full((2, DRAWS), np.nan),
            }
        return {
            "features": np.array(found.features),
            "observed": np.array([found.r, found.cosine]),
            "draws": found.draws,
        }

    of = [FORMAT, captures.key(cell.a), captures.key(cell.b), captures.config.seed]
    found = dict(captures.memo.arrays("equal-index", of, compute))
    return found if int(found["features"]) else None


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
