"""What the page says of pairs of features: who finds the right ones, and what is said to be shared."""

import math

from congruence.synthetic.study import sharing
from congruence.synthetic.study.pairing import IN_WORDS
from congruence.synthetic.study.shown import chapter, order, percent, table_of, two, value, worlds_of
from congruence.synthetic.study.summary import Frame

_TRUSTED = 0.95


def matchers(summary: Frame) -> str:
    table = chapter(summary, "matchers")
    if not len(table):
        return ""
    worlds, methods = order(table.world), order(table.subject)
    cells = [[method, *(_least(table, method, world) for world in worlds)] for method in methods]
    kinds = "\n".join(f"- **{world}**: {IN_WORDS[world]}" for world in worlds)
    at_all = [[method, *(two(table, method, world, "r > 0") for world in worlds)] for method in methods]
    return (
        f"## Matchers\n\nHalf of the features are shared ({worlds_of(table)}).\n\n{kinds}\n\n"
        "The least threshold of r above which 95 % of a matcher's pairs are right, and the share of the "
        "shared features that are still found above it (– where no threshold does it):\n\n"
        f"{table_of(['matcher', *worlds], cells)}\n\n"
        "Without a threshold (r > 0), share of pairs that are right / of shared features found:\n\n"
        f"{table_of(['matcher', *worlds], at_all)}"
    )


def _least(table: Frame, method: str, world: str) -> str:
    mine = table[(table.subject == method) & (table.world == world)]
    wide = mine.pivot_table(index="setting", columns="quantity", values="mean", sort=False)
    for setting, values in wide.iterrows():
        if values.get("precision", math.nan) >= _TRUSTED:
            return f"{str(setting).removeprefix('r > ')}: {percent(values['recall'])}"
    return "–"


def filters(summary: Frame) -> str:
    table = chapter(summary, "filters")
    if not len(table):
        return ""
    worlds = order(table.world)
    found = table.drop_duplicates(["subject", "setting"])[["subject", "setting"]].to_numpy()
    cells = [
        [f"{name} {setting}".strip(), *(two(table, name, world, setting) for world in worlds)]
        for name, setting in found
    ]
    return (
        f"## Filters\n\nEach alone, on the best A of every B feature (many_to_one; {worlds_of(table)}): "
        "share of the kept pairs that are right / share of the shared features still found.\n\n"
        f"{table_of(['filter', *worlds], cells)}"
    )


def best_r(summary: Frame) -> str:
    table = chapter(summary, "best r")
    if not len(table):
        return ""
    quantities = order(table.quantity)
    rows = table.drop_duplicates(["world", "shared"])[["world", "shared"]].to_numpy()
    cells = [
        [
            f"{world}, {percent(share)} shared",
            *(
                percent(value(table[(table.world == world) & (table.shared == share)], quantity))
                for quantity in quantities
            ),
        ]
        for world, share in rows
    ]
    return (
        "## The null of the best r\n\nEvery B feature's best r against the best r of text shifted by "
        f"documents ({table.setting.iloc[0]}; {worlds_of(table)}); q by Benjamini and Hochberg over the "
        f"features.\n\n{table_of(['world', *quantities], cells)}"
    )


def verdicts(summary: Frame) -> str:
    pairs, many = chapter(summary, sharing.PLANTED), chapter(summary, sharing.MANY)
    if not len(pairs) or not len(many):
        return ""
    cells = []
    for world in order(pairs.world):
        mine = pairs[pairs.world == world]
        line = [f"{world} ({percent(float(mine.shared.iloc[0]), 1)} shared)"]
        for setting in (sharing.WITH, sharing.WITHOUT):
            told = mine[mine.setting == setting]
            line += [percent(value(told[told.subject == claim], "said of"), 1) for claim in _CLAIMS]
        cells.append(line)
    head = [
        "models",
        *(f"{claim}, {setting}" for setting in (sharing.WITH, sharing.WITHOUT) for claim in _CLAIMS),
    ]
    of_kinds = []
    for world in [*order(many.world), "all"]:
        mine = many if world == "all" else many[many.world == world]
        line = [world]
        for claim in _CLAIMS:
            told = mine[(mine.subject == claim) & (mine.setting == sharing.WITH)]
            line += [percent(_over_shares(told, quantity), 1) for quantity in ("false among them", "found")]
        told = mine[(mine.subject == _CLAIMS[0]) & (mine.setting == sharing.WITHOUT)]
        line += [percent(_over_shares(told, quantity), 1) for quantity in ("false among them", "found")]
        of_kinds.append(line)
    counted = many[
        (many.quantity == "said of") & (many.subject == _CLAIMS[0]) & (many.setting == sharing.WITH)
    ]
    shares = ", ".join(percent(share) for share in sorted(set(many.shared)))
    return (
        "## Shared, not shared, can't be told\n\nThe verdict on every feature of both models "
        f"({worlds_of(pairs)} each), {sharing.DRAWS} shifts of the text; the ceiling is another reading of "
        f"the same model. Share of the features of which it is said:\n\n{table_of(head, cells)}\n\n"
        f"Over {int(counted.worlds.sum())} pairs of models with {shares} shared, in turn: share of the "
        f"verdicts that are false (nominally at most {percent(sharing.FDR)}), and of the features that are "
        "found.\n\n"
        f"{table_of(['world', *_HEADS], of_kinds)}"
    )


_CLAIMS = (sharing.SHARED, sharing.NOT_SHARED)
_HEADS = [
    "shared: false", "found", "not shared: false", "found", "shared, without a ceiling: false", "found",
]  # fmt: skip


def _over_shares(table: Frame, quantity: str) -> float:
    """The mean over all worlds, whatever their planted share."""
    mine = table[table.quantity == quantity]
    worlds = mine.worlds.sum()
    return float((mine["mean"] * mine.worlds).sum() / worlds) if worlds else math.nan
