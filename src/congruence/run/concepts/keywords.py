"""Which keywords the matched features of a concept fire on, and what each keyword is worth."""

from collections.abc import Mapping
from typing import Any

from congruence.concepts import KeywordUse, keyword_use
from congruence.config.steps import measure_label
from congruence.errors import InputError
from congruence.metrics import METRICS
from congruence.run.concepts.cell import ConceptCell, Outcome
from congruence.run.concepts.rows import as_json
from congruence.run.concepts.scores import paired_rows


def keyword_rows(cell: ConceptCell, outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """One row for each keyword that matched features fire on (Lan et al. 2024, table 3).

    Columns: features of either side, pairs that share it, occurrences in the corpus, ratio (share of features
    over share of occurrences: above 1, overrepresented) and its binomial p; for the keywords with most
    features also the pairs left without it (`n_without`) and the scores then (`without`) minus those with it
    (`change`).

    Args:
        cell: the layer pair.
        outcomes: of every subspace, by name.
    """
    rows = []
    for name, outcome in outcomes.items():
        use = _use(cell, name, outcome)
        for rank, keyword in enumerate(use.ranked().tolist()):
            row = _row(cell, name, use, keyword)
            if rank < cell.config.keyword_effects:
                row |= _effect(cell, name, outcome, keyword)
            rows.append(row)
    return rows


def _use(cell: ConceptCell, name: str, outcome: Outcome) -> KeywordUse:
    subspace = cell.a.text.subspaces[name]
    return keyword_use(
        subspace.concept,
        cell.a.members(name).keyword[outcome.pairs.feature_a],
        cell.b.members(name).keyword[outcome.pairs.feature_b],
        cell.a.text.counts[name],
    )


def _row(cell: ConceptCell, name: str, use: KeywordUse, keyword: int) -> dict[str, Any]:
    place = cell.place
    return {
        "control": place.control,
        "control_side": place.control_side,
        "concept": name,
        "subspace": cell.a.text.subspaces[name].kind,
        "layer_a": place.layer_a,
        "layer_b": place.layer_b,
        "keyword": use.concept.keywords[keyword],
        "features_a": int(use.features_a[keyword]),
        "features_b": int(use.features_b[keyword]),
        "pairs": int(use.pairs[keyword]),
        "corpus_count": int(use.corpus_count[keyword]),
        "ratio": float(use.ratio[keyword]),
        "p": float(use.p[keyword]),
        "n_without": -1,
        "without": "{}",
        "change": "{}",
    }


def _effect(cell: ConceptCell, name: str, outcome: Outcome, keyword: int) -> dict[str, Any]:
    """The scores of the subspace whose list lacks one keyword."""
    rule = cell.config.rule()
    left = [side.members(name).without(keyword, rule) for side in (cell.a, cell.b)]
    pairs = cell.pairing.pairs(*left)
    if len(pairs) < cell.config.min_features:
        return {"n_without": len(pairs)}
    x, y = paired_rows(cell.a.rows, cell.b.rows, pairs.feature_a, pairs.feature_b)
    without, change = {}, {}
    for measure, options in cell.measures:
        label = measure_label(measure, options)
        before = outcome.scores[label]
        try:
            without[label] = float(METRICS.get(measure)(x, y, **options))
        except InputError:
            continue
        if before is not None:
            change[label] = without[label] - float(before)
    return {"n_without": len(pairs), "without": as_json(without), "change": as_json(change)}
