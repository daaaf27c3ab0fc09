"""A run's numbers beside the published ones: tables, rank correlations and claims, as a page."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from congruence.recipes import claims_lan2024, claims_son2025
from congruence.recipes.claims import CLAIMS, Claim, Told, trend
from congruence.recipes.numbers import Frame, Numbers, printed_tables, published
from congruence.recipes.recipe import PAPERS, RECIPES, Recipe

__all__ = ["Claimed", "Comparison", "Laid", "compared"]
_REGISTERED = (claims_lan2024, claims_son2025)
"""Importing them puts their claims on the list."""
SHOWN = ("pc1_correlation", "pc1_correlation null", "rsa", "rsa null", "pairs", "mean r before filters",
         "mean r after filters")  # fmt: skip
IN_THEIRS = {"reproduced": "holds", "not reproduced": "doesn't hold", "can't be told": "can't be told"}
MOST_ROWS = 80
STAND_IN = "stand-in numbers: not the paper's models"
OTHER_TEXT = "numbers on another text than the paper's"


@dataclass(frozen=True)
class Laid:
    """One quantity of both, cell by cell.

    Attributes:
        quantity: measure, null, pairs or mean r.
        source: stored, printed, or a table's name.
        cells: concept, layer_a, layer_b, ours, published, difference.
        rank_correlation: Spearman's, over the cells that both have; NaN below four.
        p: of it, two-sided, as if cells were independent, which they aren't.
        published_cells: how many the paper has.
    """

    quantity: str
    source: str
    cells: Frame
    rank_correlation: float
    p: float
    published_cells: int

    @property
    def has_rank(self) -> bool:
        """Whether cells enough had both."""
        return not math.isnan(self.rank_correlation)


@dataclass(frozen=True)
class Claimed:
    """One claim of a paper, asked of our numbers and of the published ones."""

    name: str
    says: str
    ours: Told
    theirs: Told | None

    @property
    def theirs_in_words(self) -> str:
        """Whether the published numbers bear the claim out."""
        return IN_THEIRS[self.theirs.verdict] if self.theirs else "none at hand"


@dataclass(frozen=True)
class Comparison:
    """What `recipe run` ends with.

    Attributes:
        recipe: what was run.
        variant: `right`, or `as published`.
        origin: whose our numbers are.
        mark: why they aren't the paper's, "" where they should be.
        tables: each quantity that both have.
        claims: every claim that the recipe can tell something about.
        notes: what else there is to say.
    """

    recipe: Recipe
    variant: str
    origin: str
    mark: str
    tables: tuple[Laid, ...]
    claims: tuple[Claimed, ...]
    notes: tuple[str, ...] = ()

    def markdown(self) -> str:
        """The page."""
        paper = PAPERS[self.recipe.paper]
        parts = [f"# {self.recipe.name}: {self.recipe.title}"]
        if self.mark:
            parts.append(f"> **{self.mark}**")
        parts.append(f"{paper}; {self.recipe.shows}. Variant: {self.variant}. Numbers: {self.origin}.")
        parts += list(self.notes)
        parts.append("## Claims")
        parts.append(self._claims() if self.claims else "No claim of a paper rests on this comparison.")
        parts.append("## Beside the published numbers")
        if not self.tables:
            parts.append("No published number belongs to these layers and quantities.")
        else:
            parts.append(self._summary())
            parts += [_cells(laid, self.mark) for laid in self.tables]
        return "\n\n".join(parts) + "\n"

    def _claims(self) -> str:
        rows = ["| claim | this run | the published numbers themselves |", "|---|---|---|"]
        for one in self.claims:
            theirs = f"{one.theirs_in_words}: {one.theirs.why}" if one.theirs else "none are at hand"
            rows.append(f"| **{one.name}** {one.says} | **{one.ours.verdict}**: {one.ours.why} | {theirs} |")
        return "\n".join(rows)

    def _summary(self) -> str:
        rows = [
            "| quantity | source | cells of both | of the paper's | mean difference "
            "| mean absolute difference | rank correlation |",
            "|---|---|---|---|---|---|---|",
        ]
        for laid in self.tables:
            change = laid.cells.difference
            rank = f"{laid.rank_correlation:.2f}" if laid.has_rank else "–"
            digits = 0 if laid.quantity == "pairs" else 3
            rows.append(
                f"| {laid.quantity} | {laid.source} | {len(laid.cells)} | {laid.published_cells} "
                f"| {change.mean():+.{digits}f} | {change.abs().mean():.{digits}f} | {rank} |"
            )
        return "\n".join(rows)


def _cells(laid: Laid, mark: str) -> str:
    digits = 0 if laid.quantity == "pairs" else 3
    head = f"### {laid.quantity}, {laid.source}" + (f" ({mark})" if mark else "")
    rows = ["| concept | layer a | layer b | ours | published | difference |", "|---|---|---|---|---|---|"]
    for row in laid.cells.head(MOST_ROWS).itertuples():
        rows.append(
            f"| {row.concept} | {row.layer_a} | {row.layer_b} | {row.ours:.{digits}f} "
            f"| {row.published:.{digits}f} | {row.difference:+.{digits}f} |"
        )
    more = len(laid.cells) - MOST_ROWS
    tail = f"\n\n{more} more stand in comparison.csv." if more > 0 else ""
    return f"{head}\n\n" + "\n".join(rows) + tail


def laid_beside(ours: Numbers, theirs: Numbers) -> list[Laid]:
    """Every quantity that both have, over the cells that both have."""
    keys = ["quantity", "concept", "layer_a", "layer_b"]
    both = ours.table.merge(theirs.table, on=keys, suffixes=("_ours", "_published")).dropna()
    both = both.rename(columns={"value_ours": "ours", "value_published": "published"})
    both["difference"] = both.ours - both.published
    found = []
    for quantity in SHOWN:
        cells = both[both.quantity == quantity].sort_values(keys).reset_index(drop=True)
        if cells.empty:
            continue
        index = ["concept", "layer_a", "layer_b"]
        sides = [cells.set_index(index)[name].to_frame("value") for name in ("ours", "published")]
        rank, p, _ = trend(*sides)
        there = int((theirs.table.quantity == quantity).sum())
        found.append(Laid(quantity, theirs.origin, cells.drop(columns="quantity"), rank, p, there))
    return found


def compared(
    recipe: Recipe,
    ours: Numbers,
    *,
    beside: Numbers | None = None,
    as_published: bool = False,
    mark: str = "",
    notes: Sequence[str] = (),
    parts: Mapping[str, Numbers] | None = None,
) -> Comparison:
    """Our numbers beside a recipe's published ones.

    Args:
        recipe: what was run.
        ours: its numbers.
        beside: those of the run that some claims need as well.
        as_published: whether the run followed the published code's quirks.
        mark: why the numbers aren't the paper's.
        notes: further paragraphs.
        parts: the numbers of each part, where the recipe has several.
    """
    theirs = published(recipe.published)
    sister = published(RECIPES.get(recipe.beside).published) if recipe.beside else None
    tables = laid_beside(ours, theirs) if theirs else []
    for printed in printed_tables(recipe.published).values():
        tables += laid_beside(ours, printed)
    claims = [
        Claimed(
            c.name,
            c.says,
            c.check(*_asked(c, ours, beside, parts or {})),
            c.check(theirs, sister) if theirs else None,
        )
        for c in CLAIMS
        if c.applies(recipe.name)
    ]
    variant = "as published" if as_published else "right"
    return Comparison(recipe, variant, ours.origin, mark, tuple(tables), tuple(claims), tuple(notes))


def _asked(
    claim: Claim, ours: Numbers, beside: Numbers | None, parts: Mapping[str, Numbers]
) -> tuple[Numbers, Numbers | None]:
    """The numbers that a claim is about, and those beside them; without their part nothing can be told."""
    of, against = claim.parts
    missing = Numbers(ours.table.iloc[:0], ours.origin)
    return parts.get(of, missing) if of else ours, parts.get(against) if against else beside
