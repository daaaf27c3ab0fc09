"""How much each quirk of the published code moves a comparison: without any, with each alone, with all."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from congruence.config.quirks import QUIRKS, known_quirks, with_quirks
from congruence.errors import ConfigError
from congruence.recipes.numbers import as_printed
from congruence.run import Run, RunConfig, compare
from congruence.storage.atomic import write_text
from congruence.wording import format_score

NONE, ALL = "none", "all"
PAGE = "audit.md"
AT = 0.05
_SAME = {"svcca": "pc1_correlation"}
"""What one_component_svcca turns a measure into, which still stands in that measure's column."""


@dataclass(frozen=True)
class AuditResult:
    """What each quirk does to one comparison.

    Attributes:
        title: what was compared.
        table: a row for each variant ("none", a quirk's name, "all"), space ("all": the whole space, else a
            kind of concept subspace) and measure: ``score`` (mean over layer pairs), ``change`` (from "none",
            mean over the layer pairs that both have a score of),
            ``null_mean``, ``n`` (mean number of pairs), ``n_change``, ``p`` (median), ``below`` (scores with
            p ≤ .05), ``tested``, ``draws``. A quirk that comes down to what the configuration says anyway has
            the numbers of "none", and ``applies`` false.
        configurations: variant -> key by which `load_run` finds it in the folder.
    """

    title: str
    table: pd.DataFrame
    configurations: dict[str, str]

    def markdown(self) -> str:
        """The table as a page: a section a space, a row a quirk, a column a measure."""
        parts = [f"# What each quirk of the published code does: {self.title}", "", _PREAMBLE, ""]
        for space, rows in self.table.groupby("space", sort=False):
            parts += [f"## {'The whole space' if space == ALL else f'Concept subspaces: {space}'}", ""]
            parts += [*_section(rows), ""]
        parts += ["## The quirks", "", "| quirk | what it does | where |", "|---|---|---|"]
        names = [name for name in self.table.variant.unique() if name in QUIRKS]
        parts += [f"| `{name}` | {QUIRKS[name].meaning} | {QUIRKS[name].where} |" for name in names]
        return "\n".join(parts) + "\n"


_PREAMBLE = (
    "Each cell: the mean score over layer pairs, its change from the row *none* over the layer "
    "pairs that both have a score of, and how many scores have "
    "p ≤ .05 with the draws made. Pairs are means over layer pairs. A line (–) means that the quirk comes "
    "down to what this comparison does anyway. *svcca* stands for whatever a variant calls so: with "
    "`one_component_svcca` that is the correlation of first components."
)


def audit(config: RunConfig, quirks: Sequence[str], out: str | Path, *, progress: bool = True) -> AuditResult:
    """Run a configuration without quirks, with each of some alone, and with all of them, in one folder.

    Variants share captures and cells where they don't differ; each stays readable by its key
    (`load_run(out, configuration=…)`), and the one without quirks is current in the end. The page is written
    to ``audit.md`` of the folder.

    Args:
        config: without quirks.
        quirks: names of `congruence.config.QUIRKS`.
        out: the folder of all runs.
        progress: show bars.

    Raises:
        ConfigError: the configuration has quirks of its own, none or an unknown one is named.
        CongruenceError: as `congruence.compare`.
    """
    names = _checked(config, quirks)
    variants = {name: [name] for name in names if _applies(config, [name])}
    if len(variants) > 1:
        variants[ALL] = list(variants)
    runs: dict[str, Run] = {}
    for variant, asked in {**variants, NONE: []}.items():  # the right one last, so that it is current
        runs[variant] = compare(config.model_copy(update={"quirks": asked}), out=out, progress=progress)
    base = _rows(runs[NONE])
    rows = [_against(base, base, NONE, applies=True)]
    for name in names:
        found = _rows(runs[name]) if name in runs else base
        rows.append(_against(found, base, name, applies=name in runs))
    if ALL in runs:
        rows.append(_against(_rows(runs[ALL]), base, ALL, applies=True))
    title = f"{config.a.label} × {config.b.label}"
    keys = {variant: run.configuration for variant, run in runs.items()}
    result = AuditResult(title, pd.concat(rows, ignore_index=True), keys)
    write_text(Path(out) / PAGE, result.markdown())
    return result


def _checked(config: RunConfig, quirks: Sequence[str]) -> list[str]:
    if config.quirks:
        raise ConfigError(
            f"config has quirks {config.quirks} already: give the one without, and name them apart"
        )
    if isinstance(quirks, str) or not quirks:
        raise ConfigError(f"quirks is {quirks!r}: give a list of one or more of {', '.join(QUIRKS)}")
    return list(dict.fromkeys(known_quirks(quirks)))


def _applies(config: RunConfig, names: list[str]) -> bool:
    """Whether quirks come down to anything that the configuration doesn't say."""
    changed = with_quirks(config.model_copy(update={"quirks": names}))
    return changed.model_copy(update={"quirks": config.quirks}) != config


def _rows(run: Run) -> pd.DataFrame:
    """Scores of the real layer pairs under the first null that each has, by space and measure."""
    real: Any = run.results[run.results.control == "none"]
    real = real.assign(concept=as_printed(real)).rename(
        columns={"subspace": "space"}
    )  # one name for both kinds
    return real.drop_duplicates(["space", "concept", "layer_a", "layer_b", "measure"])


def _against(found: Any, base: Any, variant: str, *, applies: bool) -> pd.DataFrame:
    """A variant's numbers under the measures of the base, with their changes."""
    rows = []
    for (space, measure), own in base.groupby(["space", "measure"], sort=False):
        of_space = found[found.space == space]
        named = measure if measure in set(of_space.measure) else _SAME.get(measure.split("(")[0], measure)
        there = of_space[of_space.measure == named]
        places = ["concept", "layer_a", "layer_b"]
        both = own.merge(there, on=places, suffixes=("_base", ""))
        rows.append(
            {
                "variant": variant,
                "applies": applies,
                "space": space,
                "measure": measure,
                "score": there.value.mean(),
                "change": (both.value - both.value_base).mean(),
                "null_mean": there.null_mean.mean(),
                "n": there.n.mean(),
                "n_change": there.n.mean() - own.n.mean(),
                "p": there.p.median(),
                "below": int((there.p <= AT).sum()),
                "tested": int(there.p.count()),
                "draws": there.draws.max(),
            }
        )
    return pd.DataFrame(rows)


def _section(rows: pd.DataFrame) -> list[str]:
    measures = list(rows.measure.unique())
    lines = [f"| quirk | pairs | {' | '.join(measures)} |", "|---" * (2 + len(measures)) + "|"]
    for variant, own in rows.groupby("variant", sort=False):
        name = f"`{variant}`" if variant in QUIRKS else f"*{variant}*"
        if not own.applies.iloc[0]:
            lines.append(f"| {name} |{' – |' * (1 + len(measures))}")
            continue
        by = own.set_index("measure")
        first = by.iloc[0]
        pairs = f"{first.n:,.0f}" + ("" if variant == NONE else f" ({first.n_change:+,.0f})")
        cells = [_cell(by.loc[measure], plain=variant == NONE) for measure in measures]
        lines.append(f"| {name} | {pairs} | {' | '.join(cells)} |")
    return lines


def _cell(row: Any, *, plain: bool) -> str:
    if not np.isfinite(row.score):
        return "no score"
    change = "" if plain else f" ({row.change:+.3f})"
    return f"{format_score(row.score)}{change}, {int(row.below)}/{int(row.tested)}"
