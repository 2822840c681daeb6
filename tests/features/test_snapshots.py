"""Feature tables by snapshot date: one date replaced, the others kept, and each traced to what it was built from."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.tables.contracts.schemas import EXAMPLES
from ptofa_spark.tables.delta.commits import sources_of
from ptofa_spark.tables.delta.snapshots import of_snapshot
from ptofa_spark.tables.reading import read_table
from tests.features.platform import built, raw_tables, written
from tests.same_table import assert_same_table

TABLES = ("user_features", "fund_features", "examples")
EARLIER, LAST = date(2025, 3, 10), date(2025, 3, 17)


def comparable(frame: DataFrame) -> DataFrame:
    return frame.drop("purchases_by_fund", "purchases_by_type")


@pytest.fixture(scope="module")
def two_snapshots(spark: SparkSession, raw_once: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse whose features were built for one date, then for a later one. To read."""
    warehouse = tmp_path_factory.mktemp("snapshots") / "warehouse"
    shutil.copytree(raw_once, warehouse)
    for day in (EARLIER, LAST):
        built(spark, str(warehouse), snapshot_date=day)
    return str(warehouse)


def test_a_date_is_replaced_and_the_others_stay(spark: SparkSession, two_snapshots: str, tmp_path: Path) -> None:
    warehouse = str(shutil.copytree(two_snapshots, tmp_path / "warehouse"))
    first = {name: spark.read.format("delta").option("versionAsOf", 0).load(f"{warehouse}/{name}") for name in TABLES}
    held = {name: [comparable(frame).localCheckpoint()] for name, frame in first.items()}
    after = built(spark, warehouse, snapshot_date=LAST)
    for name in TABLES:
        earlier = after[name].where(F.col("snapshot_date") == EARLIER)
        assert_same_table(comparable(earlier), held[name][0])
        last = after[name].where(F.col("snapshot_date") == LAST)
        rows = last.count()
        assert 0 < rows == after[name].count() - earlier.count()
        assert DeltaTable.forPath(spark, f"{warehouse}/{name}").history().count() == 3
    # The earlier snapshot knows nothing of the last campaign, and tests on its own target.
    assert {row[0] for row in held["examples"][0].select("campaign_id").distinct().collect()} == {"c1", "c2"}
    assert {row[0] for row in held["user_features"][0].select("campaign_id").distinct().collect()} == {"c2"}


def test_the_newest_snapshot_is_read_unless_another_is_asked_for(spark: SparkSession, built_warehouse: str) -> None:
    built(spark, built_warehouse, snapshot_date=EARLIER)  # last built, not newest
    users = spark.read.format("delta").load(f"{built_warehouse}/user_features")
    assert {row[0] for row in of_snapshot(users, "users", None).select("campaign_id").collect()} == {"c3"}
    assert {row[0] for row in of_snapshot(users, "users", EARLIER).select("campaign_id").collect()} == {"c2"}
    with pytest.raises(TableError, match="no snapshot of 2020-01-01, it has 2025-03-10, 2025-03-17: choose one"):
        of_snapshot(users, "user_features", date(2020, 1, 1))
    with pytest.raises(TableError, match="no campaign that starts on 2025-03-11: choose a snapshot date of 2025-03-03"):
        built(spark, built_warehouse, snapshot_date=date(2025, 3, 11))


def test_a_table_is_built_again_from_what_it_was_built_from(spark: SparkSession, raw_warehouse: str) -> None:
    warehouse = raw_warehouse
    first = {name: comparable(frame).localCheckpoint() for name, frame in built(spark, warehouse).items()}
    raw = ("users", "funds", "campaigns", "transactions", "exposures", "demands")
    assert sources_of(spark, f"{warehouse}/examples", 0) == {f"{warehouse}/{name}": 0 for name in raw}
    changed = raw_tables(spark)
    changed["transactions"] = changed["transactions"].where("user_id % 2 = 0")
    written(changed, warehouse)
    renewed = built(spark, warehouse)
    assert sources_of(spark, f"{warehouse}/examples", 1)[f"{warehouse}/transactions"] == 1
    assert (
        renewed["examples"]
        .exceptAll(spark.read.format("delta").option("versionAsOf", 0).load(f"{warehouse}/examples"))
        .count()
        > 0
    )
    again = built(spark, warehouse, rebuild_version=0)
    for name in TABLES:
        assert_same_table(comparable(again[name]), first[name])
    with pytest.raises(TableError, match="says nothing of what its version 9 was built from"):
        built(spark, warehouse, rebuild_version=9)


def test_an_attribute_that_is_new_joins_the_table(spark: SparkSession, two_snapshots: str, tmp_path: Path) -> None:
    warehouse = str(shutil.copytree(two_snapshots, tmp_path / "warehouse"))
    tables = raw_tables(spark)
    tables["users"] = tables["users"].withColumn("device", F.lit("web"))
    tables["users"].write.format("delta").mode("overwrite").option("overwriteSchema", True).save(f"{warehouse}/users")
    users = built(spark, warehouse)["user_features"]
    devices = {(row["snapshot_date"], row["u_device"]) for row in users.select("snapshot_date", "u_device").collect()}
    assert devices == {(EARLIER, None), (LAST, "web")}


def test_a_row_outside_its_domain_is_refused_by_the_table_itself(spark: SparkSession, built_warehouse: str) -> None:
    warehouse = built_warehouse
    properties = DeltaTable.forPath(spark, f"{warehouse}/examples").detail().collect()[0]["properties"]
    assert properties["delta.constraints.click_in_domain"] == "click = 1 OR (click = 0 AND conversion = 0)"
    rows = read_table(spark, f"{warehouse}/examples", EXAMPLES, keep_extra=True).limit(1)
    good = rows.withColumns({name: F.lit(1.0) for name in ("click", "conversion", "revenue")})
    before = spark.read.format("delta").load(f"{warehouse}/examples").count()
    for column, value in {"click": 0.0, "revenue": -1.0, "split": "all"}.items():
        bad = good.withColumn(column, F.lit(value))
        with pytest.raises(Exception, match=f"{column}_in_domain"):
            bad.write.format("delta").mode("append").save(f"{warehouse}/examples")
    assert spark.read.format("delta").load(f"{warehouse}/examples").count() == before
