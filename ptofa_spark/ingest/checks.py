"""Checks the raw tables of any data set: their schemas, and the rules that a schema cannot state.

Each check names the table, the column and the first bad value. The first is the smallest, so that the message does not
depend on the partitions.
"""

from __future__ import annotations

from dataclasses import fields

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from ptofa_spark.errors import ColumnTypeError, MissingColumnError, TableError
from ptofa_spark.ingest.raw_tables import RawTables
from ptofa_spark.tables.contracts.domains import DOMAINS
from ptofa_spark.tables.contracts.nulls import null_counts, require_no_null
from ptofa_spark.tables.contracts.schemas import RAW_TABLES
from ptofa_spark.tables.near_names import instead

_KEYS = {
    "users": ("user_id",),
    "funds": ("fund_id",),
    "campaigns": ("campaign_id",),
    "demands": ("campaign_id", "fund_id"),
    "exposures": ("campaign_id", "user_id", "fund_id"),
}
# By table and column, the table that must contain its values. A fund no longer offered is in funds and has no demand.
_REFERENCES = {
    "demands": {"fund_id": "funds", "campaign_id": "campaigns"},
    "exposures": {"fund_id": "funds", "campaign_id": "campaigns", "user_id": "users"},
    "transactions": {"fund_id": "funds", "user_id": "users"},
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
    facts = {}
    for name, frame in frames.items():
        _require_schema(frame, name)
        facts[name] = _facts(frame, name)
        # Every column read from Parquet is nullable.
        require_no_null(name, RAW_TABLES[name], facts[name].asDict())
    for name, key in _KEYS.items():
        _require_unique(frames[name], name, key)
    for name, references in _REFERENCES.items():
        _require_known(frames, name, references)
    for name, found in facts.items():
        _require_domains(found, name)
    _require_target(frames["campaigns"], frames["demands"])


def _require_schema(frame: DataFrame, name: str) -> None:
    """Requires the columns of RAW_TABLES with their types."""
    found = {field.name: field for field in frame.schema}
    missing = [column for column in RAW_TABLES[name].names if column not in found]
    if missing:
        raise MissingColumnError(name, missing, frame.columns)
    for field in RAW_TABLES[name]:
        given = found[field.name].dataType
        if given != field.dataType:
            raise ColumnTypeError(name, field.name, given.simpleString(), field.dataType.simpleString())


def _facts(frame: DataFrame, name: str) -> Row:
    """In one pass over a table: the nulls of each column that allows none, the smallest value outside each domain."""
    outside = [
        F.min(F.when(~F.expr(domain.holds), F.col(domain.column))).alias(f"outside_{domain.column}")
        for domain in DOMAINS.get(name, ())
    ]
    return frame.agg(*null_counts(RAW_TABLES[name]), *outside).collect()[0]


def _require_domains(facts: Row, name: str) -> None:
    """Requires values within their domains. No domain rejects a null, so the smallest value outside is not null."""
    for domain in DOMAINS.get(name, ()):
        value = facts[f"outside_{domain.column}"]
        if value is not None:
            raise TableError(
                f"table {name}: column {domain.column} holds {value}, expected {domain.wanted}: correct the row"
            )


def _require_unique(frame: DataFrame, name: str, key: tuple[str, ...]) -> None:
    twice = frame.groupBy(*key).count().where("count > 1").orderBy(*key).first()
    if twice is not None:
        value = ", ".join(str(twice[column]) for column in key)
        raise TableError(
            f"table {name}: {', '.join(key)} = {value} occurs {twice['count']} times: keep one row of each"
        )


def _require_known(frames: dict[str, DataFrame], name: str, references: dict[str, str]) -> None:
    """Requires that the tables which a table refers to contain its ids. Their own ids are unique by now."""
    rows = frames[name].select(*references)
    for column, known in references.items():
        ids = frames[known].select(column, F.lit(True).alias(f"known_{column}"))
        rows = rows.join(ids, on=column, how="left")
    unknown = rows.agg(*[F.min(F.when(F.col(f"known_{c}").isNull(), F.col(c))).alias(c) for c in references])
    for column, value in unknown.collect()[0].asDict().items():
        if value is not None:
            known = references[column]
            raise TableError(
                f"table {name}: column {column} holds {value!r}, which table {known} does not contain"
                f"{_nearest(value, frames[known], column)}: add it to {known} or remove the row"
            )


def _nearest(value: object, known: DataFrame, column: str) -> str:
    """The clause that names the nearest id; empty for a number."""
    if not isinstance(value, str):
        return ""
    names = [row[0] for row in known.select(column).distinct().orderBy(column).take(_MOST_NAMES)]
    return f"; {instead(value, names)}"


def _require_target(campaigns: DataFrame, demands: DataFrame) -> None:
    """Requires demands for the target campaign, the latest one. Without demands there is nothing to allocate."""
    target = campaigns.orderBy(F.desc("start_date"), F.desc("campaign_id")).first()
    if target is None:
        raise TableError("table campaigns is empty: add the campaign to allocate")
    if demands.where(F.col("campaign_id") == target["campaign_id"]).isEmpty():
        raise TableError(
            f"table demands: column campaign_id lacks {target['campaign_id']!r}, the latest campaign: add its demands"
        )
