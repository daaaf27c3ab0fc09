"""Put the finished pieces where the package carries them, and record what they are.

python demo/assemble.py --build demo/build --assets src/congruence/assets/demo

ASSETS/small, large            language models with their tokenizer
ASSETS/saes/small/<hook>       SAEs of every layer, in SAELens v6 format
ASSETS/saes/large/<hook>       the same in sparsify format
ASSETS/saes/small-seed1, large-seed1   the middle layer from a second seed
ASSETS/text/comparison.jsonl   held-out text for the comparison
ASSETS/demo.json               checksums, settings and figures of all of it
"""

import argparse
import hashlib
import json
import shutil
from pathlib import Path

from language_models import CONTEXT
from language_models import RECIPES as SIZES
from tokenizer import END_OF_TEXT

LIMIT = 20_000_000
"""Bytes that the whole may have."""

TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": END_OF_TEXT,
    "eos_token": END_OF_TEXT,
    "clean_up_tokenization_spaces": False,
    "model_max_length": CONTEXT,
}
"""Without what only describes the machine and version that saved it."""


def copied(build: Path) -> dict[str, Path]:
    """Place in the assets -> source in the build folder."""
    places = {}
    for size in SIZES:
        places[size] = build / size
        places[f"saes/{size}"] = build / f"{size}-saes" / "seed0"
        places[f"saes/{size}-seed1"] = build / f"{size}-ceiling" / "seed1"
    return places


def copy(build: Path, assets: Path) -> None:
    """Replace the assets by copies from the build folder."""
    shutil.rmtree(assets, ignore_errors=True)
    for place, source in copied(build).items():
        shutil.copytree(source, assets / place, copy_function=shutil.copyfile)
    for size in SIZES:
        text = json.dumps(TOKENIZER_CONFIG, indent=2) + "\n"
        (assets / size / "tokenizer_config.json").write_text(text, encoding="utf-8")
    (assets / "text").mkdir()
    shutil.copyfile(build / "comparison.jsonl", assets / "text" / "comparison.jsonl")


def checksums(assets: Path) -> dict[str, str]:
    """SHA-256 of every file."""
    files = sorted(path for path in assets.rglob("*") if path.is_file())
    return {
        path.relative_to(assets).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def sae_figures(assets: Path) -> dict[str, dict]:
    """Final figures of each SAE."""
    found = {}
    for path in sorted(assets.glob("saes/*/*/training.json")):
        record = json.loads(path.read_text())
        found[path.parent.relative_to(assets).as_posix()] = record["quality"]
    return found


def describe(build: Path, assets: Path) -> dict:
    """The contents of demo.json."""
    return {
        "kind": "congruence/demo",
        "format_version": 1,
        "language_models": {size: json.loads((build / f"{size}.figures.json").read_text()) for size in SIZES},
        "saes": sae_figures(assets),
        "text": json.loads((build / "text.json").read_text()),
        "sha256": checksums(assets),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--build", type=Path, required=True)
    parser.add_argument("--assets", type=Path, required=True)
    arguments = parser.parse_args()
    copy(arguments.build, arguments.assets)
    record = describe(arguments.build, arguments.assets)
    (arguments.assets / "demo.json").write_text(json.dumps(record, indent=2) + "\n")
    size = sum(path.stat().st_size for path in arguments.assets.rglob("*") if path.is_file())
    print(f"{size / 1e6:.2f} MB in {arguments.assets}")
    if size > LIMIT:
        raise SystemExit(f"more than {LIMIT / 1e6:.0f} MB: store less")


if __name__ == "__main__":
    main()
