"""Concepts and their unions in one cell: who belongs, and how each null draws others."""

import time
from typing import Any

import numpy as np

from congruence.run.concepts.cell import Candidate, ConceptCell, Outcome
from congruence.run.concepts.examine import examine, mean
from congruence.run.concepts.nulls import size_matched_pairs, subset_pairs, unrelated_pairs
from congruence.run.concepts.rows import ConceptRows
from congruence.run.concepts.text import Subspace


def concept_rows(cell: ConceptCell) -> tuple[ConceptRows, dict[str, Outcome]]:
    """Every single concept and union of the section in one cell, one row a measure and null.

    Returns:
        The rows, and the outcome of each subspace by name.
    """
    rows = ConceptRows()
    outcomes: dict[str, Outcome] = {}
    for subspace in cell.a.text.subspaces.values():
        outcomes[subspace.name] = _timed(cell, subspace)
        rows.extend(outcomes[subspace.name].rows)
    return rows, outcomes


def candidate_of(cell: ConceptCell, subspace: Subspace) -> Candidate:
    """A concept's features on both sides, and how its nulls draw others."""
    name, a, b = subspace.name, cell.a, cell.b
    members_a, members_b = a.members(name), b.members(name)
    options: dict[str, Any] = {
        "draws": cell.draws,
        "min_pairs": cell.config.min_features,
        "threads": cell.threads,
    }
    sizes = (len(members_a.features), len(members_b.features))
    place = cell.place
    path = (place.control, place.control_side, str(place.layer_a), str(place.layer_b), name)
    return Candidate(
        name,
        subspace.kind,
        members_a.features,
        members_b.features,
        cell.pairing,
        {
            "subset": lambda _: subset_pairs(name, a, b, sizes, cell.pairing, **options),
            "size_matched": lambda size: size_matched_pairs(
                cell.whole_a, cell.whole_b, size, draws=cell.draws, seed=place.seed, path=path
            ),
            "unrelated_keywords": lambda _: unrelated_pairs(name, a, b, cell.pairing, **options),
        },
        {
            "keywords": len(subspace.concept),
            "keywords_in_corpus": int(np.count_nonzero(a.text.counts[name])),
            "mass_a": mean(members_a.mass[members_a.features]),
            "mass_b": mean(members_b.mass[members_b.features]),
        },
    )


def _timed(cell: ConceptCell, subspace: Subspace) -> Outcome:
    """The outcome of one subspace, its time shared out among its rows."""
    started = time.perf_counter()
    outcome = examine(candidate_of(cell, subspace), cell)
    each = (time.perf_counter() - started) / max(len(outcome.rows.rows), 1)
    for row in outcome.rows.rows:
        row["seconds"] = each
    return outcome
