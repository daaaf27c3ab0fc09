"""The numbers of a small comparison of the embedded models: 2 x 2 layers, both ceilings, two concepts.

``python tests/golden/demo_numbers.py`` writes data/demo_numbers.json anew; say in CHANGELOG.md why they changed.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

TABLE = Path(__file__).parent / "data" / "demo_numbers.json"

CELL = ["control", "control_side", "layer_a", "layer_b"]
TEST = [*CELL, "concept", "subspace", "null", "measure"]
COUNTS = {
    "cells": ["alive_a", "alive_b", "pairs_before", "pairs_after"],
    "results": ["n", "draws", "seed", "p", "q", "p_max_t"],
}
"""Whole numbers, and shares of whole numbers: decisions, which are the same everywhere."""
VALUES = {"cells": ["mean_r_before", "mean_r_after"], "results": ["value", "null_mean", "null_std"]}


def numbers() -> dict[str, dict[str, dict[str, Any]]]:
    """Table -> what a row is about -> its counts and values."""
    from congruence.recipes import demo
    from congruence.run import compare

    config = demo(draws=50).model_dump(by_alias=True, mode="json", exclude_defaults=True)
    for side in "ab":
        config[side]["layers"] = [2, 3]
    config["corpus"]["documents"] = 60
    config["concepts"] = {"lists": ["Time", "Emotions"], "draws": 50}
    with tempfile.TemporaryDirectory() as folder:
        run = compare(config, out=folder, progress=False)
        return {"cells": _rows(run.cells, CELL, "cells"), "results": _rows(run.results, TEST, "results")}


def _rows(table: pd.DataFrame, about: list[str], name: str) -> dict[str, dict[str, Any]]:
    rows = json.loads(table.to_json(orient="records", double_precision=15))
    named = {
        " ".join(f"{part}={row[part]}" for part in about if row[part] != ""): {
            column: row[column] for column in COUNTS[name] + VALUES[name]
        }
        for row in rows
    }
    assert len(named) == len(rows), "a row's name isn't its own"
    return named


if __name__ == "__main__":
    found = numbers()
    TABLE.write_text(json.dumps(found, indent=1) + "\n")
    print(f"{TABLE}: {', '.join(f'{len(rows)} {name}' for name, rows in found.items())}")
