"""Small things that Arrow's tables lack."""

from __future__ import annotations

import pyarrow as pa


def padded(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows that have some of a schema's columns, in all of them: null in the others. A pass brings rows of many kinds.

    >>> padded(pa.table({"b": [1]}), pa.schema([("a", pa.string()), ("b", pa.int64())])).to_pylist()
    [{'a': None, 'b': 1}]
    """
    own = set(rows.column_names)
    columns = [rows[f.name].cast(f.type) if f.name in own else pa.nulls(rows.num_rows, f.type) for f in schema]
    return pa.table(columns, schema=schema)


def one_chunk(table: pa.Table) -> pa.Table:
    """The table in one chunk, also if it has no row: Spark takes no table without a chunk."""
    return pa.Table.from_arrays([column.combine_chunks() for column in table.columns], schema=table.schema)
