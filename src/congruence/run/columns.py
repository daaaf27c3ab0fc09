"""A column of a stored table, and tables and rows made to columns."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


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
