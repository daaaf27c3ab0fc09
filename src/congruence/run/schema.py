"""The tables of a finished run: every column, its type, and what it means; writer and reader go by it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from congruence.storage import generations

KIND, FORMAT_VERSION = "run", 3
"""Of run.json, the record of a finished run."""
UNSEALED = 2
"""The format of runs that were written without checksums, which are read as they are."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: in the table.
        kind: int64, float64, bool, text, texts (a list), record (a mapping by name) or records (a list).
        meaning: one line.
        absent: what a row has that says nothing; None: every row says something.
        needed: a table without it can't be read.
    """

    name: str
    kind: str
    meaning: str
    absent: Any = None
    needed: bool = False


NAN = float("nan")
PLACE = (
    Column("control", "text", "`none` for the comparison itself, else what is controlled for", "none"),
    Column("control_side", "text", "the model that an other_seed cell lies within; empty elsewhere", ""),
    Column("layer_a", "int64", "block of model a", None, needed=True),
    Column("layer_b", "int64", "block of model b", None, needed=True),
)
"""What every row of every table has: where it stands in the grid."""

RESULTS = (
    *PLACE[:2],
    Column(
        "concept", "text", "`all` for the whole space, else the concept, union or phrases", "all", needed=True
    ),
    Column("subspace", "text", "all, semantic, overlap, multi_token or interaction", "all"),
    *PLACE[2:],
    Column(
        "measure", "text", "the measure with those of its options that aren't the default", None, needed=True
    ),
    Column("n", "int64", "pairs of features that the score rests on", 0, needed=True),
    Column("null", "text", "what the score is tested against", None, needed=True),
    Column("draws", "int64", "draws of the null; 0: not tested", 0),
    Column("scored", "int64", "draws that gave a score; the others count against the claim", 0),
    Column("seed", "int64", "the run's", 0),
    Column("value", "float64", "the score", NAN, needed=True),
    Column("low", "float64", "lower end of its interval, where one was asked for", NAN),
    Column("high", "float64", "upper end", NAN),
    Column("interval", "text", "what the interval resamples: pairs, documents, or nothing", ""),
    Column("null_mean", "float64", "mean score of the draws", NAN),
    Column("null_std", "float64", "their standard deviation", NAN),
    Column("null_q05", "float64", "their 5 % point", NAN),
    Column("null_q50", "float64", "their median", NAN),
    Column("null_q95", "float64", "their 95 % point", NAN),
    Column("z", "float64", "(value − null_mean) / null_std", NAN),
    Column("p", "float64", "(1 + draws at least as extreme) / (1 + draws)", NAN, needed=True),
    Column("corrected", "float64", "(value − null_mean) / (1 − null_mean)", NAN),
    Column(
        "calibrated", "float64", "0 at the 95 % point of the null, 1 at the most the measure can give", NAN
    ),
    Column(
        "ceiling", "float64", "the same measure between SAEs of two seeds of one model, at these layers", NAN
    ),
    Column("alternative", "text", "which scores are extreme: greater, less or two-sided", "greater"),
    Column("details", "record", "what the measure and the selection say besides", ()),
    Column("warnings", "texts", "reasons to doubt the value, or why there is none", ()),
    Column("seconds", "float64", "spent on this row", 0.0),
    Column(
        "q",
        "float64",
        "Benjamini-Hochberg over the layer pairs of one control, concept, measure and null",
        NAN,
        needed=True,
    ),
    Column(
        "p_max_t", "float64", "p allowing for the choice of the best of them, from synchronised draws", NAN
    ),
)

CELLS = (
    *PLACE,
    Column("alive_a", "int64", "features of a that fire at all", -1),
    Column("alive_b", "int64", "features of b that fire at all", -1),
    Column("unmatched_a", "int64", "living features of a without a pair after filtering", -1),
    Column("unmatched_b", "int64", "living features of b without a pair after filtering", -1),
    Column("pairs_before", "int64", "pairs that the matcher made", None, needed=True),
    Column("pairs_after", "int64", "pairs that the filters kept", None, needed=True),
    Column("mean_r_before", "float64", "mean r of the matcher's pairs", NAN, needed=True),
    Column("mean_r_after", "float64", "mean r of the kept pairs", NAN, needed=True),
    Column("removed", "records", "{step, pairs}: how many pairs each filter took, in order", ()),
    Column("seconds", "float64", "spent on the cell", 0.0),
)

MATCHES = (
    *PLACE,
    Column("feature_a", "int64", "feature of a", None, needed=True),
    Column("feature_b", "int64", "feature of b", None, needed=True),
    Column("r", "float64", "similarity of their activations", None, needed=True),
    Column("firings_a", "int64", "tokens on which the feature of a fires", -1),
    Column("firings_b", "int64", "tokens on which the feature of b fires", -1),
    Column("cofirings", "int64", "tokens on which both fire", -1),
    Column("margin", "float64", "r minus the r of the second-best partner", NAN),
    Column("mutual", "bool", "each is the other's best partner", False),
    Column(
        "null_r", "float64", "95 % point of the best r of unrelated text; NaN without pairing.null_draws", NAN
    ),
    Column("p_r", "float64", "p of r against that null", NAN),
    Column("kept", "bool", "the filters kept it", None, needed=True),
    Column("removed_by", "text", "the filter that took it, or nothing", ""),
    Column("top_tokens_a", "texts", "tokens on which the feature of a fires most strongly", ()),
    Column("top_tokens_b", "texts", "the same of b", ()),
)

KEYWORDS = (
    *PLACE,
    Column("concept", "text", "the concept or union"),
    Column("subspace", "text", "semantic or overlap"),
    Column("keyword", "text", "one of its keywords", None, needed=True),
    Column("features_a", "int64", "matched features of a that fire on it", None, needed=True),
    Column("features_b", "int64", "the same of b", None, needed=True),
    Column("pairs", "int64", "pairs of which both do", None, needed=True),
    Column("corpus_count", "int64", "how often it stands in the text", -1),
    Column(
        "ratio",
        "float64",
        "share of features over share of occurrences: above 1, overrepresented",
        None,
        needed=True,
    ),
    Column("p", "float64", "binomial p of that share"),
    Column("n_without", "int64", "pairs of the concept without the keyword; −1: not tried", -1),
    Column("without", "records", "{measure, value}: scores without the keyword", ()),
    Column("change", "records", "{measure, value}: those minus the scores with it", ()),
)

FEATURES = (
    Column("side", "text", "the model that the feature is of: a or b", None, needed=True),
    Column("layer", "int64", "its block", None, needed=True),
    Column("feature", "int64", "the feature, which fires on this text", None, needed=True),
    Column("firings", "int64", "tokens on which it fires", -1),
    Column("occasions", "float64", "documents on which it fires, as many as weigh alike", NAN),
    Column("partner_layer", "int64", "block of the other model in which its best partner lies; −1: none", -1),
    Column("partner", "int64", "that feature; −1: none", -1),
    Column(
        "r", "float64", "their correlation: the best over all layers of the other model", NAN, needed=True
    ),
    Column("cofirings", "int64", "tokens on which both fire", -1),
    Column("mutual", "bool", "within the two layers each is the other's best partner", False),
    Column("null_r", "float64", "95 % point of the best r of unrelated text at its firing rate", NAN),
    Column("p", "float64", "p of r against that", NAN),
    Column("q", "float64", "Benjamini-Hochberg over the features of the side", NAN),
    Column("ceiling", "float64", "its best r in other SAEs of its own model", NAN),
    Column(
        "ceiling_of", "text", "which: `seed`, another seed's; `layers`, those of other layers; or none", ""
    ),
    Column("p_lacking", "float64", "p of so small an r if it had a counterpart; NaN without a ceiling", NAN),
    Column("q_lacking", "float64", "Benjamini-Hochberg over the features of the side", NAN),
    Column("verdict", "text", "shared, not shared, or can't be told", None, needed=True),
    Column("reason", "text", "why it can't be told: chance, one-sided, weak, few or no ceiling", ""),
    Column("concepts", "texts", "concepts of the run that it belongs to", ()),
    Column("top_tokens", "texts", "tokens on which it fires most strongly", ()),
    Column("readout", "float64", "held-out r of its best linear readout from the other model's states", NAN),
    Column("readout_layer", "int64", "block whose states gave that; −1: not looked for", -1),
    Column("readout_null", "float64", "95 % point of it on unrelated text at its firing rate", NAN),
    Column("readout_q", "float64", "q of it against that", NAN),
    Column("readout_ceiling", "float64", "the same from its own model's states at its own layer", NAN),
    Column(
        "scaling", "float64", "β of its direction in those states, found and taken on other documents", NAN
    ),
    Column("scaling_error", "float64", "the part of β that lies in the error of the other model's SAE", NAN),
    Column("presence", "text", "in the other model's states: present, absent, or can't be told", ""),
)

TRANSFER = (
    *PLACE[2:],
    Column(
        "direction",
        "text",
        "`a_to_b`: states of a are mapped to b and read by b's SAE; or `b_to_a`",
        None,
        needed=True,
    ),
    Column("map", "text", "identity, orthogonal (with one scale), affine or ridge", None, needed=True),
    Column(
        "null",
        "text",
        "empty, or what is broken: shifted text, random rotation, wrong layer, untrained SAE, frozen decoder",
        "",
    ),
    Column("against", "text", "of a wrong layer: which one the map leads into", ""),
    Column("r2", "float64", "variance of the target's held-out states that mapped states give", NAN),
    Column("explained", "float64", "explained variance of the SAE on the mapped states", NAN),
    Column("ceiling", "float64", "the same on its own model's states", NAN),
    Column(
        "explained_of_target",
        "float64",
        "variance of the target's states that map and SAE together give",
        NAN,
    ),
    Column("f1", "float64", "of the SAE's firing on mapped states against native ones", NAN),
    Column("r", "float64", "mean r of its features' activations, mapped against native", NAN),
    Column(
        "rotation_cosine",
        "float64",
        "of orthogonal: mean cosine of decoder rows turned by the rotation "
        "between matched decoder rows, and by this map",
        NAN,
    ),
    Column("rotation_null", "float64", "the same with the rotation fitted on re-paired rows", NAN),
    Column(
        "finds",
        "float64",
        "of orthogonal: share of matched features whose partner's decoder row is nearest after this map",
        NAN,
    ),
    Column("pairs", "int64", "matched features that these three rest on, half of them judged", 0),
    Column("n_fit", "int64", "tokens, or aligned units, that the map was fitted on", 0),
    Column("n_held", "int64", "held-out ones that r2 is over", 0),
    Column("n_judged", "int64", "those of them that went through the SAE", 0),
    Column("warnings", "texts", "why there is no number", ()),
)

TABLES = {
    "results": RESULTS,
    "cells": CELLS,
    "matches": MATCHES,
    "concept_keywords": KEYWORDS,
    "features": FEATURES,
    "transfer": TRANSFER,
}
NAMES = (
    *(f"{table}.parquet" for table in (*TABLES, "crosscoder")),
    generations.RECORD,
    "report.html",
    "figures",
)
"""What a generation may hold, and what has a link in the run's folder."""

_DTYPES = {"int64": "int64", "float64": "float64", "bool": "bool"}


def blank_row(columns: Sequence[Column], **values: Any) -> dict[str, Any]:
    """A row that says nothing but `values`, every column in its place."""
    row = {column.name: blank(column) for column in columns}
    unknown = set(values) - set(row)
    if unknown:
        raise KeyError(f"no column {sorted(unknown)[0]!r}")
    return row | values


def table_of(rows: Iterable[Mapping[str, Any]], columns: Sequence[Column]) -> pd.DataFrame:
    """Rows as a table with the columns in order and of their types."""
    rows = list(rows)
    table = pd.DataFrame({c.name: pd.Series([row[c.name] for row in rows], dtype=object) for c in columns})
    return typed(table, columns)


def typed(table: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """The columns in order, numbers as numbers."""
    kinds = {c.name: _DTYPES[c.kind] for c in columns if c.kind in _DTYPES}
    return pd.DataFrame(table, columns=[c.name for c in columns]).astype(kinds)


def arrow_schema(columns: Sequence[Column], table: pd.DataFrame) -> Any:
    """The types of a table as Parquet keeps them; records take the names that occur.

    Args:
        columns: of the table.
        table: its rows.
    """
    import pyarrow as pa

    simple = {
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
    }
    return pa.schema(
        [(c.name, simple[c.kind] if c.kind in simple else _nested(c, table[c.name])) for c in columns]
    )


def _nested(column: Column, values: Iterable[Any]) -> Any:
    import pyarrow as pa

    records = [one for value in values if value for one in ([value] if column.kind == "record" else value)]
    examples: dict[str, list[Any]] = {}
    for record in records:
        for name, value in record.items():
            examples.setdefault(name, []).append(value)
    fields = [(name, _type_of(found)) for name, found in examples.items()] or [("none", pa.null())]
    struct = pa.struct(fields)
    return struct if column.kind == "record" else pa.list_(struct)


def _type_of(values: Sequence[Any]) -> Any:
    import pyarrow as pa

    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int | np.integer) and not isinstance(value, bool) for value in known):
        return pa.int64()
    if known and all(
        isinstance(value, int | float | np.number) and not isinstance(value, bool) for value in known
    ):
        return pa.float64()
    return pa.array(known).type if known else pa.null()


def blank(column: Column) -> Any:
    """What a column holds where nothing is known."""
    if column.kind in ("texts", "records"):
        return []
    return {} if column.kind == "record" else column.absent


def in_words() -> str:
    """The columns of every table as Markdown: what docs/results.md holds."""
    words = {"texts": "list of text", "record": "mapping", "records": "list of mappings"}
    parts = []
    for name, columns in TABLES.items():
        rows = [f"| `{c.name}` | {words.get(c.kind, c.kind)} | {c.meaning} |" for c in columns]
        parts.append(
            "\n".join([f"## {name}.parquet", "", "| column | type | meaning |", "|---|---|---|", *rows])
        )
    return "\n\n".join(parts)
