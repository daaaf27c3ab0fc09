"""Peak memory of a whole run with wide SAEs: 2 x 2 layers, 131,072 features a side, some 200,000 tokens.

    python benchmarks/run_memory.py                                  # some ten minutes on two cores
    python benchmarks/run_memory.py --features 8192 --documents 100  # in a minute

Model: the demo's small one on both sides, with SAEs of random directions (TopK 32) on two layers, drawn anew
for each side; its text twice. Capture, preflight, pairing, filters, the default measures with 100 draws.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from congruence import compare
from congruence.recipes.demo import demo_folder
from congruence.saes import load_sae
from congruence.saes.activation_functions import TopK
from congruence.saes.sae import Sae
from congruence.saes.writers import save_saelens

LAYERS = (2, 3)


def random_saes(folder: Path, features: int, seed: int) -> Path:
    """An SAE of random directions for each layer, centred as the demo's own is."""
    rng = np.random.default_rng(seed)
    for layer in LAYERS:
        own = load_sae(demo_folder() / "saes" / "small" / f"blocks.{layer}.hook_resid_post")
        rows = rng.normal(size=(features, own.d_in)).astype(np.float32)
        rows = torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True))
        made = Sae(
            W_enc=rows.T.contiguous(), W_dec=rows, b_enc=torch.zeros(features), b_dec=own.b_dec,
            activation=TopK(k=32), architecture="topk", hook_name=f"blocks.{layer}.hook_resid_post",
        )  # fmt: skip
        save_saelens(made, folder / f"blocks.{layer}.hook_resid_post")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--features", type=int, default=131_072)
    parser.add_argument("--documents", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        text = (demo_folder() / "text" / "comparison.jsonl").read_text().splitlines()
        lines = [json.dumps({"text": json.loads(line)["text"]}) for line in text * 2][: options.documents]
        (folder / "text.jsonl").write_text("\n".join(lines) + "\n")
        sides = {
            side: {
                "model": str(demo_folder() / "small"),
                "saes": str(random_saes(folder / side, options.features, seed)),
                "name": side,
            }
            for seed, side in enumerate("ab")
        }
        started = time.perf_counter()
        run = compare(
            {**sides, "corpus": {"path": str(folder / "text.jsonl"), "max_tokens": 256}, "force": True},
            out=folder / "run", null={"draws": 100}, filters=["non_concept", {"min_cofirings": 5}],
            pairing={"method": "many_to_one", "keep": "best"},
        )  # fmt: skip
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        cells = run.cells[["layer_a", "layer_b", "alive_a", "pairs_before", "pairs_after", "seconds"]]
        print(cells.to_string(index=False))
        print(
            f"{options.features:,} features, {run.corpus['kept_tokens']:,} tokens, {len(cells)} layer pairs: "
            f"peak {peak:.2f} GiB, {time.perf_counter() - started:.0f} s {run.info['seconds']}"
        )


if __name__ == "__main__":
    main()
