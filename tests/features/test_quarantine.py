"""Bad rows of the raw tables: each is set aside with its reason, none disappears, and too many stop the job.

Nothing from a campaign's start on counts.
"""

from __future__ import annotations

import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.tables.contracts.schemas import EXPOSURES, TRANSACTIONS
from tests.features.platform import USERS, built, features, raw_tables, written
from tests.same_table import assert_same_table

T0 = datetime(2025, 2, 1)
INF, NAN = float("inf"), float("nan")
BAD_PURCHASES = {
    "user_id is null": (None, "f1", T0, 5.0),
    "amount is null": (1, "f1", T0, None),
    "transacted_at is null": (1, "f1", None, 5.0),
    "amount: expected above 0 and at most 1e12": (1, "f1", T0, -5.0),
    "fund_id is not in funds": (1, "nowhere", T0, 5.0),
    "transacted_at lies in the future": (1, "f1", datetime.now() + timedelta(days=2), 5.0),
    "user_id is not in users": (999, "f1", T0, 5.0),
}
NOT_FINITE = [(1, "f1", T0, value) for value in (NAN, INF, -INF, 0.0, 1e13)]
BAD_EXPOSURES = {
    "campaign_id is not in campaigns": ("none", 1, "f1", 0.5, False, False, 0.0),
    "fund_id is not in funds": ("c1", 1, "nowhere", 0.5, False, False, 0.0),
    "click: expected true where conversion is true": ("c1", 1, "f1", 0.5, False, True, 3.0),
    "conversion: expected true where there is revenue": ("c1", 1, "f1", 0.5, True, False, 3.0),
    "revenue: expected 0 to 1e12": ("c1", 1, "f1", 0.5, True, True, NAN),
    "propensity: expected above 0 and at most 1, or null": ("c1", 1, "f1", 1.5, True, True, 1.0),
    "user_id is not in users": ("c1", 999, "f1", 0.5, False, False, 0.0),
}
AGAIN, OTHERWISE = "the same row again", "another row of the same key has other values"


# Good rows, but of the target campaign's first day and later: no feature may know of them.
LATE = [(user, "f2", datetime(2025, 3, 17) + timedelta(hours=user), 999.0) for user in range(20)]


def nullable(frame: DataFrame) -> str:
    return ", ".join(f"{field.name} {field.dataType.simpleString()}" for field in frame.schema)


def spoilt(spark: SparkSession, tables: dict[str, DataFrame]) -> dict[str, DataFrame]:
    """The good tables with late purchases, and with every kind of bad row, beside them."""
    spoilt = dict(tables)
    purchases = [*BAD_PURCHASES.values(), *NOT_FINITE, *LATE]
    spoilt["transactions"] = tables["transactions"].unionByName(
        spark.createDataFrame(purchases, nullable(tables["transactions"]))
    )
    twice = tables["exposures"].where("campaign_id = 'c1' AND user_id = 4")
    other = ("c1", 99, "f2", 0.5, True, False, 0.0), ("c1", 99, "f2", 0.25, True, False, 0.0)
    spoilt["exposures"] = (
        tables["exposures"]
        .unionByName(spark.createDataFrame(list(BAD_EXPOSURES.values()), EXPOSURES))
        .unionByName(twice)
        .unionByName(twice)
        .unionByName(spark.createDataFrame(other, EXPOSURES))
    )
    columns = nullable(tables["users"])
    spoilt["users"] = (
        tables["users"]
        .unionByName(tables["users"].where("user_id = 7"))
        .unionByName(spark.createDataFrame([(None, 3, "Paris", 1.0, None), (77, 9, "Paris", 1.0, None)], columns))
        .unionByName(spark.createDataFrame([(99, 1, "a", 1.0, None), (99, 5, "a", 1.0, None)], columns))
    )
    odd = spark.createDataFrame([("f9", 6, "bond"), ("f1", 1, "bond")], nullable(tables["funds"]))
    spoilt["funds"] = tables["funds"].unionByName(odd)
    return spoilt


def reasons(spark: SparkSession, warehouse: str, table: str) -> dict[str, int]:
    rows = spark.read.format("delta").load(f"{warehouse}/{table}_quarantine")
    return {row["reason"]: row["count"] for row in rows.groupBy("reason").count().collect()}


@pytest.fixture(scope="module")
def spoilt_and_built(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse of the spoilt tables, in several partitions each, and the features built from them. To read."""
    warehouse = str(tmp_path_factory.mktemp("spoilt") / "warehouse")
    written(spoilt(spark, raw_tables(spark)), warehouse, partitions=5)
    built(spark, warehouse, max_quarantined_share=0.5)
    return warehouse


def assert_events_set_aside(spark: SparkSession, warehouse: str) -> None:
    purchases = dict.fromkeys(BAD_PURCHASES, 1)
    purchases["amount: expected above 0 and at most 1e12"] += len(NOT_FINITE)
    assert reasons(spark, warehouse, "transactions") == purchases
    # The two that contradict each other are of a user whose own rows do: he is unknown.
    exposures = dict.fromkeys(BAD_EXPOSURES, 1) | {AGAIN: 2, "user_id is not in users": 3}
    assert reasons(spark, warehouse, "exposures") == exposures
    assert reasons(spark, warehouse, "funds") == {"risk_level: expected 1 to 5": 1, AGAIN: 1}


def assert_same_features(found: dict[str, DataFrame], wanted: dict[str, DataFrame]) -> None:
    for name, frame in wanted.items():
        assert_same_table(found[name].select(frame.columns), frame)


def test_bad_rows_are_set_aside_with_their_reason(spark: SparkSession, spoilt_and_built: str) -> None:
    assert_events_set_aside(spark, spoilt_and_built)
    users = {"user_id is null": 1, "risk_tolerance: expected 1 to 5": 1, AGAIN: 1, OTHERWISE: 2}
    assert reasons(spark, spoilt_and_built, "users") == users


def test_neither_bad_rows_nor_late_events_nor_partitions_move_a_feature(
    spark: SparkSession, built_once: str, spoilt_and_built: str
) -> None:
    """The clean tables are of one partition, the spoilt ones of five."""
    dirty = features(spark, spoilt_and_built)
    assert_same_features(dirty, features(spark, built_once))
    assert dirty["user_features"].count() == USERS


def test_rows_in_are_rows_kept_and_rows_set_aside(spark: SparkSession, spoilt_and_built: str) -> None:
    raw = spoilt(spark, raw_tables(spark))
    tables = features(spark, spoilt_and_built)
    aside = {
        name: sum(reasons(spark, spoilt_and_built, name).values()) for name in ("users", "exposures", "transactions")
    }
    assert tables["user_features"].count() + aside["users"] == raw["users"].count()
    assert tables["examples"].count() + aside["exposures"] == raw["exposures"].count()
    bought = tables["user_features"].select(
        F.aggregate(F.map_values("purchases_by_fund"), F.lit(0.0), lambda a, b: a + b)
    )
    kept = raw_tables(spark)["transactions"].where("transacted_at < '2025-03-17'").count()
    assert sum(row[0] for row in bought.collect()) == kept
    assert kept + len(LATE) + aside["transactions"] == raw["transactions"].count()
    kept_rows = spark.read.format("delta").load(f"{spoilt_and_built}/transactions_quarantine")
    assert kept_rows.columns == ["snapshot_date", "run_id", "reason", *TRANSACTIONS.names]
    stray = kept_rows.where("reason = 'user_id is not in users'").collect()
    assert [(row["user_id"], row["fund_id"], row["transacted_at"], row["amount"]) for row in stray] == [
        (999, "f1", T0, 5.0)
    ]
    assert {row["snapshot_date"] for row in kept_rows.collect()} == {date(2025, 3, 17)}


def test_building_again_replaces_the_quarantine_of_the_snapshot(
    spark: SparkSession, built_once: str, spoilt_and_built: str, tmp_path: Path
) -> None:
    """The users are mended, the other tables as before, in one partition each."""
    warehouse = str(shutil.copytree(spoilt_and_built, tmp_path / "warehouse"))
    good = raw_tables(spark)
    written(spoilt(spark, good) | {"users": good["users"]}, warehouse)
    again = built(spark, warehouse, max_quarantined_share=0.5)
    assert reasons(spark, warehouse, "users") == {}
    assert_events_set_aside(spark, warehouse)
    assert_same_features(again, features(spark, built_once))


def test_too_many_bad_rows_are_one_line_and_no_features(spark: SparkSession, tmp_path: Path) -> None:
    """Of the funds, one has a wrong level, one stands there twice, and two rows contradict each other."""
    tables = raw_tables(spark)
    odd = spark.createDataFrame([("f9", 6, "bond"), ("f1", 1, "bond"), ("f3", 2, "bond")], nullable(tables["funds"]))
    tables["funds"] = tables["funds"].unionByName(odd)
    said = r"table funds: 4 of 6 rows are bad, more than max_quarantined_share = 0.01 allows .*has other values: 2"
    with pytest.raises(TableError, match=said):
        built(spark, written(tables, str(tmp_path)))
    assert not (tmp_path / "user_features").exists()
    assert not (tmp_path / "examples").exists()
    assert reasons(spark, str(tmp_path), "funds") == {"risk_level: expected 1 to 5": 1, AGAIN: 1, OTHERWISE: 2}
