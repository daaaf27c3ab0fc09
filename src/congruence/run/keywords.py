"""Which keywords the matched features of a concept fire on, and what each keyword is worth."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from congruence.concepts import KeywordUse, keyword_use
from congruence.errors import InputError
from congruence.run.cell import Outcome, on_one_thread_if_few
from congruence.run.columns import blank_row
from congruence.run.grid import Cell
from congruence.run.schema import KEYWORDS
from congruence.run.selections.concepts import ConceptCell


def keyword_rows(cell: Cell, concepts: ConceptCell, outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """One row for each keyword that matched features fire on (Lan et al. 2024, table 3).

    For the keywords with most features also the pairs left without it and the scores then.

    Args:
        cell: the layer pair.
        concepts: its concepts.
        outcomes: of every subspace, by name.
    """
    rows = []
    for name, outcome in outcomes.items():
        use = _use(concepts, name, outcome)
        for rank, keyword in enumerate(use.ranked().tolist()):
            row = _row(cell, outcome, use, keyword)
            if rank < concepts.config.keyword_effects:
                row |= _effect(concepts, name, outcome, keyword)
            rows.append(row)
    return rows


def _use(concepts: ConceptCell, name: str, outcome: Outcome) -> KeywordUse:
    a, b = outcome.selection.case.pairs or (np.empty(0, int), np.empty(0, int))
    return keyword_use(
        concepts.a.text.subspaces[name].concept,
        concepts.a.members(name).keyword[a],
        concepts.b.members(name).keyword[b],
        concepts.a.text.counts[name],
    )


def _row(cell: Cell, outcome: Outcome, use: KeywordUse, keyword: int) -> dict[str, Any]:
    return blank_row(
        KEYWORDS,
        control=cell.control,
        control_side=cell.control_side,
        layer_a=cell.a.layer,
        layer_b=cell.b.layer,
        concept=outcome.selection.concept,
        subspace=outcome.selection.subspace,
        keyword=use.concept.keywords[keyword],
        features_a=int(use.features_a[keyword]),
        features_b=int(use.features_b[keyword]),
        pairs=int(use.pairs[keyword]),
        corpus_count=int(use.corpus_count[keyword]),
        ratio=float(use.ratio[keyword]),
        p=float(use.p[keyword]),
    )


def _effect(concepts: ConceptCell, name: str, outcome: Outcome, keyword: int) -> dict[str, Any]:
    """The scores of the subspace whose list lacks one keyword."""
    rule, sides = concepts.config.rule(), (concepts.a, concepts.b)
    pairs = concepts.pairing.pairs(*(side.members(name).without(keyword, rule) for side in sides))
    if len(pairs) < concepts.config.min_features:
        return {"n_without": len(pairs)}
    x, y = concepts.a.rows.W_dec[pairs.feature_a], concepts.b.rows.W_dec[pairs.feature_b]
    without, change = [], []
    for measure in concepts.measures:
        before = outcome.scores[measure.label]
        try:
            with on_one_thread_if_few(len(pairs)):
                value = float(measure(x, y))
        except InputError:
            continue
        without.append({"measure": measure.label, "value": value})
        if before is not None:
            change.append({"measure": measure.label, "value": value - float(before)})
    return {"n_without": len(pairs), "without": without, "change": change}
