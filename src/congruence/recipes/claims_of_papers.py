"""The claims of Lan et al. 2024 and Son et al. 2025, one check each."""

import math

import numpy as np

from congruence.recipes.claims import (
    ALPHA,
    FEWEST_PAIRS,
    Told,
    above_null,
    claim,
    enough,
    enough_layers,
    higher_than,
    in_both,
    judged,
    last_drops,
    middle_highest,
    trend,
    unknown,
)
from congruence.recipes.numbers import Frame, Numbers

L, S = "lan2024", "son2025"
GRIDS = ("lan2024-pythia", "lan2024-gemma")
MANY = ("lan2024-pythia-many-to-one", "lan2024-gemma-many-to-one", "lan2024-pythia-one-to-many")
SEMANTIC = ("lan2024-semantic-pythia", "lan2024-semantic-gemma")
SON = ("son2025-gemma",)
SVCCA, RSA = "pc1_correlation", "rsa"
BEFORE, AFTER = "mean r before filters", "mean r after filters"


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


def _concept_rows(numbers: Numbers, quantity: str) -> Frame:
    rows = numbers.table[(numbers.table.concept != "all") & numbers.table.value.notna()]
    keys = ["concept", "layer_a", "layer_b"]
    wide = rows.pivot_table(index=keys, columns="quantity", values="value")
    wanted = [quantity, f"{quantity} null", f"{quantity} p", "pairs"]
    return wide.reindex(columns=wanted).dropna()


def _all_significant(numbers: Numbers, quantity: str) -> Told:
    rows = _concept_rows(numbers, quantity)
    told = rows[rows.pairs >= FEWEST_PAIRS]
    if told.empty:
        return unknown(f"no concept has {FEWEST_PAIRS} pairs anywhere")
    stands = int((told[f"{quantity} p"] < ALPHA).sum())
    few = len(rows) - len(told)
    more = f"; {few} more have fewer than {FEWEST_PAIRS} pairs" if few else ""
    return judged(stands == len(told), f"{stands} of {len(told)} concepts and layer pairs, p < {ALPHA}{more}")


@claim("concepts above random, SVCCA", L, "Paired semantic subspaces score above re-paired ones.", *SEMANTIC)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return _all_significant(numbers, SVCCA)


@claim("concepts above random, RSA", L, "The same of RSA.", *SEMANTIC)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return _all_significant(numbers, RSA)


@claim("concepts above the whole space", L, "Semantic subspaces are more alike than the whole spaces.",
       *SEMANTIC, "son2025-semantic")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    whole = (beside or numbers).grid(SVCCA)
    if not whole.size:
        return unknown("the whole space isn't among these numbers")
    rows = _concept_rows(numbers, SVCCA)
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
    names = ("Time", "Calendar", "Nature", "MonthNames", "People/Roles", "Emotions")
    grids = {name: numbers.grid(SVCCA, name) for name in names}
    scores = {n: float(g.loc[3, 5]) for n, g in grids.items() if 3 in g.index and 5 in g.columns}
    pairs = {n: numbers.grid("pairs", n) for n in scores}
    told = {n: s for n, s in scores.items() if pairs[n].loc[3, 5] >= FEWEST_PAIRS}
    if not told:
        return unknown("none of them has pairs enough at layers 3 × 5")
    words = ", ".join(f"{name} {score:.2f}" for name, score in told.items())
    return judged(min(told.values()) >= 0.495, words)


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


@claim("filters raise the score between seeds", L, "Of SAEs of two seeds, filtering raises SVCCA (.73 to "
       ".94, .80 to .94), and pairing by cosine agrees (.92).", "lan2024-tinystories")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    if beside is None:
        return unknown("the unfiltered part isn't there")
    if why := enough(numbers):
        return unknown(why)
    return higher_than(numbers.grid(SVCCA), beside.grid(SVCCA), ("filtered", "unfiltered"))


@claim("SAE features above neurons", L, "SAE features pair better than neurons do.", "lan2024-neurons")
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return unknown("compare it with the run of lan2024-pythia, which has neurons as a control as well")


@claim("middle layers highest, SVCCA", S, "Middle layers are more alike than early and late ones.", *SON)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return middle_highest(numbers, SVCCA)


@claim("middle layers highest, RSA", S, "The same of RSA, at most about .2.", *SON)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return middle_highest(numbers, RSA)


@claim("peak at 14 × 19", S, "SVCCA is highest at layers 14 × 19, about .73.", *SON)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    grid = numbers.grid(SVCCA)
    if why := enough_layers(grid) or enough(numbers):
        return unknown(why)
    best = grid.stack().idxmax()
    peak = float(grid.stack().max())
    return judged(best == (14, 19) and abs(peak - 0.73) < 0.1, f"{peak:.2f} at {best[0]} × {best[1]}")


@claim(
    "layer 39 lower", S, "The last layer of Gemma 2 9B is less alike (mean .37) than its middle ones.", *SON
)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return last_drops(numbers, SVCCA)


@claim("every score above random", S, "Every score is above its null (p printed as 0.00, weakest about .3).",
       *SON, "son2025-gemma-many-to-one")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return above_null(numbers, SVCCA, inner=False)


@claim("null between .005 and .034", S, "Null means of SVCCA lie between .005 and .034.", *SON)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    null = numbers.grid(f"{SVCCA} null")
    if why := enough(numbers) or ("" if null.size else "no null is there"):
        return unknown(why)
    low, high = float(np.nanmin(null)), float(np.nanmax(null))
    return judged(low >= 0.004 and high <= 0.035, f"{low:.3f} to {high:.3f}")


@claim("many-to-1 peaks lower", S, "The many-to-1 peak (.69) is below the 1-to-1 peak (.73).", *SON)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    if beside is None:
        return unknown("the many-to-1 run isn't beside it: name its folder by --beside")
    one, many = (n.grid(SVCCA).stack().max() for n in (numbers, beside))
    if np.isnan(one) or np.isnan(many):
        return unknown("no grid of both is there")
    return judged(one > many, f"1-to-1 {one:.2f}, many-to-1 {many:.2f}")


@claim("filtering raises the peak of the mean correlation", S, "Filtering raises the highest mean "
       "correlation (.70 to .74) and lowers the others by .10 to .15.", *SON)  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    before, after = numbers.grid(BEFORE), numbers.grid(AFTER)
    if why := enough_layers(before) or enough_layers(after):
        return unknown(why)
    peaks = float(np.nanmax(before)), float(np.nanmax(after))
    change = float((after - before).stack().median())
    return judged(
        peaks[1] > peaks[0] and change < 0,
        f"peak {peaks[0]:.2f} to {peaks[1]:.2f}, median change {change:+.2f}",
    )


@claim("concepts above .6 at layer 14", S, "At layer 14 of Gemma 2 2B several concepts score above .6.",
       "son2025-semantic")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    rows = _concept_rows(numbers, SVCCA)
    rows = rows[(rows.index.get_level_values("layer_a") == 14) & (rows.pairs >= FEWEST_PAIRS)]
    if rows.empty:
        return unknown("no concept has pairs enough at layer 14")
    above = sorted(set(rows[rows[SVCCA] > 0.6].index.get_level_values("concept")))
    return judged(len(above) >= 2, f"above .6: {', '.join(above) or 'none'}")


def _parts_of(union: str) -> list[str]:
    for mark in (" + ", "×"):
        if mark in union:
            first, second = union.split(mark, 1)
            return [first.strip(), second.split(" (")[0].split(",")[0].strip()]
    return []


def _above_parts(numbers: Numbers, mark: str) -> Told:
    found, above = 0, 0
    for union in [name for name in numbers.concepts if mark in name]:
        whole, sizes = numbers.grid(SVCCA, union).stack(), numbers.grid("pairs", union).stack()
        parts = [numbers.grid(SVCCA, part).stack() for part in _parts_of(union)]
        for place in whole.index:
            if any(place not in part.index for part in parts) or sizes.get(place, 0) < FEWEST_PAIRS:
                continue
            found += 1
            above += whole[place] > max(part[place] for part in parts)
    if not found:
        return unknown(f"nowhere has it {FEWEST_PAIRS} pairs and both of its parts a score")
    return judged(above > found / 2, f"above both parts in {above} of {found} cases")


@claim("overlaps above their parts", S, "Unions of two concepts score above either.", "son2025-overlap")
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return _above_parts(numbers, " + ")


@claim("overlaps above random", S, "Emotions + Time and Nature + People/Roles at 10 × 10 stand above random; "
       "Countries + People/Roles at 10 × 19 doesn't.", "son2025-overlap")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    cases = {"Emotions + Time": (10, 10, True), "Nature + People/Roles": (10, 10, True),
             "Countries + People/Roles": (10, 19, False)}  # fmt: skip
    rows = _concept_rows_or_printed(numbers)
    words, holds = [], []
    for name, (a, b, expected) in cases.items():
        if (name, a, b) in rows.index:
            row = rows.loc[(name, a, b)]
            above = row[SVCCA] > row[f"{SVCCA} null"] and row[f"{SVCCA} p"] < ALPHA
            holds.append(bool(above) == expected)
            words.append(f"{name} {row[SVCCA]:.2f} (null {row[f'{SVCCA} null']:.2f})")
    if len(words) < len(cases):
        return unknown(f"{len(words)} of {len(cases)} unions have a score there")
    return judged(all(holds), ", ".join(words))


def _concept_rows_or_printed(numbers: Numbers) -> Frame:
    table = numbers.table
    if (table.quantity == "pairs").any():
        rows = _concept_rows(numbers, SVCCA)
        return rows[rows.pairs >= FEWEST_PAIRS]
    keys = ["concept", "layer_a", "layer_b"]
    return table.pivot_table(index=keys, columns="quantity", values="value").dropna()


@claim("phrases above their parts", S, "Phrases of two concepts score above either concept alone.",
       "son2025-multi-token")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return _above_parts(numbers, "×")


@claim("phrases above random", S, "Emotions × Time stands above random at 6 × 2 and 6 × 10.",
       "son2025-multi-token")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    rows = _concept_rows_or_printed(numbers)
    rows = rows[rows.index.get_level_values("concept").str.match(r"Emotions×Time( \(active\))?$")]
    if rows.empty:
        return unknown("no phrases of Emotions and Time have pairs enough")
    stands = (rows[SVCCA] > rows[f"{SVCCA} null"]) & (rows[f"{SVCCA} p"] < ALPHA)
    return judged(bool(stands.all()), f"{int(stands.sum())} of {len(rows)} layer pairs, p < {ALPHA}")


@claim("distance measures agree", S, "Pearson, cosine and Euclidean pairing give like scores.",
       "son2025-distance-measures")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    if beside is None:
        return unknown("the other part isn't there")
    both = in_both(numbers.grid(SVCCA), beside.grid(SVCCA))
    if why := enough(numbers) or ("" if len(both) else "no layer pair has both"):
        return unknown(why)
    gap = float((both.iloc[:, 0] - both.iloc[:, 1]).abs().mean())
    return judged(gap < 0.05, f"mean difference {gap:.3f} over {len(both)} layer pairs")
