"""Print the figures of all SAEs below a folder as a Markdown table.

python demo/training_table.py stories15M-saes
"""

import argparse
import json
from pathlib import Path

from tables import table

from congruence.hook_names import hook_point

HEAD = ["seed", "layer", "FVU", "L0", "dead", "fire on 1–9 tokens", "busiest fires on", "held-out tokens"]


def rows(folder: Path) -> list[list[str]]:
    """One row an SAE, by seed and layer."""
    records = [json.loads(path.read_text()) for path in folder.glob("*/*/training.json")]
    records.sort(key=lambda record: (record["seed"], hook_point(record["hook_name"]).layer))
    return [
        [
            str(record["seed"]),
            str(hook_point(record["hook_name"]).layer),
            f"{record['quality']['fvu']:.3f}",
            f"{record['quality']['l0']:.1f}",
            f"{record['quality']['dead_share']:.2%}",
            f"{record['quality']['rare_share']:.2%}",
            f"{record['quality']['max_firing_rate']:.0%}",
            f"{record['quality']['tokens']:,}",
        ]
        for record in records
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    print(table(HEAD, rows(parser.parse_args().folder)))


if __name__ == "__main__":
    main()
