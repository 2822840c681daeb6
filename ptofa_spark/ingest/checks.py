"""Checks the raw tables of any data set: their schemas, and the rules that a schema cannot state.

Each check names the table, the column and the first bad value. The first is the smallest, so that the message does not
depend on the partitions.
"""

from __future__ import annotations

from dataclasses import fields

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ptofa_spark.errors import ColumnTypeError, MissingColumnError, TableError
from ptofa_spark.ingest.raw_tables import RawTables
from ptofa_spark.tables.contracts.domains import DOMAINS, Domain
from ptofa_spark.tables.contracts.schemas import RAW_TABLES
from ptofa_spark.tables.names import quoted
from ptofa_spark.tables.near_names import instead

_KEYS = {
    "users": ("user_id",),
    "funds": ("fund_id",),
    "campaigns": ("campaign_id",),
    "demands": ("campaign_id", "fund_id"),
    "exposures": ("campaign_id", "user_id", "fund_id"),
}
# (table, column) -> the table that must contain its values. A fund no longer offered is in funds and has no demand.
_REFERENCES = {
    ("demands", "fund_id"): "funds",
    ("demands", "campaign_id"): "campaigns",
    ("exposures", "fund_id"): "funds",
    ("exposures", "campaign_id"): "campaigns",
    ("exposures", "user_id"): "users",
    ("transactions", "fund_id"): "funds",
    ("transactions", "user_id"): "users",
}
# Largest number of names collected on the driver to find the one nearest to an unknown name.
_MOST_NAMES = 10_000


def check_raw_tables(tables: RawTables) -> None:
    """Checks the tables before any of them is written.

    Raises:
        MissingColumnError: a column of the schema is missing.
        ColumnTypeError: a column has another type.
        TableError: a null in a column that allows none, a duplicate key, or a value outside its domain. Also an unknown
            fund, campaign or user, or no demands for the target campaign.
    """
    frames = {field.name: getattr(tables, field.name) for field in fields(tables)}
    for name, frame in frames.items():
        _require_schema(frame, name)
    for name, key in _KEYS.items():
        _require_unique(frames[name], name, key)
    for (name, column), known in _REFERENCES.items():
        _require_known(frames[name], name, column, frames[known], known)
    for name, frame in frames.items():
        for domain in DOMAINS.get(name, ()):
            _require_all(frame, name, domain)
    _require_target(frames["campaigns"], frames["demands"])


def _require_schema(frame: DataFrame, name: str) -> None:
    """Requires the columns of RAW_TABLES with their types, and no nulls where the schema allows none."""
    found = {field.name: field for field in frame.schema}
    missing = [column for column in RAW_TABLES[name].names if column not in found]
    if missing:
        raise MissingColumnError(name, missing, frame.columns)
    for field in RAW_TABLES[name]:
        given = found[field.name].dataType
        if given != field.dataType:
            raise ColumnTypeError(name, field.name, given.simpleString(), field.dataType.simpleString())
    # Every column read from Parquet is nullable, so its nulls are counted.
    doubtful = [field.name for field in RAW_TABLES[name] if not field.nullable and found[field.name].nullable]
    if not doubtful:
        return
    nulls = frame.agg(*[F.count_if(F.col(quoted(column)).isNull()).alias(column) for column in doubtful]).collect()[0]
    for column in doubtful:
        if nulls[column]:
            raise TableError(f"table {name}: column {column} is null in {nulls[column]} row(s): fill or drop them")


def _require_unique(frame: DataFrame, name: str, key: tuple[str, ...]) -> None:
    twice = frame.groupBy(*key).count().where("count > 1").orderBy(*key).first()
    if twice is not None:
        value = ", ".join(str(twice[column]) for column in key)
        raise TableError(
            f"table {name}: {', '.join(key)} = {value} occurs {twice['count']} times: keep one row of each"
        )


def _require_known(frame: DataFrame, name: str, column: str, known: DataFrame, known_name: str) -> None:
    unknown = frame.join(known.select(column), on=column, how="left_anti").agg(F.min(column)).first()
    if unknown is not None and unknown[0] is not None:
        raise TableError(
            f"table {name}: column {column} holds {unknown[0]!r}, which table {known_name} does not contain"
            f"{_nearest(unknown[0], known, column)}: add it to {known_name} or remove the row"
        )


def _nearest(value: object, known: DataFrame, column: str) -> str:
    """The clause that names the nearest id; empty for a number."""
    if not isinstance(value, str):
        return ""
    names = [row[0] for row in known.select(column).distinct().orderBy(column).take(_MOST_NAMES)]
    return f"; {instead(value, names)}"


def _require_all(frame: DataFrame, name: str, domain: Domain) -> None:
    bad = frame.where(~F.expr(domain.holds)).orderBy(domain.column).first()
    if bad is not None:
        raise TableError(
            f"table {name}: column {domain.column} holds {bad[domain.column]}, expected {domain.wanted}: "
            "correct the row"
        )


def _require_target(campaigns: DataFrame, demands: DataFrame) -> None:
    """Requires demands for the target campaign, the latest one. Without demands there is nothing to allocate."""
    target = campaigns.orderBy(F.desc("start_date"), F.desc("campaign_id")).first()
    if target is None:
        raise TableError("table campaigns is empty: add the campaign to allocate")
    if demands.where(F.col("campaign_id") == target["campaign_id"]).isEmpty():
        raise TableError(
            f"table demands: column campaign_id lacks {target['campaign_id']!r}, the latest campaign: add its demands"
        )
