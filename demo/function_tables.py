"""Tables of what a run with `function` and verdicts found, for docs/reproduction.md.

    python demo/function_tables.py RUN NAME [--page docs/reproduction.md]

prints transfer, stitching and the answers on paired features by layer pair, the quality-coverage curves, the
shares of features with a counterpart, and five features of a side that lack one most clearly; with --page
they go between that page's marks NAME-transfer, NAME-pairs, NAME-curves, NAME-shares and NAME-unshared.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from tables import insert, table

from congruence import load_run
from congruence.run import Run

EXAMPLES = 5
QUESTIONS = ("logit_weights", "ablation", "substitution")
COVERAGES = (0.1, 0.25, 0.5, 0.75, 1.0)


def number(value: float, digits: int = 2) -> str:
    """A number as the page shows it; – where there is none."""
    return "–" if pd.isna(value) else f"{value:.{digits}f}"


def places(rows: pd.DataFrame) -> list[tuple[int, int]]:
    """Layer pairs in order."""
    return sorted({(int(a), int(b)) for a, b in zip(rows.layer_a, rows.layer_b, strict=True)})


def only(rows: pd.DataFrame, **values: Any) -> pd.DataFrame:
    """The rows that have these values."""
    for name, value in values.items():
        rows = rows[rows[name] == value]
    return rows


def transfer(run: Run) -> str:
    """By layer pair, a's states mapped affinely to b's, and b going on from them."""
    found = []
    for a, b in places(run.transfer):
        at = {"layer_a": a, "layer_b": b, "direction": "a_to_b", "map": "affine"}
        mapped, stitched = only(run.transfer, **at), only(run.stitching, **at)
        whole, shifted = only(mapped, null=""), only(mapped, null="shifted text")
        states = only(stitched, what="states")
        numbers = [
            whole.r2, shifted.r2, whole.explained, shifted.explained, whole.ceiling, whole.f1,
            only(states, null="").recovered_mean, only(states, null="shifted text").recovered_mean,
            only(stitched[stitched.what != "states"], null="").recovered_mean,
        ]  # fmt: skip
        found.append([f"{a} → {b}", *(number(one.mean()) for one in numbers)])
    head = [
        "layers", "R²", "shifted text", "b's SAE explains", "shifted text", "of native states",
        "F1 of firing", "loss recovered", "shifted text", "by a's SAE",
    ]  # fmt: skip
    return table(head, found)


def pairs(run: Run) -> str:
    """By layer pair, what paired features do, beside its null."""
    rows, found = only(run.function, control="none"), []
    for a, b in places(rows):
        cells = [f"{a} × {b}"]
        for question in QUESTIONS:
            of = only(rows, layer_a=a, layer_b=b, question=question)
            value, null, share = (number(of[name].mean()) for name in ("value", "null_mean", "share"))
            cells.append(f"{value} ({null}), {share}" if len(of) else "–")
        found.append(cells)
    return table(["layers", *(question.replace("_", " ") for question in QUESTIONS)], found)


def curves(run: Run) -> str:
    """Mean agreement of the most similar share of the pairs, over all layer pairs."""
    rows, found = only(run.function, control="none"), []
    for question in QUESTIONS:
        means = []
        for share in COVERAGES:
            there = [_at(curve, share) for curve in only(rows, question=question).curve]
            means.append(number(pd.Series(there, dtype=float).mean()))
        found.append([question.replace("_", " "), *means])
    return table(["most similar share of the pairs", *(f"{share:.0%}" for share in COVERAGES)], found)


def _at(curve: Iterable[Any], share: float) -> float:
    """Height of a curve at a coverage, or just below it."""
    near = [point["quality"] for point in curve if point is not None and point["coverage"] <= share + 1e-9]
    return near[-1] if near else float("nan")


def shares(run: Run) -> str:
    """Shares of features with a counterpart, over all layers."""
    rows, found = only(run.shared(), layer=-1), []
    for side in ("a", "b"):
        of = only(rows, side=side).set_index("verdict")
        cells = [run.side_name(side), f"{int(of.features.max()):,}"]
        for verdict in ("shared", "not shared", "can't be told"):
            one = of.loc[verdict] if verdict in of.index else None
            interval = "" if one is None else f" ({one.low:.0%} to {one.high:.0%})"
            cells.append("–" if one is None else f"{one.share:.0%}{interval}")
        found.append(cells)
    head = ["features of", "living", "have a counterpart", "demonstrably don't", "can't be told"]
    return table(head, found)


def unshared(run: Run) -> str:
    """Features whose best partner falls furthest below their ceiling; those called not shared first."""
    rows = run.features()
    rows = rows[rows.ceiling.notna() & (rows.verdict != "shared")]
    order = (rows.verdict != "not shared").to_frame("told").assign(gap=rows.r - rows.ceiling)
    chosen = rows.loc[order.sort_values(["told", "gap"]).index[:EXAMPLES]]
    found = [
        [
            f"{run.side_name(row.side)} L{row.layer} feature {row.feature}",
            ", ".join(f"`{token}`" for token in list(dict.fromkeys(row.top_tokens))[:4]),
            number(row.r),
            number(row.null_r),
            number(row.ceiling),
            row.verdict,
        ]
        for row in chosen.itertuples()
    ]
    head = ["feature", "fires on", "best r in the other", "by chance", "ceiling", "verdict"]
    return table(head, found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--page", type=Path)
    given = parser.parse_args()
    run = load_run(given.run)
    made = {"transfer": transfer, "pairs": pairs, "curves": curves, "shares": shares, "unshared": unshared}
    for name, make in made.items():
        text = make(run)
        print(f"\n{given.name}-{name}\n\n{text}")
        if given.page:
            written = given.page.read_text(encoding="utf-8")
            if f"<!-- begin {given.name}-{name} -->" in written:
                given.page.write_text(insert(written, f"{given.name}-{name}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
