"""A made-up run folder for tests of the report: numbers with a known structure, nothing of them measured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

NASTY_TOKENS = [
    "\n",
    "<script>alert(1)</script>",
    "\"quoted\" & 'single'",
    " naïve",
    "日本",
    "\u200b\u202e",
    " king",
    "",
]
RESULT_COLUMNS = [
    "control", "control_side", "concept", "subspace", "layer_a", "layer_b", "measure", "value", "n", "null",
    "draws", "seed", "null_mean", "null_std", "null_q05", "null_q50", "null_q95", "z", "p", "q",
    "p_max_t", "corrected", "alternative", "low", "high", "interval", "calibrated", "ceiling", "scored",
    "details", "warnings", "seconds",
]  # fmt: skip


def write_planted_run(
    folder: Path,
    *,
    layers_a: Sequence[int] = (0, 1, 2, 3),
    layers_b: Sequence[int] = (0, 1, 2, 3, 4),
    measures: Sequence[str] = ("translation_accuracy", "pc1_correlation", "svcca", "rsa"),
    nulls: Sequence[str] = ("pairing",),
    draws: int = 1000,
    signal: float = 0.5,
    ceiling: bool = True,
    controls: Sequence[str] = (),
    concepts: Sequence[str] = (),
    missing: Sequence[tuple[int, int]] = (),
    names: tuple[str, str] = ("planted-small", "planted-large"),
    pairs: int = 1800,
    control_side: bool = True,
    kinds: Mapping[str, str] | None = None,
    scoreless: Sequence[str] = (),
) -> Path:
    """Write a finished run in which near depths are alike.

    Args:
        folder: where to write.
        layers_a, layers_b: the grid.
        measures, nulls: rows for each of them.
        draws: number of null draws that p pretends to rest on.
        signal: score of equal depths above chance; 0 gives a run in which nothing is found.
        ceiling: add the same-model control.
        controls: further controls with a grid of their own, without structure.
        concepts: concept subspaces.
        missing: layer pairs with too few pairs: NaN in every measure.
        names: of the two models.
        pairs: matched pairs of the cell with the most.
        control_side: write the column of that name.
        kinds: kind of each concept; default: semantic. A name may stand twice: "Time+Nature" as an overlap
            and, written "Time+Nature!", as its interaction.
        scoreless: concepts with too few features everywhere.
    """
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    grids = [("none", "", "all", signal)] + [(control, "", "all", 0.0) for control in controls]
    grids += [("none", "", concept, signal * 0.8) for concept in concepts]
    rows, cells, matches = [], [], []
    for control, side, concept, strength in grids:
        for i, a in enumerate(layers_a):
            for j, b in enumerate(layers_b):
                likeness = strength * np.exp(-4 * (_depth(i, layers_a) - _depth(j, layers_b)) ** 2)
                gone = (a, b) in missing or concept in scoreless
                place = (control, side, concept, a, b)
                rows += [_row(place, m, null, likeness, draws, gone, rng) for m in measures for null in nulls]
                if concept == "all":
                    cells.append(_cell(control, side, a, b, 2 if gone else pairs, likeness))
                    matches += _matches(control, side, a, b, likeness, rng)
    if ceiling:
        for side, layer in (("a", layers_a[len(layers_a) // 2]), ("b", layers_b[len(layers_b) // 2])):
            place = ("other_seed", side, "all", layer, layer)
            rows += [_row(place, m, null, 0.92, draws, False, rng) for m in measures for null in nulls]
            cells.append(_cell("other_seed", side, layer, layer, pairs, 0.92))
    _set_kinds(rows, kinds or {}, scoreless)
    _write(folder, rows, cells, matches, control_side=control_side)
    _write_info(folder, layers_a, layers_b, names, draws, measures, ceiling, controls)
    return folder


def untest(folder: Path, measure: str | None = None, *, layer_a: int | None = None) -> None:
    """Take the draws from a planted run, or from one measure or row of layers of it: scores that weren't tested."""
    table = pd.read_parquet(folder / "results.parquet")
    chosen = (table.measure == measure) if measure else table.measure.notna()
    chosen &= (table.layer_a == layer_a) if layer_a is not None else True
    table.loc[chosen, ["draws", "scored"]] = 0
    numbers = [
        "null_mean",
        "null_std",
        "null_q05",
        "null_q50",
        "null_q95",
        "z",
        "p",
        "q",
        "p_max_t",
        "calibrated",
    ]
    table.loc[chosen, numbers] = np.nan
    table.to_parquet(folder / "results.parquet", index=False)


def _set_kinds(rows: list[dict], kinds: Mapping[str, str], scoreless: Sequence[str]) -> None:
    for row in rows:
        if row["concept"] in scoreless:
            row |= {"n": 1, "warnings": ["too few features: 1 of 3 needed (a: 1, b: 4)"]}
        row["subspace"] = kinds.get(row["concept"], row["subspace"])
        row["concept"] = row["concept"].removesuffix("!")


def _depth(index: int, layers: Sequence[int]) -> float:
    return index / max(1, len(layers) - 1)


def _row(place, measure, null, likeness, draws, gone, rng):
    control, side, concept, a, b = place
    shrink = {"translation_accuracy": 1.0, "rsa": 0.6}.get(measure, 0.8)
    null_mean = 0.001 if measure == "translation_accuracy" else 0.03
    value = np.clip(likeness * shrink + null_mean + rng.normal(0, 0.002), -1, 1)
    p = 1 / (1 + draws) if likeness > 0.05 else float(rng.uniform(0.2, 0.9))
    numbers = {
        "value": value,
        "null_mean": null_mean,
        "null_std": 0.01,
        "null_q05": null_mean * 0.5,
        "null_q50": null_mean,
        "null_q95": null_mean * 2,
        "z": (value - null_mean) / 0.01,
        "p": p,
        "q": min(1.0, p * 1.2),
        "p_max_t": p,
        "corrected": (value - null_mean) / (1 - null_mean),
        "low": value - 0.02,
        "high": value + 0.03,
        "calibrated": (value - null_mean * 2) / (1 - null_mean * 2),
    }
    if gone:
        numbers = dict.fromkeys(numbers, np.nan)
    warnings = ["n < 2 (k_a + k_b)"] if measure == "svcca" else []
    warnings = ["2 pairs are too few: 3 needed"] if gone else warnings
    fixed = {
        "control": control,
        "control_side": side,
        "concept": concept,
        "subspace": "all" if concept == "all" else "semantic",
        "layer_a": a,
        "layer_b": b,
        "measure": measure,
        "n": 2 if gone else 900,
        "null": null,
        "draws": draws,
        "seed": 3,
        "alternative": "greater",
        "interval": "" if gone else "pairs",
        "ceiling": np.nan,
        "scored": 0 if gone else draws,
        "details": None if gone else {"held_out": 450},
        "warnings": warnings,
        "seconds": 0.1,
    }
    return {name: {**fixed, **numbers}[name] for name in RESULT_COLUMNS}


def _cell(control, side, a, b, pairs, likeness):
    after = min(pairs, int(pairs * (0.2 + 0.6 * likeness)))
    removed = {
        "non_concept": (pairs - after) // 2,
        "shared_token": pairs - after - (pairs - after) // 2,
        "min_r": 0,
    }
    return {
        "control": control,
        "control_side": side,
        "layer_a": a,
        "layer_b": b,
        "alive_a": pairs + 11,
        "alive_b": pairs + 40,
        "pairs_before": pairs,
        "pairs_after": after,
        "mean_r_before": 0.2 + 0.4 * likeness,
        "mean_r_after": 0.35 + 0.5 * likeness if after else np.nan,
        "removed": [{"step": step, "pairs": number} for step, number in removed.items()],
        "seconds": 0.4,
    }


def _matches(control, side, a, b, likeness, rng):
    found = []
    for i in range(12):
        tokens = [NASTY_TOKENS[(i + k) % len(NASTY_TOKENS)] for k in range(5)]
        kept = i % 3 != 2
        found.append(
            {
                "control": control,
                "control_side": side,
                "layer_a": a,
                "layer_b": b,
                "feature_a": i * 7,
                "feature_b": i * 11,
                "r": float(np.clip(0.95 - i * 0.05 * (1.2 - likeness), -1, 1)),
                "firings_a": 50 + i,
                "firings_b": 61 + i,
                "cofirings": 40 + i,
                "margin": float(rng.uniform(0, 0.3)),
                "mutual": bool(i % 2),
                "kept": kept,
                "removed_by": "" if kept else "shared_token",
                "top_tokens_a": tokens,
                "top_tokens_b": tokens[::-1][: 5 - i % 3],
            }
        )
    return found


def _write(folder, rows, cells, matches, *, control_side):
    for name, records in (("results", rows), ("cells", cells), ("matches", matches)):
        table = pd.DataFrame(records)
        table = table if control_side else table.drop(columns="control_side")
        table.to_parquet(folder / f"{name}.parquet", index=False)


def _write_info(folder, layers_a, layers_b, names, draws, measures, ceiling, controls):
    sides = {
        side: {
            "name": name,
            "model": f"planted/{name}",
            "layers": list(layers),
            "hooks": {str(i): f"layers.{i}" for i in layers},
            "d_model": 96 if side == "a" else 192,
            "d_sae": {str(i): 768 * (1 + i % 2) for i in layers},
        }
        for side, name, layers in (("a", names[0], layers_a), ("b", names[1], layers_b))
    }
    controls = [*controls, *(["other_seed"] if ceiling else [])]
    config = {
        "a": {"model": f"planted/{names[0]}", "layers": list(layers_a)},
        "b": {"model": f"planted/{names[1]}", "layers": list(layers_b)},
        "corpus": {"path": "planted.txt"},
        "measures": list(measures),
        "null": {"kind": "pairing", "draws": draws},
        "controls": controls,
        "seed": 0,
    }
    info = {
        "kind": "congruence/run",
        "format_version": 2,
        "created": "2026-01-02T03:04:05+00:00",
        "finished": "2026-01-02T03:05:10+00:00",
        "config": config,
        "versions": {"congruence": "0.0-planted", "python": "3.11"},
        "seed": 0,
        "keys": {"a": "0123", "b": "4567"},
        "sides": sides,
        "corpus": {"documents": 320, "tokens": 101_234, "kept_tokens": 100_914},
        "seconds": {"capture": 21.5, "grid": 33.1},
    }
    (folder / "run.json").write_text(json.dumps(info, ensure_ascii=False), encoding="utf-8")
