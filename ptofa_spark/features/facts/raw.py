"""The raw tables at one version each, and their rows that are bad by themselves, whatever the other rows hold."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, MapType, NumericType, StructType, VariantType

from ptofa_spark.errors import TableError
from ptofa_spark.files.csv.header import CsvForm
from ptofa_spark.tables.contracts.domains import DOMAINS
from ptofa_spark.tables.contracts.schemas import OPEN_TABLES, RAW_TABLES
from ptofa_spark.tables.delta.commits import TableVersion
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.names import in_warehouse, quoted
from ptofa_spark.tables.reading import AS_FOUND

logger = logging.getLogger(__name__)

FAULT = "reason"
FUND_TYPE = "fund_type"
_KEYS = {"funds": ("fund_id",), "campaigns": ("campaign_id",), "demands": ("campaign_id", "fund_id")}
_KNOWN_FUND, _KNOWN_CAMPAIGN = ("demands", "transactions", "exposures"), ("demands", "exposures")
DOUBLED, CONFLICTING = "the same row again", "another row of the same key has other values"


@dataclass(frozen=True)
class Raw:
    """The raw tables of one snapshot, at the versions that were the newest when the job began.

    frames: by name, with one more column, `reason`: why the row is bad, null if it is good by itself. `records` makes
    the checks that need all rows of a user: one row per key, and no event of an unknown user.
    counts: rows by reason, of the tables that are counted already; funds: ids of the good rows, sorted; fund_types: of
    each of them, None if it has none; campaigns: id and start of the good rows up to the snapshot, by start and id.
    """

    frames: dict[str, DataFrame]
    versions: tuple[TableVersion, ...]
    counts: dict[str, Counter[str | None]]
    funds: tuple[str, ...]
    fund_types: tuple[str | None, ...]
    campaigns: tuple[tuple[str, date], ...]

    @property
    def target(self) -> str:
        """The campaign that the snapshot is for: the last."""
        return self.campaigns[-1][0]

    @property
    def snapshot_date(self) -> date:
        """The day on which the target campaign starts."""
        return self.campaigns[-1][1]

    def good(self, name: str) -> DataFrame:
        """The rows without a fault of their own."""
        return _good(self.frames[name]).drop(FAULT)


def read_raw(
    spark: SparkSession,
    warehouse: str,
    snapshot_date: date | None,
    now: datetime,
    versions: Mapping[str, int | None] | None = None,
    csv: CsvForm = AS_FOUND,
) -> Raw:
    """Reads the raw tables of a warehouse.

    Args:
        spark: the session.
        warehouse: directory, URI or catalog.schema.
        snapshot_date: the start of the campaign to build for; the last campaign's if None.
        now: a later event is bad, since it lies in the future.
        versions: of each table, to read what an earlier build read; the newest if None.
        csv: how CSV files are read.

    Raises:
        TableError: a table is missing, has other columns, or was not read by the earlier build. No campaign starts on
            the snapshot date.
    """
    places = {name: in_warehouse(warehouse, name) for name in RAW_TABLES}
    earlier = [] if versions is None else _as_they_were(places.values(), versions)
    tables = PinnedTables(spark, earlier, csv).pin(*places.values())
    frames = {
        name: tables.read(places[name], schema, keep_extra=name in OPEN_TABLES, allow_null=True)
        for name, schema in RAW_TABLES.items()
    }
    frames = {name: _comparable(frame, name) for name, frame in frames.items()}
    marked: dict[str, DataFrame] = {}
    # These tables are small. One query each tells what the later steps need of them.
    counts: dict[str, Counter[str | None]] = {}
    good: dict[str, list[tuple[Any, ...]]] = {}
    for name, columns in (
        ("funds", [F.col("fund_id"), type_name(frames["funds"])]),
        ("campaigns", [F.col("start_date"), F.col("campaign_id")]),
    ):
        marked[name] = _marked_small(frames[name], name, _own_faults(name))
        rows = marked[name].select(FAULT, *[F.when(F.col(FAULT).isNull(), column) for column in columns]).collect()
        counts[name] = Counter(row[0] for row in rows)
        # Python sorts words as Spark does, by their UTF-8 bytes. No two good rows have one key.
        good[name] = sorted(tuple(row)[1:] for row in rows if row[0] is None)
    funds, types = [fund_id for fund_id, _ in good["funds"]], [kind for _, kind in good["funds"]]
    known = [(campaign, start) for start, campaign in good["campaigns"]]
    campaigns = _until(known, snapshot_date, places["campaigns"])
    for name in ("users", "transactions", "exposures", "demands"):
        faults = [*_own_faults(name), *_reference_faults(name, funds, [campaign for campaign, _ in known])]
        if name == "transactions":
            faults.append((F.col("transacted_at") > F.lit(now), "transacted_at lies in the future"))
        if name in _KEYS:
            marked[name] = _marked_small(frames[name], name, faults)
        else:
            marked[name] = frames[name].withColumn(FAULT, _first_of(faults))
    return Raw(marked, tables.versions, counts, tuple(funds), tuple(types), tuple(campaigns))


def type_name(funds: DataFrame) -> Column:
    """The type as a word, even if the platform numbers its types. Purchases of a type are looked up by this word."""
    if FUND_TYPE not in funds.columns:
        return F.lit(None).cast("string")
    fund_type = F.col(FUND_TYPE)
    if isinstance(funds.schema[FUND_TYPE].dataType, NumericType):
        fund_type = F.when(F.abs(fund_type) < float("inf"), fund_type)  # Spark sorts NaN above all numbers
    return fund_type.cast("string")


def _as_they_were(places: Collection[str], versions: Mapping[str, int | None]) -> list[TableVersion]:
    unknown = [place for place in places if place not in versions]
    if unknown:
        raise TableError(
            f"the build to repeat did not read {unknown[0]}. It read {', '.join(sorted(versions))}: "
            "pass --warehouse as it was passed then"
        )
    return [TableVersion(place, versions[place]) for place in places]


def _comparable(frame: DataFrame, name: str) -> DataFrame:
    """The table without maps and variants: Spark cannot compare their values, and they are not features."""
    left_out = [field.name for field in frame.schema if not _can_be_compared(field.dataType)]
    if left_out:
        logger.info("table=%s left_out=%s", name, ",".join(left_out))
    return frame.drop(*left_out)


def _can_be_compared(data_type: DataType) -> bool:
    if isinstance(data_type, ArrayType):
        return _can_be_compared(data_type.elementType)
    if isinstance(data_type, StructType):
        return all(_can_be_compared(field.dataType) for field in data_type)
    return not isinstance(data_type, MapType | VariantType)


def _good(frame: DataFrame) -> DataFrame:
    return frame.where(F.col(FAULT).isNull())


def _until(known: list[tuple[str, date]], snapshot_date: date | None, table: str) -> list[tuple[str, date]]:
    if not known:
        raise TableError(f"table {table} is empty: there is nothing to plan for")
    wanted = snapshot_date or known[-1][1]
    if wanted not in {start for _, start in known}:
        starts = ", ".join(sorted({str(start) for _, start in known}))
        raise TableError(f"table {table} has no campaign that starts on {wanted}: choose a snapshot date of {starts}")
    return [(campaign, start) for campaign, start in known if start <= wanted]


def _own_faults(name: str) -> list[tuple[Column, str]]:
    """Conditions that make a row of the table bad by itself, with their reasons."""
    nulls = [
        (F.col(quoted(field.name)).isNull(), f"{field.name} is null")
        for field in RAW_TABLES[name]
        if not field.nullable
    ]
    return [*nulls, *[(~F.expr(f"({domain.holds})"), domain.fault) for domain in DOMAINS.get(name, ())]]


def _reference_faults(name: str, funds: list[str], campaigns: list[str]) -> list[tuple[Column, str]]:
    faults = []
    if name in _KNOWN_CAMPAIGN:
        faults.append((~F.col("campaign_id").isin(campaigns), "campaign_id is not in campaigns"))
    if name in _KNOWN_FUND:
        faults.append((~F.col("fund_id").isin(funds), "fund_id is not in funds"))
    return faults


def _first_of(faults: list[tuple[Column, str]]) -> Column:
    reason = F.lit(None).cast("string")
    for bad, words in reversed(faults):
        reason = F.when(bad, F.lit(words)).otherwise(reason)
    return reason


def _marked_small(frame: DataFrame, name: str, faults: list[tuple[Column, str]]) -> DataFrame:
    """A small table with one good row per key: one of equal rows is good, none of conflicting rows."""
    own = frame.withColumn(FAULT, _first_of(faults))
    columns = [quoted(column) for column in frame.columns]
    counted = own.groupBy(*columns, FAULT).agg(F.count("*").cast("int").alias("_copies"))
    of_key = Window.partitionBy(*[quoted(column) for column in _KEYS[name]])
    rows_of_key = counted.withColumn("_rows", F.count_if(F.col(FAULT).isNull()).over(of_key))
    conflict = F.when(F.col(FAULT).isNull() & (F.col("_rows") > 1), F.lit(CONFLICTING)).otherwise(F.col(FAULT))
    again = F.when(conflict.isNull() & (F.col("_copy") > 1), F.lit(DOUBLED)).otherwise(conflict)
    copies = rows_of_key.withColumn("_copy", F.explode(F.sequence(F.lit(1), F.col("_copies"))))
    return copies.select(*columns, again.alias(FAULT))
