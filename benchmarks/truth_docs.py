"""Puts a finished study into the docs: `congruence truth --out DIR`, then this with DIR.

Copies truth.csv and the figures to docs/, and writes the measured part of docs/truth.md anew; what stands
around it stays.
"""

import json
import re
import shutil
import sys
from pathlib import Path

from congruence.synthetic.study import read_summary
from congruence.synthetic.study.page import measured

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main(study: Path) -> None:
    shutil.copy(study / "truth.csv", DOCS / "truth.csv")
    links = {}
    for figure in sorted((study / "figures").glob("*.png")):
        links[figure.stem] = f"figures/truth-{figure.name}"
        shutil.copy(figure, DOCS / links[figure.stem])
    command = json.loads((study / "truth.json").read_text(encoding="utf-8"))["command"]
    block = measured(read_summary(DOCS / "truth.csv"), command=command, figures=links)
    page = DOCS / "truth.md"
    text = page.read_text(encoding="utf-8")
    whole = re.sub(
        r"<!-- measured by: .*<!-- end of what was measured -->\n", lambda _: block, text, flags=re.S
    )
    page.write_text(whole, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
