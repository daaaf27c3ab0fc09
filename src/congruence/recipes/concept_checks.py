"""Checks of concept subspaces that several claims share."""

from congruence.recipes.claims import ALPHA, FEWEST_PAIRS, Told, judged, unknown
from congruence.recipes.numbers import Frame, Numbers

SVCCA, RSA = "pc1_correlation", "rsa"
UNION, PHRASE = " + ", "×"
"""What stands between the names of two concepts."""


def concept_rows(numbers: Numbers, quantity: str, p: str = " p") -> Frame:
    """A row for each concept and layer pair that has the score, its null, its p and its number of pairs."""
    rows = numbers.table[(numbers.table.concept != "all") & numbers.table.value.notna()]
    keys = ["concept", "layer_a", "layer_b"]
    wide = rows.pivot_table(index=keys, columns="quantity", values="value")
    wanted = [quantity, f"{quantity} null", f"{quantity}{p}", "pairs"]
    return wide.reindex(columns=wanted).dropna()


def rows_with_pairs(numbers: Numbers, quantity: str) -> Frame:
    """Those of pairs enough; of printed numbers, which say no pairs, all."""
    table = numbers.table
    if (table.quantity == "pairs").any():
        rows = concept_rows(numbers, quantity)
        return rows[rows.pairs >= FEWEST_PAIRS]
    keys = ["concept", "layer_a", "layer_b"]
    return table.pivot_table(index=keys, columns="quantity", values="value").dropna()


def all_significant(numbers: Numbers, quantity: str, p: str = " p") -> Told:
    """Whether every concept of pairs enough stands above a null, p below .05."""
    rows = concept_rows(numbers, quantity, p)
    told = rows[rows.pairs >= FEWEST_PAIRS]
    if told.empty:
        return unknown(f"no concept has {FEWEST_PAIRS} pairs and that null anywhere")
    stands = int((told[f"{quantity}{p}"] < ALPHA).sum())
    few = len(rows) - len(told)
    more = f"; {few} more have fewer than {FEWEST_PAIRS} pairs" if few else ""
    return judged(stands == len(told), f"{stands} of {len(told)} concepts and layer pairs, p < {ALPHA}{more}")


def significant_at(numbers: Numbers, quantity: str, place: tuple[int, int], names: tuple[str, ...]) -> Told:
    """Whether each of some concepts stands above its null at one layer pair."""
    rows = concept_rows(numbers, quantity)
    there = rows[rows.pairs >= FEWEST_PAIRS]
    found = {name: there.loc[(name, *place)] for name in names if (name, *place) in there.index}
    if not found:
        return unknown(f"none of them has pairs enough at layers {place[0]} × {place[1]}")
    words = ", ".join(
        f"{name} {row[quantity]:.2f} (p {row[f'{quantity} p']:.3f})" for name, row in found.items()
    )
    return judged(all(row[f"{quantity} p"] < ALPHA for row in found.values()), words)


def highest(numbers: Numbers, quantity: str, **where: int) -> float:
    """The highest score of a concept of pairs enough, at chosen layers; NaN where there is none."""
    rows = concept_rows(numbers, quantity)
    rows = rows[rows.pairs >= FEWEST_PAIRS]
    for level, layer in where.items():
        rows = rows[rows.index.get_level_values(level) == layer]
    return float(rows[quantity].max()) if len(rows) else float("nan")


def above_parts(numbers: Numbers, mark: str) -> Told:
    """Whether subspaces of two concepts score above either of them."""
    found, above = 0, 0
    for union in [name for name in numbers.concepts if mark in name]:
        whole, sizes = numbers.grid(SVCCA, union).stack(), numbers.grid("pairs", union).stack()
        first, second = union.split(mark, 1)
        names = [first.strip(), second.split(" (")[0].split(",")[0].strip()]
        parts = [numbers.grid(SVCCA, part).stack() for part in names]
        for place in whole.index:
            if any(place not in part.index for part in parts) or sizes.get(place, 0) < FEWEST_PAIRS:
                continue
            found += 1
            above += whole[place] > max(part[place] for part in parts)
    if not found:
        return unknown(f"nowhere has it {FEWEST_PAIRS} pairs and both of its parts a score")
    return judged(above > found / 2, f"above both parts in {above} of {found} cases")
