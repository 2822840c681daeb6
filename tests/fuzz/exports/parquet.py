"""Exports that are Parquet: other types, other columns, folders, damaged files."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from tests.fuzz.exports.export import FUNDS, Export, Table
from tests.fuzz.exports.kinds import REFUSED, SAME, Kinds, any_table

KINDS = Kinds()


def _typed(export: Export, name: Table) -> pa.Table:
    rows = export.rows[name]
    kinds = {"user_id": int, "risk_tolerance": int, "risk_level": int, "demand": int}
    columns = {
        column: pa.array([kinds[column](each) for each in cells])
        if column in kinds
        else pa.array([float(each) if each else None for each in cells])
        if column == "expected_revenue"
        else pa.array(list(cells))
        for column, cells in rows.items()
    }
    return pa.table(columns)


def _parquet(table: pa.Table) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


@KINDS.gives(SAME)
def parquet_of_other_types(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    table = _typed(export, name)
    made = (pa.float64(), pa.int8(), pa.decimal128(30, 2))[int(rng.integers(3))]
    changed = {
        column: cells.cast(made) if column in ("risk_tolerance", "risk_level", "demand") else cells
        for column, cells in zip(table.column_names, table.columns, strict=True)
    }
    if "fund_id" in changed and rng.random() < 0.5:
        changed["fund_id"] = changed["fund_id"].dictionary_encode()
    return export.with_file(name, _parquet(pa.table(changed)), f"{name}.parquet")


@KINDS.gives(SAME)
def parquet_with_columns_in_capitals(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    table = _typed(export, name)
    return export.with_file(name, _parquet(table.rename_columns([c.upper() for c in table.column_names])), f"{name}.pq")


@KINDS.gives(SAME)
def parquet_in_folders_by_fund(export: Export, _: np.random.Generator) -> Export:
    table = _typed(export, "scores")
    parts = {
        f"fund_id={fund}/p.parquet": _parquet(
            table.filter(pa.compute.equal(table["fund_id"], fund)).drop_columns("fund_id")
        )
        for fund in FUNDS
    }
    return export.with_folder("scores", parts)


@KINDS.gives(REFUSED)
def parquet_files_that_differ(export: Export, rng: np.random.Generator) -> Export:
    table = _typed(export, "scores")
    cut = int(rng.integers(1, table.num_rows))
    second = table.slice(cut)
    place = int(rng.integers(len(table.column_names)))
    if rng.random() < 0.5:
        second = second.remove_column(place)
    else:
        second = second.set_column(
            place, table.column_names[place], second.column(place).cast(pa.string()).cast(pa.binary())
        )
    return export.with_folder("scores", {"1.parquet": _parquet(table.slice(0, cut)), "2.parquet": _parquet(second)})


@KINDS.gives(REFUSED)
def parquet_cut_off(export: Export, rng: np.random.Generator) -> Export:
    name = any_table(rng)
    content = _parquet(_typed(export, name))
    return export.with_file(name, content[: int(rng.integers(4, len(content) - 8))], f"{name}.parquet")


@KINDS.gives(REFUSED)
def parquet_of_halves(export: Export, rng: np.random.Generator) -> Export:
    name, column = (("demands", "demand"), ("funds", "risk_level"), ("scores", "user_id"))[int(rng.integers(3))]
    table = _typed(export, name)  # type: ignore[arg-type]
    halves = pa.array([each + 0.5 for each in table[column].to_pylist()])
    table = table.set_column(table.column_names.index(column), column, halves)
    return export.with_file(name, _parquet(table), f"{name}.parquet")  # type: ignore[arg-type]
