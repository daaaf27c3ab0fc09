"""Make the compact WordNet table of the package from WordNet 3.0's own files.

    python concepts-data/make_wordnet_table.py /usr/share/wordnet

The folder is that of Debian's wordnet-base 1:3.0 or the `dict` folder of Princeton's WordNet 3.0. The licence
text at the head of data.noun goes beside the table.
"""

import hashlib
import sys
from pathlib import Path

from congruence.wordlists.wordnet import read_wordnet, save_table

ASSETS = Path(__file__).resolve().parent.parent / "src" / "congruence" / "assets" / "wordnet"


def main(folder: Path) -> None:
    """Write wordnet-3.0.npz and LICENSE, and say what they hold."""
    head = (line for line in (folder / "data.noun").open(encoding="utf-8") if line.startswith(" "))
    licence = "\n".join(line.strip().partition(" ")[2].rstrip() for line in head)
    if "WordNet 3.0 Copyright 2006" not in licence:
        sys.exit(f"{folder} isn't WordNet 3.0")
    (ASSETS / "LICENSE").write_text(licence + "\n", encoding="utf-8")
    table = ASSETS / "wordnet-3.0.npz"
    wordnet = read_wordnet(folder)
    save_table(wordnet, table)
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    print(f"{len(wordnet.lemmas)} words, {len(wordnet.lexname)} synsets, {len(wordnet.sense_synset)} senses")
    print(f"{table.name}: {table.stat().st_size} bytes, sha256 {digest}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
