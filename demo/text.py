"""Split the story text into training, validation and comparison documents; record checksums.

    python demo/text.py --stories stories.txt --out build/

The stories were sampled from a 15M-parameter model trained on TinyStories (see docs/demo-models.md),
one story a document, separated by lines that hold only ``<|endoftext|>``.
"""

import argparse
import hashlib
import json
from pathlib import Path

SEPARATOR = "<|endoftext|>"
VALIDATION_DOCUMENTS = 500
COMPARISON_DOCUMENTS = 560


def read_documents(path: Path) -> list[str]:
    """The stories of a file, stripped, without empty ones and without repeats (first kept)."""
    pieces = path.read_text(encoding="utf-8").split(SEPARATOR)
    return list(dict.fromkeys(piece.strip() for piece in pieces if piece.strip()))


def split(documents: list[str]) -> dict[str, list[str]]:
    """The last stories are held out: never seen by tokenizer, language models or SAEs."""
    held = VALIDATION_DOCUMENTS + COMPARISON_DOCUMENTS
    return {
        "train": documents[:-held],
        "validation": documents[-held:-COMPARISON_DOCUMENTS],
        "comparison": documents[-COMPARISON_DOCUMENTS:],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stories", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    record = {"source_sha256": hashlib.sha256(arguments.stories.read_bytes()).hexdigest()}
    for name, documents in split(read_documents(arguments.stories)).items():
        path = arguments.out / f"{name}.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in documents), encoding="utf-8")
        record[name] = {
            "documents": len(documents),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        print(f"{name}: {len(documents)} documents")
    (arguments.out / "text.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
