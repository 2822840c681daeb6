"""`build_features`: makes the tables that training and scoring read from the raw tables."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.features.counted import count_records
from ptofa_spark.features.examples import examples
from ptofa_spark.features.facts.quarantine import (
    RowCounts,
    count_own_faults,
    quarantine_table,
    write_quarantine,
)
from ptofa_spark.features.facts.raw import Raw, read_raw
from ptofa_spark.features.facts.records import user_records
from ptofa_spark.features.fund_table import fund_features
from ptofa_spark.features.history import History
from ptofa_spark.features.settings import BuildFeaturesSettings
from ptofa_spark.features.user_table import user_features
from ptofa_spark.reproducible.splits import TEST, user_split
from ptofa_spark.running.progress import stage
from ptofa_spark.tables.contracts.schemas import EXAMPLES, FUND_FEATURES, RAW_TABLES, USER_FEATURES
from ptofa_spark.tables.delta.commits import sources_of
from ptofa_spark.tables.delta.snapshots import SNAPSHOT_DATE, snapshot_predicate
from ptofa_spark.tables.delta.targets import require_columns, require_target, require_targets
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.names import in_warehouse

logger = logging.getLogger(__name__)
_WRITTEN = {"user_features": USER_FEATURES, "fund_features": FUND_FEATURES, "examples": EXAMPLES}


def build_features(spark: SparkSession, settings: BuildFeaturesSettings) -> None:
    """Writes user_features, fund_features and examples of one snapshot date, each in one transaction.

    The target campaign is the last that starts on the snapshot date. Scoring reads its users and funds. Rows of other
    snapshots stay. Bad rows of the raw tables go to `<table>_quarantine`.

    Raises:
        TableError: a raw table is missing, has other columns or has too many bad rows. No campaign has exposures, or
            only one has them and the split is by campaign.
    """
    with stage("build_features", split_by=settings.split_by) as report:
        _require_targets(spark, settings.warehouse)
        raw = _read(spark, settings)
        with stage("count_rows"):
            counts = count_own_faults(raw)
        records = user_records(raw, counts.records()).persist(StorageLevel.DISK_ONLY)
        try:
            with stage("shuffle_users", rows=counts.records()):
                history = History.of(raw, records)
                days = count_records(records, history, counts)
            _set_aside(raw, records, counts, settings)
            tested = _tested(raw, counts, settings)
            funds = fund_features(days, history, raw).localCheckpoint()
            _write(funds, "fund_features", raw, settings)
            users = user_features(records, history, raw, _user_split(settings, tested))
            _write(users, "user_features", raw, settings)
            _write(examples(records, history, raw, funds, _split(settings, tested)), "examples", raw, settings, "split")
        finally:
            records.unpersist()
        report.counts |= {"snapshot": raw.snapshot_date, "target": raw.target, "tested": tested or "users"}


def _require_targets(spark: SparkSession, warehouse: str) -> None:
    require_targets(spark, warehouse, map(quarantine_table, RAW_TABLES))
    for name, schema in _WRITTEN.items():
        place = in_warehouse(warehouse, name)
        if require_target(spark, place):
            require_columns(spark, place, schema)


def _read(spark: SparkSession, settings: BuildFeaturesSettings) -> Raw:
    versions = None
    if settings.rebuild_version is not None:
        versions = sources_of(spark, in_warehouse(settings.warehouse, "examples"), settings.rebuild_version)
    return read_raw(spark, settings.warehouse, settings.snapshot_date, datetime.now(UTC), versions, settings.csv_form())


def _set_aside(raw: Raw, records: DataFrame, counts: RowCounts, settings: BuildFeaturesSettings) -> None:
    """Writes the bad rows to their own tables, then checks that there are not too many."""
    for line in counts.shown():
        logger.warning(line)
    with stage("write-quarantine", rows=sum(faults.total() for faults in counts.faults.values())):
        write_quarantine(raw, records, counts, settings.warehouse)
    counts.require_few(settings.max_quarantined_share)


def _tested(raw: Raw, counts: RowCounts, settings: BuildFeaturesSettings) -> str | None:
    """The last campaign with exposures, which is the test split; None if the split is by user."""
    exposed = [campaign for campaign, _ in raw.campaigns if campaign in counts.exposed]
    if not exposed:
        raise TableError(
            f"table {in_warehouse(settings.warehouse, 'exposures')} has no exposure of a campaign up to "
            f"{raw.snapshot_date}: there is nothing to learn from"
        )
    if settings.split_by == "user":
        return None
    if len(exposed) < 2:
        raise TableError("only one campaign has exposures, and it cannot both train and test: choose --split-by user")
    return exposed[-1]


def _user_split(settings: BuildFeaturesSettings, tested: str | None) -> Column:
    test_share = settings.test_share if tested is None else 0.0
    return user_split(F.col("user_id"), settings.seed, test_share, settings.validation_share)


def _split(settings: BuildFeaturesSettings, tested: str | None) -> Column:
    by_user = _user_split(settings, tested)
    return by_user if tested is None else F.when(F.col("campaign_id") == tested, TEST).otherwise(by_user)


def _write(rows: DataFrame, name: str, raw: Raw, settings: BuildFeaturesSettings, *partition_by: str) -> None:
    with stage(f"write-{name}"):
        write_table(
            rows,
            in_warehouse(settings.warehouse, name),
            kind=name,
            replace_where=snapshot_predicate(raw.snapshot_date),
            built_from=raw.versions,
            partition_by=(SNAPSHOT_DATE, *partition_by),
            fed=name == "examples",
            with_statistics=[column for column in ("user_id", "fund_id") if column in rows.columns],
        )
