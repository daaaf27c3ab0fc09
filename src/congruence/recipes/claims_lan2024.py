"""The claims of Lan et al. 2024, one check each."""

import math

import numpy as np

from congruence.recipes.claims import (
    ALPHA,
    FEWEST_PAIRS,
    Told,
    above_null,
    claim,
    enough,
    higher_than,
    in_both,
    judged,
    last_drops,
    middle_highest,
    trend,
    unknown,
)
from congruence.recipes.concept_checks import RSA, SVCCA, all_significant, concept_rows, significant_at
from congruence.recipes.numbers import Numbers

L = "lan2024"
GRIDS = ("lan2024-pythia", "lan2024-gemma")
MANY = ("lan2024-pythia-many-to-one", "lan2024-gemma-many-to-one", "lan2024-pythia-one-to-many")
SEMANTIC = ("lan2024-semantic-pythia", "lan2024-semantic-gemma")
TINY = "lan2024-tinystories"
BEFORE, AFTER = "mean r before filters", "mean r after filters"
OF_TABLE_1 = ("Time", "Calendar", "Nature", "MonthNames", "People/Roles", "Emotions")


@claim("middle layers highest, SVCCA", L, "Middle layers are more alike than early and late ones.", *GRIDS)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return middle_highest(numbers, SVCCA)


@claim("middle layers highest, RSA", L, "The same of RSA.", *GRIDS)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return middle_highest(numbers, RSA)


@claim("last layer drops", L, "Likeness drops at the last layer of the larger model.", *GRIDS)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return last_drops(numbers, SVCCA)


@claim("paired above random, SVCCA", L, "Paired features score above random pairings at every layer pair "
       "but those of the first and last layers.", *GRIDS, *MANY)  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return above_null(numbers, SVCCA, inner=True)


@claim("paired above random, RSA", L, "The same of RSA.", *GRIDS, *MANY)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return above_null(numbers, RSA, inner=True)


@claim("RSA below SVCCA", L, "RSA gives lower scores than SVCCA.", *GRIDS)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    if why := enough(numbers):
        return unknown(why)
    return higher_than(numbers.grid(SVCCA), numbers.grid(RSA), ("SVCCA", "RSA"))


@claim("RSA and SVCCA agree", L, "RSA and SVCCA follow the same trend over layers.", *GRIDS)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    rho, p, cells = trend(numbers.grid(SVCCA), numbers.grid(RSA))
    if why := enough(numbers) or ("" if cells > 3 else f"{cells} layer pairs have both"):
        return unknown(why)
    return judged(rho > 0 and p < ALPHA, f"rank correlation {rho:.2f} over {cells} layer pairs, p {p:.3f}")


@claim("1-to-1 above many-to-1", L, "1-to-1 pairs score higher than many-to-1 pairs.", *GRIDS)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    if beside is None:
        return unknown("the many-to-1 run isn't beside it: name its folder by --beside")
    if why := enough(numbers) or enough(beside):
        return unknown(why)
    return higher_than(numbers.grid(SVCCA), beside.grid(SVCCA), ("1-to-1", "many-to-1"))


@claim("many-to-1 below 1-to-1", L, "Many-to-1 pairs score lower than 1-to-1 pairs.", *MANY)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    if beside is None:
        return unknown("the 1-to-1 run isn't beside it: name its folder by --beside")
    if why := enough(numbers) or enough(beside):
        return unknown(why)
    return higher_than(beside.grid(SVCCA), numbers.grid(SVCCA), ("1-to-1", "many-to-1"))


@claim("filtering raises the mean correlation", L, "Filtered pairs correlate more than unfiltered ones.",
       *GRIDS, *MANY)  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return higher_than(numbers.grid(AFTER), numbers.grid(BEFORE), ("after", "before"))


@claim("correlation isn't likeness", L, "The mean correlation of pairs says little about the likeness of "
       "their spaces.", *GRIDS)  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    rho, p, cells = trend(numbers.grid(AFTER), numbers.grid(SVCCA))
    if why := enough(numbers) or ("" if cells >= 10 else f"{cells} layer pairs have both; it takes 10"):
        return unknown(why)
    return judged(abs(rho) < 0.5, f"rank correlation {rho:.2f} over {cells} layer pairs, p {p:.3f}")


@claim("concepts above random, SVCCA", L, "Paired semantic subspaces score above re-paired ones.", *SEMANTIC)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return all_significant(numbers, SVCCA)


@claim("concepts above random, RSA", L, "The same of RSA.", *SEMANTIC)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return all_significant(numbers, RSA)


@claim("concepts above random features, SVCCA", L, "They score above random subsets of as many features "
       "paired anew (Test 2).", *SEMANTIC)  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return all_significant(numbers, SVCCA, " p (subset)")


@claim("concepts above random features, RSA", L, "The same of RSA.", *SEMANTIC)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return all_significant(numbers, RSA, " p (subset)")


@claim("concepts above the whole space", L, "Semantic subspaces are more alike than the whole spaces.",
       *SEMANTIC, "son2025-semantic")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    whole = (beside or numbers).grid(SVCCA)
    if not whole.size:
        return unknown("the whole space isn't among these numbers")
    rows = concept_rows(numbers, SVCCA)
    rows = rows[rows.pairs >= FEWEST_PAIRS]
    stacked = whole.stack()
    pairs = [
        (float(rows[SVCCA].loc[place]), float(stacked.loc[place[1:]]))
        for place in rows.index
        if place[1:] in stacked.index
    ]
    if not pairs:
        return unknown(f"no concept has {FEWEST_PAIRS} pairs where the whole space is scored")
    above = sum(one > other for one, other in pairs)
    return judged(above > len(pairs) / 2, f"{above} of {len(pairs)} concepts and layer pairs; a score of few "
                  "pairs is higher by chance alone: compare each with its null")  # fmt: skip


@claim("Emotions and MonthNames high at 3 × 5", L, "At layers 3 and 5 of Pythia every concept of table 1 "
       "scores at least .5.", SEMANTIC[0])  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    grids = {name: numbers.grid(SVCCA, name) for name in OF_TABLE_1}
    scores = {n: float(g.loc[3, 5]) for n, g in grids.items() if 3 in g.index and 5 in g.columns}
    pairs = {n: numbers.grid("pairs", n) for n in scores}
    told = {n: s for n, s in scores.items() if pairs[n].loc[3, 5] >= FEWEST_PAIRS}
    if not told:
        return unknown("none of them has pairs enough at layers 3 × 5")
    words = ", ".join(f"{name} {score:.2f}" for name, score in told.items())
    return judged(min(told.values()) >= 0.495, words)


@claim("RSA of table 9 stands", L, "At layers 3 and 5 of Pythia every concept of table 9 has an RSA above "
       "random.", SEMANTIC[0])  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return significant_at(numbers, RSA, (3, 5), OF_TABLE_1)


@claim("SVCCA of table 2 stands", L, "At layers 12 and 14 of Gemma every concept of table 2 but Countries "
       "scores above random.", SEMANTIC[1])  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return significant_at(
        numbers, SVCCA, (12, 14), ("Time", "Calendar", "Nature", "People/Roles", "Emotions")
    )


@claim("one-component law of the null", L, "Null means of the published SVCCA follow √(2/(π(n − 1))), as one "
       "component would.", *GRIDS, *SEMANTIC)  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    rows = numbers.table[
        numbers.table.quantity.isin([f"{SVCCA} null", "pairs"]) & numbers.table.value.notna()
    ]
    wide = rows.pivot_table(index=["concept", "layer_a", "layer_b"], columns="quantity", values="value")
    wide = wide.reindex(columns=[f"{SVCCA} null", "pairs"]).dropna()
    wide = wide[wide.pairs >= FEWEST_PAIRS]
    if wide.empty:
        return unknown(f"no null of {FEWEST_PAIRS} pairs or more")
    ratio = wide[f"{SVCCA} null"] / np.sqrt(2 / (math.pi * (wide.pairs - 1)))
    words = f"mean ratio {ratio.mean():.2f} over {len(ratio)} scores"
    return judged(abs(float(ratio.mean()) - 1) < 0.1, words)


def _filters_raise(numbers: Numbers, beside: Numbers | None) -> Told:
    if beside is None:
        return unknown("the unfiltered part isn't there")
    if why := enough(numbers):
        return unknown(why)
    return higher_than(numbers.grid(SVCCA), beside.grid(SVCCA), ("filtered", "unfiltered"))


@claim("filters raise the score between seeds", L, "Of SAEs of two seeds, filtering raises SVCCA (.73 to "
       ".94, .80 to .94): each feature of b to its best of a.", TINY, parts=("", "unfiltered"))  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return _filters_raise(numbers, beside)


@claim("filters raise it in the other direction", L, "The same, each feature of a to its best of b.", TINY,
       parts=("filtered-one-to-many", "unfiltered-one-to-many"))  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return _filters_raise(numbers, beside)


@claim("not by any filter", L, "Dropping as many pairs by random tokens raises it less.", TINY,
       parts=("", "random-tokens"))  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    if beside is None:
        return unknown("the part of random tokens isn't there")
    if why := enough(numbers):
        return unknown(why)
    return higher_than(numbers.grid(SVCCA), beside.grid(SVCCA), ("non-concept tokens", "random tokens"))


@claim("pairing by cosine agrees", L, "Pairs by the cosine of decoder rows score alike (.92).", TINY,
       parts=("", "cosine"))  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    if beside is None:
        return unknown("the part paired by cosine isn't there")
    both = in_both(numbers.grid(SVCCA), beside.grid(SVCCA))
    if why := enough(numbers) or ("" if len(both) else "no layer pair has both"):
        return unknown(why)
    gap = float((both.iloc[:, 0] - both.iloc[:, 1]).abs().mean())
    return judged(gap < 0.05, f"by r {both.iloc[:, 0].mean():.2f}, by cosine {both.iloc[:, 1].mean():.2f}")


@claim("the Llama pair is alike", L, "Llama 3 and 3.1 score above random at layer 25.", "lan2024-llama")
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return above_null(numbers, SVCCA, inner=False)


@claim("SAE features above neurons", L, "SAE features pair better than neurons do.", "lan2024-neurons")
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    if beside is None:
        return unknown("the run of lan2024-pythia isn't beside it: name its folder by --beside")
    if why := enough(numbers) or enough(beside):
        return unknown(why)
    return higher_than(beside.grid(SVCCA), numbers.grid(SVCCA), ("SAE features", "neurons"))
