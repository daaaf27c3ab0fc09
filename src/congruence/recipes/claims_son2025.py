"""The claims of Son et al. 2025, one check each."""

import numpy as np

from congruence.recipes.claims import (
    ALPHA,
    FEWEST_PAIRS,
    Told,
    about,
    above_null,
    claim,
    enough,
    enough_layers,
    in_both,
    judged,
    last_drops,
    middle_and_edge,
    middle_highest,
    unknown,
)
from congruence.recipes.concept_checks import (
    PHRASE,
    RSA,
    SVCCA,
    UNION,
    above_parts,
    concept_rows,
    highest,
    rows_with_pairs,
)
from congruence.recipes.numbers import Numbers

S = "son2025"
SON = ("son2025-gemma",)
MANY = "son2025-gemma-many-to-one"
SEMANTIC = "son2025-semantic"
DISTANCES = "son2025-distance-measures"
BEFORE, AFTER = "mean r before filters", "mean r after filters"


@claim("middle layers highest, SVCCA", S, "Middle layers are more alike than early and late ones.", *SON)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return middle_highest(numbers, SVCCA)


@claim("middle layers highest, RSA", S, "The same of RSA.", *SON)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return middle_highest(numbers, RSA)


@claim("SVCCA of .64 to .71 in the middle", S, "Scores of middle layers lie between .64 and .71.", *SON)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return _inner_about(numbers, 0.675, 0.085)


@claim("SVCCA of about .35 early", S, "Scores of the earliest layers are .35 ± .05.", *SON)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    grid = numbers.grid(SVCCA)
    if why := enough_layers(grid) or enough(numbers):
        return unknown(why)
    return about(float(grid.iloc[0, 0]), 0.35, 0.1, f"at {grid.index[0]} × {grid.columns[0]}")


@claim("RSA of .15 to .2 in the middle", S, "RSA is .15 to .2 in the middle, at most .22, below .08 at the "
       "edges.", *SON)  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    grid = numbers.grid(RSA)
    if why := enough_layers(grid) or enough(numbers):
        return unknown(why)
    middle, edge = middle_and_edge(grid)
    most = float(np.nanmax(grid))
    words = f"inner layers {middle:.2f}, outer {edge:.2f}, at most {most:.2f}"
    return judged(0.12 <= middle <= 0.23 and most <= 0.25 and edge < 0.1, words)


def _inner_about(numbers: Numbers, expected: float, margin: float) -> Told:
    grid = numbers.grid(SVCCA)
    if why := enough_layers(grid) or enough(numbers):
        return unknown(why)
    return about(middle_and_edge(grid)[0], expected, margin, "inner layers")


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


@claim("weakest score about .3", S, "The weakest score is about .3.", *SON)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    grid = numbers.grid(SVCCA)
    if why := enough_layers(grid) or enough(numbers):
        return unknown(why)
    return about(float(np.nanmin(grid)), 0.3, 0.1, "lowest")


@claim("every score above random", S, "Every score is above its null (p printed as 0.00).", *SON, MANY)
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


@claim(
    "many-to-1 peak of .69",
    S,
    "The highest many-to-1 score is .69.",
    MANY,
)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    grid = numbers.grid(SVCCA)
    if why := enough_layers(grid) or enough(numbers):
        return unknown(why)
    return about(float(np.nanmax(grid)), 0.69, 0.1, "highest")


@claim("many-to-1 of .54 to .66 in the middle", S, "Many-to-1 scores of middle layers lie between .54 and "
       ".66.", MANY)  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return _inner_about(numbers, 0.6, 0.1)


@claim("many-to-1 RSA of .18 to .2", S, "The highest many-to-1 RSA is .18 to .20.", MANY)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    grid = numbers.grid(RSA)
    if why := enough_layers(grid) or enough(numbers):
        return unknown(why)
    return about(float(np.nanmax(grid)), 0.19, 0.05, "highest")


@claim("runs differ little", S, "Over five runs a score's variance is at most .02.", *SON, MANY)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    spread = numbers.grid(f"{SVCCA} std")
    if not spread.size:
        return unknown("it is one run: repeat it by --runs 5")
    most = float(np.nanmax(spread)) ** 2
    return judged(most <= 0.02, f"at most {most:.4f}")


@claim("mean correlation highest at 22 × 39", S, "Before filters the mean correlation is highest at layers "
       "22 × 39, .70, and .6 ± .07 in the middle.", *SON)  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    grid = numbers.grid(BEFORE)
    if why := enough_layers(grid):
        return unknown(why)
    best, peak, middle = grid.stack().idxmax(), float(np.nanmax(grid)), middle_and_edge(grid)[0]
    holds = best == (22, 39) and abs(peak - 0.7) < 0.1 and abs(middle - 0.6) <= 0.07
    return judged(holds, f"{peak:.2f} at {best[0]} × {best[1]}, inner layers {middle:.2f}")


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


@claim("concepts at most .4 at layers 6 and 10", S, "At layers 6 and 10 of Gemma 2 2B concepts score at most "
       "about .4.", SEMANTIC)  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    found = [highest(numbers, SVCCA, layer_a=layer) for layer in (6, 10)]
    if np.isnan(found).all():
        return unknown("no concept has pairs enough at layers 6 and 10")
    return about(float(np.nanmax(found)), 0.4, 0.1, "highest")


@claim(
    "RSA of concepts at most .17 at layer 6", S, "At layer 6 the highest RSA of a concept is .17.", SEMANTIC
)
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return about(highest(numbers, RSA, layer_a=6), 0.17, 0.07, "highest")


@claim("RSA of Biology and Countries at 17 × 19", S, "At 17 × 19 Biology has an RSA of .30 and Countries of "
       ".25.", SEMANTIC)  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return _rsa_at_19(numbers, {"Biology": 0.3, "Countries": 0.25}, layer_a=17)


@claim("RSA of Biology and MonthNames at layer 19", S, "At layer 19 of Gemma 2 9B Biology and MonthNames "
       "reach an RSA of about .25.", SEMANTIC)  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return _rsa_at_19(numbers, {"Biology": 0.25, "MonthNames": 0.25})


def _rsa_at_19(numbers: Numbers, printed: dict[str, float], layer_a: int | None = None) -> Told:
    rows = concept_rows(numbers, RSA)
    rows = rows[(rows.index.get_level_values("layer_b") == 19) & (rows.pairs >= FEWEST_PAIRS)]
    if layer_a is not None:
        rows = rows[rows.index.get_level_values("layer_a") == layer_a]
    most = rows[RSA].groupby("concept").max()
    if missing := [name for name in printed if name not in most.index]:
        return unknown(f"{' and '.join(missing)} have too few pairs there")
    words = ", ".join(f"{name} {most[name]:.2f}" for name in printed)
    return judged(all(abs(most[name] - value) <= 0.1 for name, value in printed.items()), words)


@claim("concepts above .6 at layer 14", S, "At layer 14 of Gemma 2 2B several concepts score above .6.",
       "son2025-semantic")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    rows = concept_rows(numbers, SVCCA)
    rows = rows[(rows.index.get_level_values("layer_a") == 14) & (rows.pairs >= FEWEST_PAIRS)]
    if rows.empty:
        return unknown("no concept has pairs enough at layer 14")
    above = sorted(set(rows[rows[SVCCA] > 0.6].index.get_level_values("concept")))
    return judged(len(above) >= 2, f"above .6: {', '.join(above) or 'none'}")


@claim("overlaps above their parts", S, "Unions of two concepts score above either.", "son2025-overlap")
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return above_parts(numbers, UNION)


@claim("overlaps above random", S, "Emotions + Time and Nature + People/Roles at 10 × 10 stand above random; "
       "Countries + People/Roles at 10 × 19 doesn't.", "son2025-overlap")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    cases = {"Emotions + Time": (10, 10, True), "Nature + People/Roles": (10, 10, True),
             "Countries + People/Roles": (10, 19, False)}  # fmt: skip
    rows = rows_with_pairs(numbers, SVCCA)
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


@claim("phrases above their parts", S, "Phrases of two concepts score above either concept alone.",
       "son2025-multi-token")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return above_parts(numbers, PHRASE)


@claim("phrases above random", S, "Emotions × Time stands above random at 6 × 2 and 6 × 10.",
       "son2025-multi-token")  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    rows = rows_with_pairs(numbers, SVCCA)
    rows = rows[rows.index.get_level_values("concept").str.match(r"Emotions×Time( \(active\))?$")]
    if rows.empty:
        return unknown("no phrases of Emotions and Time have pairs enough")
    stands = (rows[SVCCA] > rows[f"{SVCCA} null"]) & (rows[f"{SVCCA} p"] < ALPHA)
    return judged(bool(stands.all()), f"{int(stands.sum())} of {len(rows)} layer pairs, p < {ALPHA}")


def _alike(numbers: Numbers, beside: Numbers | None) -> Told:
    if beside is None:
        return unknown("the other part isn't there")
    both = in_both(numbers.grid(SVCCA), beside.grid(SVCCA))
    if why := enough(numbers) or ("" if len(both) else "no layer pair has both"):
        return unknown(why)
    gap = float((both.iloc[:, 0] - both.iloc[:, 1]).abs().mean())
    return judged(gap < 0.05, f"mean difference {gap:.3f} over {len(both)} layer pairs")


@claim("cosine pairing agrees", S, "Pairing by cosine gives scores like Pearson's.", DISTANCES,
       parts=("", "cosine"))  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return _alike(numbers, beside)


@claim("Euclidean pairing agrees", S, "Pairing by Euclidean distance gives scores like Pearson's.", DISTANCES,
       parts=("", "euclidean"))  # fmt: skip
def _(numbers: Numbers, beside: Numbers | None) -> Told:
    return _alike(numbers, beside)
