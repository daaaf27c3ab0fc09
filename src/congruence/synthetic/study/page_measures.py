"""What the page says of measures: bias, power, and p where nothing is shared."""

import math

from congruence.synthetic.study.scoring import FOUND, KNOWN
from congruence.synthetic.study.shown import chapter, number, order, percent, table_of, value, worlds_of
from congruence.synthetic.study.summary import Frame

_POWER_OF = "50 or 60 % of "


def shares(summary: Frame) -> str:
    table = chapter(summary, "share")
    if not len(table):
        return ""
    ends = [share for share in (0.0, 0.5, 1.0) if (table.shared == share).any()]
    scores = table[table.quantity == "score"]
    cells = []
    for measure in order(scores.subject):
        mine = scores[scores.subject == measure]
        true, found = (mine[mine.setting == setting] for setting in (KNOWN, FOUND))
        bias = [abs(mean - share) for mean, share in zip(true["mean"], true.shared, strict=True)]
        half = true[true.shared == 0.5]
        cells.append([
            f"`{measure}`",
            *(number(value(true[true.shared == share], "score")) for share in ends),
            number(max(bias, default=math.nan)),
            number(float(half["sd"].iloc[0]) if len(half) else math.nan),
            number(value(found[found.shared == 0.0], "score")),
            number(value(found[found.shared == 0.5], "score")),
        ])  # fmt: skip
    names = [f"{percent(share)} shared" for share in ends]
    head = [
        "measure",
        *names,
        "farthest from the share",
        "sd at 50 %",
        "found pairs, 0 %",
        "found pairs, 50 %",
    ]
    pairs = table[(table.quantity == "right") & (table.setting == FOUND) & (table.shared == 0.5)]
    return (
        "## Measures against the planted share\n\nMean score of the true pairs (features without a partner "
        "are paired at random), of the pairs that `one_to_one` finds, and the spread over worlds "
        f"({worlds_of(scores)} at each share). At 50 % shared, {percent(value(pairs, 'right'))} of the found "
        f"pairs are right.\n\n{table_of(head, cells)}"
    )


def power(summary: Frame) -> str:
    table = summary[(summary.quantity == "power") & summary.chapter.str.startswith(_POWER_OF)]
    if not len(table):
        return ""
    chapters, settings = order(table.chapter), (KNOWN, FOUND)
    cells = []
    for measure in order(table.subject):
        mine = table[table.subject == measure]
        cells.append([f"`{measure}`", *(
            percent(value(mine[(mine.chapter == chapter) & (mine.setting == setting)], "power"))
            for chapter in chapters for setting in settings
        )])  # fmt: skip
    names = [
        f"{chapter.removeprefix(_POWER_OF)} features, {setting}"
        for chapter in chapters
        for setting in settings
    ]
    return (
        "## 50 % or 60 % shared?\n\nHow often a new pair of models with 60 % shared scores above the 95 % "
        "point of pairs of models with 50 %: chance gives 5 %. From means and spreads over "
        f"{worlds_of(table)} of each kind, by a normal approximation.\n\n"
        f"{table_of(['measure', *names], cells)}"
    )


def chance(summary: Frame) -> str:
    table = chapter(summary, "nothing shared")
    if not len(table):
        return ""
    nulls = order(table.setting)
    cells = []
    for measure in order(table.subject):
        mine = table[table.subject == measure]
        cells.append([f"`{measure}`", *(_of_null(mine[mine.setting == null]) for null in nulls)])
    worlds = int(table.worlds.max())
    least, most = _binomial_range(worlds)
    return (
        f"## p where nothing is shared\n\nShare of {worlds} worlds whose p is at most .05, and in brackets "
        "p of a Kolmogorov–Smirnov test that p is uniform. The pairs are those that `one_to_one` finds. "
        f"A right null gives .05, and with so many worlds {least:.2f} to {most:.2f} in 95 of 100 studies.\n\n"
        f"{table_of(['measure', *nulls], cells)}"
    )


def _binomial_range(worlds: int) -> tuple[float, float]:
    from scipy.stats import binom

    low, high = binom.interval(0.95, worlds, 0.05)
    return float(low) / worlds, float(high) / worlds


def _of_null(mine: Frame) -> str:
    share = value(mine, "p ≤ .05")
    return "" if math.isnan(share) else f"{share:.2f} ({value(mine, 'uniform'):.2f})"
