"""What the page says of features in models: there without a dictionary, doing the same, read, mapped."""

from congruence.synthetic.study import doing, looking
from congruence.synthetic.study.shown import chapter, number, order, percent, table_of, two, value, worlds_of
from congruence.synthetic.study.summary import Frame


def presence(summary: Frame) -> str:
    table = chapter(summary, looking.CHAPTER)
    if not len(table):
        return ""
    quantities = order(table.quantity)
    cells = []
    for world in order(table.world):
        for kind in order(table.subject):
            mine = table[(table.world == world) & (table.subject == kind)]
            values = [value(mine, quantity) for quantity in quantities]
            shown = [
                percent(v) if q.startswith("said") else number(v)
                for q, v in zip(quantities, values, strict=True)
            ]
            cells.append([world, kind, *shown])
    return (
        "## In the model, or in its dictionary?\n\nA's features looked for in B's hidden states and in the "
        f"error of B's SAE; half of the features are shared, and of these one in {looking.DROPPED} was "
        f"dropped from B's dictionary ({worlds_of(table)}).\n\n"
        f"{table_of(['world', 'features of A', *quantities], cells)}"
    )


def function(summary: Frame) -> str:
    table = chapter(summary, doing.CHAPTER)
    if not len(table):
        return ""
    questions, kinds = order(table.subject), (doing.SAME, doing.ALIKE, doing.NEGATIVES)
    said, told_apart = [], []
    for world in order(table.world):
        mine = table[table.world == world]
        line = [world, percent(doing.planted_share(world.partition(":")[0]))]
        for question in questions:
            asked = mine[(mine.subject == question) & (mine.setting == "")]
            line.append(" / ".join(percent(value(asked, q)) for q in ("said of", "precision", "recall")))
        said.append(line)
        for question in questions if doing.HALF in world else ():
            asked = [mine[(mine.subject == question) & (mine.setting == kind)] for kind in kinds]
            scores = [number(value(one, "score")) for one in asked]
            areas = [number(value(one, "AUC")) for one in asked[1:]]
            above = two(mine, question, world, "> 0.5")
            told_apart.append([world.partition(": ")[2], question, *scores, *areas, above])
    heads = [*kinds, *(f"AUC: {kinds[0]} or {kind}" for kind in kinds[1:]), "above .5: right / found"]
    return (
        "## Do pairs do the same?\n\nOf what is shared a part does something else: it fires as its partner "
        f"does, and makes other tokens more likely. Pairs that `{doing.METHOD}` finds ({worlds_of(table)} "
        "each): the share of B's features of which it is said that they have a partner which does the same / "
        "how many of these do / how many of the pairs that do are found. Said by r: all pairs with "
        f"r > {doing.LEAST_R}; by the others: those above the 95 % point of their null, as a run says it.\n\n"
        f"{table_of(['models', 'planted', *questions], said)}\n\n"
        "Where half of the partners do something else: mean scores of pairs of each kind, and how often a "
        "pair that does the same scores higher than one that doesn't.\n\n"
        f"{table_of(['world', 'question', *heads], told_apart)}"
    )


def dictionaries(summary: Frame) -> str:
    table = chapter(summary, "dictionaries")
    if not len(table):
        return ""
    worlds = order(table.world)
    found = table.drop_duplicates(["subject", "setting", "quantity"])[["subject", "setting", "quantity"]]
    cells = []
    for subject, setting, quantity in found.to_numpy():
        mine = table[(table.subject == subject) & (table.setting == setting)]
        label = f"{subject}: {quantity}" + (f" ({setting})" if setting else "")
        values = [value(mine[mine.world == world], quantity) for world in worlds]
        cells.append([label, *(number(value) for value in values)])
    return (
        "## Features read from hidden states\n\nThe true directions with the best linear encoder, and TopK "
        "SAEs trained on the states; half of the features are shared.\n\n"
        f"{table_of(['', *worlds], cells)}"
    )


def transfer(summary: Frame) -> str:
    table = chapter(summary, "transfer")
    if not len(table):
        return ""
    shares = sorted(set(table.shared))
    found = table.drop_duplicates(["subject", "setting"])[["subject", "setting"]].to_numpy()
    cells = []
    for kind, null in found:
        mine = table[(table.subject == kind) & (table.setting == null)]
        for_share = [mine[mine.shared == share] for share in shares]
        values = [" / ".join(number(value(one, name)) for name in _MAPPED) for one in for_share]
        cells.append([f"{kind}, {null}" if null else kind, *values])
    return (
        "## B's states, mapped, in A's SAE\n\nA's true dictionary on B's states, mapped by what half of the "
        f"documents fit and judged on the others ({worlds_of(table)} at each share, two features per "
        f"dimension): {' / '.join(_MAPPED)}.\n\n"
        f"{table_of(['map', *(f'{percent(share)} shared' for share in shares)], cells)}"
    )


_MAPPED = ("R²", "EV", "EV of A's own", "F1 of firing")
