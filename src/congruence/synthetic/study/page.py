"""The page of the study: tables of the summary, and what they say."""

import math
from collections.abc import Mapping, Sequence

from congruence.synthetic.study import doing, looking, sharing
from congruence.synthetic.study.pairing import IN_WORDS
from congruence.synthetic.study.scoring import FOUND, KNOWN
from congruence.synthetic.study.summary import Frame

BEGIN, END = "<!-- measured by: {command} -->", "<!-- end of what was measured -->"
_TRUSTED = 0.95
_POWER_OF = "50 or 60 % of "


def page_of(summary: Frame, *, command: str, figures: Mapping[str, str]) -> str:
    """The whole page.

    Args:
        summary: as `summary_of` or `read_summary` gives it.
        command: that gave it.
        figures: name of each figure -> where the page finds it.
    """
    title = "# What is recovered of a known truth\n\n"
    return title + measured(summary, command=command, figures=figures)


def measured(summary: Frame, *, command: str, figures: Mapping[str, str]) -> str:
    """The part of the page that numbers decide, between two marks that name the command."""
    sections = [
        _matchers,
        _filters,
        _best_r,
        _verdicts,
        _presence,
        _function,
        _shares,
        _power,
        _chance,
        _dictionaries,
        _transfer,
    ]
    parts = [BEGIN.format(command=command)]
    for section in sections:
        text = section(summary)
        name = section.__name__.strip("_")
        if text and name in figures:
            text += f"\n\n![{_CAPTIONS[name]}]({figures[name]})"
        parts.append(text)
    return "\n\n".join(part for part in [*parts, END] if part) + "\n"


_CAPTIONS = {
    "matchers": "Precision and recall of every matcher over thresholds of r, in six kinds of worlds",
    "filters": "Share of pairs that are right, and of shared features still found, after each filter alone",
    "function": "Precision and recall over thresholds where half of the partners do something else, and the "
    "share that is said to do the same against the planted one where all fire alike",
    "shares": "Every measure against the planted share: true pairs, found pairs, and the diagonal",
    "power": "Power of every measure to tell 60 % shared from 50 %",
    "chance": "Share of worlds with nothing shared whose p is at most .05, by measure and null",
    "transfer": "A's SAE on B's mapped states over planted shares, with ceiling and nulls",
    "dictionaries": "What is left of the truth with more features than dimensions",
}


def _matchers(summary: Frame) -> str:
    table = _chapter(summary, "matchers")
    if not len(table):
        return ""
    worlds, methods = _order(table.world), _order(table.subject)
    cells = [[method, *(_least(table, method, world) for world in worlds)] for method in methods]
    kinds = "\n".join(f"- **{world}**: {IN_WORDS[world]}" for world in worlds)
    at_all = [[method, *(_two(table, method, world, "r > 0") for world in worlds)] for method in methods]
    return (
        f"## Matchers\n\nHalf of the features are shared ({_worlds(table)}).\n\n{kinds}\n\n"
        "The least threshold of r above which 95 % of a matcher's pairs are right, and the share of the "
        "shared features that are still found above it (– where no threshold does it):\n\n"
        f"{_table(['matcher', *worlds], cells)}\n\n"
        "Without a threshold (r > 0), share of pairs that are right / of shared features found:\n\n"
        f"{_table(['matcher', *worlds], at_all)}"
    )


def _least(table: Frame, method: str, world: str) -> str:
    mine = table[(table.subject == method) & (table.world == world)]
    wide = mine.pivot_table(index="setting", columns="quantity", values="mean", sort=False)
    for setting, values in wide.iterrows():
        if values.get("precision", math.nan) >= _TRUSTED:
            return f"{str(setting).removeprefix('r > ')}: {_percent(values['recall'])}"
    return "–"


def _two(table: Frame, subject: str, world: str, setting: str) -> str:
    mine = table[(table.subject == subject) & (table.world == world) & (table.setting == setting)]
    return " / ".join(_percent(_value(mine, quantity)) for quantity in ("precision", "recall"))


def _filters(summary: Frame) -> str:
    table = _chapter(summary, "filters")
    if not len(table):
        return ""
    worlds = _order(table.world)
    found = table.drop_duplicates(["subject", "setting"])[["subject", "setting"]].to_numpy()
    cells = [
        [f"{name} {setting}".strip(), *(_two(table, name, world, setting) for world in worlds)]
        for name, setting in found
    ]
    return (
        f"## Filters\n\nEach alone, on the best A of every B feature (many_to_one; {_worlds(table)}): share "
        "of the kept pairs that are right / share of the shared features still found.\n\n"
        f"{_table(['filter', *worlds], cells)}"
    )


def _best_r(summary: Frame) -> str:
    table = _chapter(summary, "best r")
    if not len(table):
        return ""
    quantities = _order(table.quantity)
    rows = table.drop_duplicates(["world", "shared"])[["world", "shared"]].to_numpy()
    cells = [
        [
            f"{world}, {_percent(share)} shared",
            *(
                _percent(_value(table[(table.world == world) & (table.shared == share)], quantity))
                for quantity in quantities
            ),
        ]
        for world, share in rows
    ]
    return (
        "## The null of the best r\n\nEvery B feature's best r against the best r of text shifted by "
        f"documents ({table.setting.iloc[0]}; {_worlds(table)}); q by Benjamini and Hochberg over the "
        f"features.\n\n{_table(['world', *quantities], cells)}"
    )


def _verdicts(summary: Frame) -> str:
    pairs, many = _chapter(summary, sharing.PLANTED), _chapter(summary, sharing.MANY)
    if not len(pairs) or not len(many):
        return ""
    cells = []
    for world in _order(pairs.world):
        mine = pairs[pairs.world == world]
        line = [f"{world} ({_percent(float(mine.shared.iloc[0]), 1)} shared)"]
        for setting in (sharing.WITH, sharing.WITHOUT):
            told = mine[mine.setting == setting]
            line += [_percent(_value(told[told.subject == claim], "said of"), 1) for claim in _CLAIMS]
        cells.append(line)
    head = [
        "models",
        *(f"{claim}, {setting}" for setting in (sharing.WITH, sharing.WITHOUT) for claim in _CLAIMS),
    ]
    of_kinds = []
    for world in [*_order(many.world), "all"]:
        mine = many if world == "all" else many[many.world == world]
        line = [world]
        for claim in _CLAIMS:
            told = mine[(mine.subject == claim) & (mine.setting == sharing.WITH)]
            line += [_percent(_over_shares(told, quantity), 1) for quantity in ("false among them", "found")]
        told = mine[(mine.subject == _CLAIMS[0]) & (mine.setting == sharing.WITHOUT)]
        line += [_percent(_over_shares(told, quantity), 1) for quantity in ("false among them", "found")]
        of_kinds.append(line)
    counted = many[
        (many.quantity == "said of") & (many.subject == _CLAIMS[0]) & (many.setting == sharing.WITH)
    ]
    shares = ", ".join(_percent(share) for share in sorted(set(many.shared)))
    return (
        "## Shared, not shared, can't be told\n\nThe verdict on every feature of both models "
        f"({_worlds(pairs)} each), {sharing.DRAWS} shifts of the text; the ceiling is another reading of "
        f"the same model. Share of the features of which it is said:\n\n{_table(head, cells)}\n\n"
        f"Over {int(counted.worlds.sum())} pairs of models with {shares} shared, in turn: share of the "
        f"verdicts that are false (nominally at most {_percent(sharing.FDR)}), and of the features that are "
        "found.\n\n"
        f"{_table(['world', *_HEADS], of_kinds)}"
    )


def _presence(summary: Frame) -> str:
    table = _chapter(summary, looking.CHAPTER)
    if not len(table):
        return ""
    quantities = _order(table.quantity)
    cells = []
    for world in _order(table.world):
        for kind in _order(table.subject):
            mine = table[(table.world == world) & (table.subject == kind)]
            values = [_value(mine, quantity) for quantity in quantities]
            shown = [
                _percent(v) if q.startswith("said") else _number(v)
                for q, v in zip(quantities, values, strict=True)
            ]
            cells.append([world, kind, *shown])
    return (
        "## In the model, or in its dictionary?\n\nA's features looked for in B's hidden states and in the "
        f"error of B's SAE; half of the features are shared, and of these one in {looking.DROPPED} was "
        f"dropped from B's dictionary ({_worlds(table)}).\n\n"
        f"{_table(['world', 'features of A', *quantities], cells)}"
    )


def _function(summary: Frame) -> str:
    table = _chapter(summary, doing.CHAPTER)
    if not len(table):
        return ""
    questions, kinds = _order(table.subject), (doing.SAME, doing.ALIKE, doing.NEGATIVES)
    said, told_apart = [], []
    for world in _order(table.world):
        mine = table[table.world == world]
        line = [world, _percent(doing.planted_share(world.partition(":")[0]))]
        for question in questions:
            asked = mine[(mine.subject == question) & (mine.setting == "")]
            line.append(" / ".join(_percent(_value(asked, q)) for q in ("said of", "precision", "recall")))
        said.append(line)
        for question in questions if doing.HALF in world else ():
            asked = [mine[(mine.subject == question) & (mine.setting == kind)] for kind in kinds]
            scores = [_number(_value(one, "score")) for one in asked]
            areas = [_number(_value(one, "AUC")) for one in asked[1:]]
            above = _two(mine, question, world, "> 0.5")
            told_apart.append([world.partition(": ")[2], question, *scores, *areas, above])
    heads = [*kinds, *(f"AUC: {kinds[0]} or {kind}" for kind in kinds[1:]), "above .5: right / found"]
    return (
        "## Do pairs do the same?\n\nOf what is shared a part does something else: it fires as its partner "
        f"does, and makes other tokens more likely. Pairs that `{doing.METHOD}` finds ({_worlds(table)} "
        "each): the share of B's features of which it is said that they have a partner which does the same / "
        "how many of these do / how many of the pairs that do are found. Said by r: all pairs with "
        f"r > {doing.LEAST_R}; by the others: those above the 95 % point of their null, as a run says it.\n\n"
        f"{_table(['models', 'planted', *questions], said)}\n\n"
        "Where half of the partners do something else: mean scores of pairs of each kind, and how often a "
        "pair that does the same scores higher than one that doesn't.\n\n"
        f"{_table(['world', 'question', *heads], told_apart)}"
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


def _shares(summary: Frame) -> str:
    table = _chapter(summary, "share")
    if not len(table):
        return ""
    ends = [share for share in (0.0, 0.5, 1.0) if (table.shared == share).any()]
    scores = table[table.quantity == "score"]
    cells = []
    for measure in _order(scores.subject):
        mine = scores[scores.subject == measure]
        true, found = (mine[mine.setting == setting] for setting in (KNOWN, FOUND))
        bias = [abs(mean - share) for mean, share in zip(true["mean"], true.shared, strict=True)]
        half = true[true.shared == 0.5]
        cells.append([
            f"`{measure}`",
            *(_number(_value(true[true.shared == share], "score")) for share in ends),
            _number(max(bias, default=math.nan)),
            _number(float(half["sd"].iloc[0]) if len(half) else math.nan),
            _number(_value(found[found.shared == 0.0], "score")),
            _number(_value(found[found.shared == 0.5], "score")),
        ])  # fmt: skip
    names = [f"{_percent(share)} shared" for share in ends]
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
        f"({_worlds(scores)} at each share). At 50 % shared, {_percent(_value(pairs, 'right'))} of the found "
        f"pairs are right.\n\n{_table(head, cells)}"
    )


def _power(summary: Frame) -> str:
    table = summary[(summary.quantity == "power") & summary.chapter.str.startswith(_POWER_OF)]
    if not len(table):
        return ""
    chapters, settings = _order(table.chapter), (KNOWN, FOUND)
    cells = []
    for measure in _order(table.subject):
        mine = table[table.subject == measure]
        cells.append([f"`{measure}`", *(
            _percent(_value(mine[(mine.chapter == chapter) & (mine.setting == setting)], "power"))
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
        f"{_worlds(table)} of each kind, by a normal approximation.\n\n"
        f"{_table(['measure', *names], cells)}"
    )


def _chance(summary: Frame) -> str:
    table = _chapter(summary, "nothing shared")
    if not len(table):
        return ""
    nulls = _order(table.setting)
    cells = []
    for measure in _order(table.subject):
        mine = table[table.subject == measure]
        cells.append([f"`{measure}`", *(_of_null(mine[mine.setting == null]) for null in nulls)])
    worlds = int(table.worlds.max())
    least, most = _binomial_range(worlds)
    return (
        f"## p where nothing is shared\n\nShare of {worlds} worlds whose p is at most .05, and in brackets "
        "p of a Kolmogorov–Smirnov test that p is uniform. The pairs are those that `one_to_one` finds. "
        f"A right null gives .05, and with so many worlds {least:.2f} to {most:.2f} in 95 of 100 studies.\n\n"
        f"{_table(['measure', *nulls], cells)}"
    )


def _binomial_range(worlds: int) -> tuple[float, float]:
    from scipy.stats import binom

    low, high = binom.interval(0.95, worlds, 0.05)
    return float(low) / worlds, float(high) / worlds


def _of_null(mine: Frame) -> str:
    share = _value(mine, "p ≤ .05")
    return "" if math.isnan(share) else f"{share:.2f} ({_value(mine, 'uniform'):.2f})"


def _dictionaries(summary: Frame) -> str:
    table = _chapter(summary, "dictionaries")
    if not len(table):
        return ""
    worlds = _order(table.world)
    found = table.drop_duplicates(["subject", "setting", "quantity"])[["subject", "setting", "quantity"]]
    cells = []
    for subject, setting, quantity in found.to_numpy():
        mine = table[(table.subject == subject) & (table.setting == setting)]
        label = f"{subject}: {quantity}" + (f" ({setting})" if setting else "")
        values = [_value(mine[mine.world == world], quantity) for world in worlds]
        cells.append([label, *(_number(value) for value in values)])
    return (
        "## Features read from hidden states\n\nThe true directions with the best linear encoder, and TopK "
        "SAEs trained on the states; half of the features are shared.\n\n"
        f"{_table(['', *worlds], cells)}"
    )


def _transfer(summary: Frame) -> str:
    table = _chapter(summary, "transfer")
    if not len(table):
        return ""
    shares = sorted(set(table.shared))
    found = table.drop_duplicates(["subject", "setting"])[["subject", "setting"]].to_numpy()
    cells = []
    for kind, null in found:
        mine = table[(table.subject == kind) & (table.setting == null)]
        for_share = [mine[mine.shared == share] for share in shares]
        values = [" / ".join(_number(_value(one, name)) for name in _MAPPED) for one in for_share]
        cells.append([f"{kind}, {null}" if null else kind, *values])
    return (
        "## B's states, mapped, in A's SAE\n\nA's true dictionary on B's states, mapped by what half of the "
        f"documents fit and judged on the others ({_worlds(table)} at each share, two features per "
        f"dimension): {' / '.join(_MAPPED)}.\n\n"
        f"{_table(['map', *(f'{_percent(share)} shared' for share in shares)], cells)}"
    )


_MAPPED = ("R²", "EV", "EV of A's own", "F1 of firing")


def _chapter(summary: Frame, name: str) -> Frame:
    return summary[summary.chapter == name]


def _order(values: Frame) -> list[str]:
    return [str(value) for value in dict.fromkeys(values)]


def _value(table: Frame, quantity: str) -> float:
    mine = table[table.quantity == quantity]
    return float(mine["mean"].iloc[0]) if len(mine) else math.nan


def _worlds(table: Frame) -> str:
    count = int(table.worlds.max())
    return f"{count} world{'s' if count > 1 else ''}"


def _percent(value: float, digits: int = 0) -> str:
    return "–" if not math.isfinite(value) else f"{100 * value:.{digits}f} %"


def _number(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{value:.2f}".replace("-0.00", "0.00")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
