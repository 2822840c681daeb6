"""`build_features`: raw tables to the tables that training and scoring read."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.features.examples import examples, laid_out
from ptofa_spark.features.fund import fund_features, fund_types
from ptofa_spark.features.settings import BuildFeaturesSettings
from ptofa_spark.features.user import user_attributes, with_history
from ptofa_spark.features.windows import events, user_windows
from ptofa_spark.progress import stage
from ptofa_spark.splits import TEST, user_split
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.tables.reading import TableVersion, delta_version, read_table
from ptofa_spark.tables.schemas import OPEN_TABLES, RAW_TABLES, USER_FEATURES
from ptofa_spark.tables.writing import write_table

# Row groups are what the reader shuffles: with a dozen files a split, an epoch mixes well and each file is still large.
_FILES = 24


@dataclass(frozen=True)
class Raw:
    """The raw tables, each at the version that was the newest when the job began."""

    frames: dict[str, DataFrame]
    versions: tuple[TableVersion, ...]


def build_features(spark: SparkSession, settings: BuildFeaturesSettings) -> None:
    """Writes user_features, fund_features and examples, each in one transaction.

    The target campaign is the one that starts last; its users and funds are what scoring reads.

    Raises:
        TableError: a raw table is missing or breaks its contract, or there is no exposure to learn from.
    """
    with stage("build_features", split_by=settings.split_by) as report:
        raw = _read(spark, settings.warehouse)
        target, tested = _campaigns(raw, settings)
        campaigns = raw.frames["campaigns"]
        happened = events(
            raw.frames["transactions"], raw.frames["exposures"], campaigns, fund_types(raw.frames["funds"])
        )
        # Both tables of users read the windows; made once, they are shuffled once.
        windows = user_windows(happened, campaigns).persist(StorageLevel.DISK_ONLY)
        users = user_attributes(raw.frames["users"])
        funds = fund_features(raw.frames["funds"], campaigns, happened).localCheckpoint()
        _write(_target_users(users, windows, target, settings), settings, "user_features", raw)
        _write(funds, settings, "fund_features", raw)
        rows = examples(raw.frames["exposures"], users, windows, funds, _split(settings, tested))
        _write(laid_out(rows, _FILES), settings, "examples", raw)
        windows.unpersist()
        report.counts |= {"target": target, "tested": tested or "users"}


def _read(spark: SparkSession, warehouse: str) -> Raw:
    names = {name: in_warehouse(warehouse, name) for name in RAW_TABLES}
    versions = {name: delta_version(spark, table) for name, table in names.items()}
    frames = {
        name: read_table(spark, names[name], schema, keep_extra=name in OPEN_TABLES, version=versions[name].version)
        for name, schema in RAW_TABLES.items()
    }
    return Raw(frames, tuple(versions.values()))


def _campaigns(raw: Raw, settings: BuildFeaturesSettings) -> tuple[str, str | None]:
    """The target campaign, and, where the split is by campaign, the one that tests."""
    starts = raw.frames["campaigns"].orderBy(F.desc("start_date"), F.desc("campaign_id")).collect()
    if not starts:
        raise TableError(
            f"table {in_warehouse(settings.warehouse, 'campaigns')} is empty: there is nothing to plan for"
        )
    exposed = {row["campaign_id"] for row in raw.frames["exposures"].select("campaign_id").distinct().collect()}
    if not exposed & {row["campaign_id"] for row in starts}:
        raise TableError(f"table {in_warehouse(settings.warehouse, 'exposures')} has no exposure of a known campaign")
    if settings.split_by == "user":
        return starts[0]["campaign_id"], None
    tested = next(row["campaign_id"] for row in starts if row["campaign_id"] in exposed)
    if len(exposed) < 2:
        raise TableError("only one campaign has exposures, and it cannot both train and test: choose --split-by user")
    return starts[0]["campaign_id"], tested


def _split(settings: BuildFeaturesSettings, tested: str | None) -> Column:
    test_share = settings.test_share if tested is None else 0.0
    by_user = user_split(F.col("user_id"), settings.seed, test_share, settings.validation_share)
    return by_user if tested is None else F.when(F.col("campaign_id") == tested, TEST).otherwise(by_user)


def _target_users(users: DataFrame, windows: DataFrame, target: str, settings: BuildFeaturesSettings) -> DataFrame:
    test_share = settings.test_share if settings.split_by == "user" else 0.0
    split = user_split(F.col("user_id"), settings.seed, test_share, settings.validation_share)
    rows = with_history(users.withColumn("campaign_id", F.lit(target)), windows).withColumn("split", split)
    further = sorted(name for name in rows.columns if name not in USER_FEATURES.names)
    return rows.select(*USER_FEATURES.names, *further)


def _write(rows: DataFrame, settings: BuildFeaturesSettings, name: str, raw: Raw) -> None:
    with stage(f"write-{name}"):
        write_table(rows, in_warehouse(settings.warehouse, name), built_from=raw.versions)
