"""Feature tables by snapshot date: one date replaced, the others kept, and each traced to what it was built from."""

from __future__ import annotations

import shutil
from datetime import date

import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.tables.contracts.schemas import EXAMPLES
from ptofa_spark.tables.delta.commits import sources_of
from ptofa_spark.tables.delta.snapshots import of_snapshot
from ptofa_spark.tables.reading import read_table
from tests.features.platform import built, features, raw_tables, written
from tests.same_table import assert_same_table

EARLIER, LAST = date(2025, 3, 10), date(2025, 3, 17)
# Versions of the feature tables, in the order in which `builds` makes them.
FIRST, AND_EARLIER, CHANGED, REBUILT = range(4)
RAW = ("users", "funds", "campaigns", "transactions", "exposures", "demands")


@pytest.fixture(scope="module")
def builds(spark: SparkSession, built_once: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A warehouse whose features were built four times: for the last campaign, for one before, and so on. To read.

    Before the third build, half of the purchases go and the users get an attribute. Before the fourth, which repeats
    the third, the raw tables are as at first.
    """
    warehouse = str(shutil.copytree(built_once, tmp_path_factory.mktemp("snapshots") / "warehouse"))
    built(spark, warehouse, snapshot_date=EARLIER)
    tables = raw_tables(spark)
    users = tables["users"].withColumn("device", F.lit("web"))
    users.write.format("delta").mode("overwrite").option("overwriteSchema", True).save(f"{warehouse}/users")
    written({"transactions": tables["transactions"].where("user_id % 2 = 0")}, warehouse)
    built(spark, warehouse)
    written({"transactions": tables["transactions"]}, warehouse)
    tables["users"].write.format("delta").mode("overwrite").option("overwriteSchema", True).save(f"{warehouse}/users")
    built(spark, warehouse, rebuild_version=CHANGED)
    return warehouse


def of_date(frame: DataFrame, day: date) -> DataFrame:
    """A snapshot's rows, without the attribute that only some versions have."""
    return frame.where(F.col("snapshot_date") == day).drop("u_device")


def test_a_date_is_replaced_and_the_others_stay(spark: SparkSession, builds: str) -> None:
    before, after = features(spark, builds, AND_EARLIER), features(spark, builds, CHANGED)
    for name, frame in after.items():
        earlier = of_date(before[name], EARLIER)
        assert_same_table(of_date(frame, EARLIER), earlier)
        last = of_date(frame, LAST).count()
        assert 0 < last == of_date(before[name], LAST).count() == frame.count() - earlier.count()
        assert DeltaTable.forPath(spark, f"{builds}/{name}").history().count() == REBUILT + 1
    # The earlier snapshot knows nothing of the last campaign, and tests on its own target.
    campaigns = {
        name: {row[0] for row in of_date(before[name], EARLIER).select("campaign_id").distinct().collect()}
        for name in ("examples", "user_features")
    }
    assert campaigns == {"examples": {"c1", "c2"}, "user_features": {"c2"}}


def test_the_newest_snapshot_is_read_unless_another_is_asked_for(spark: SparkSession, builds: str) -> None:
    users = features(spark, builds, AND_EARLIER)["user_features"]  # last built, not newest
    assert {row[0] for row in of_snapshot(users, "users", None).select("campaign_id").collect()} == {"c3"}
    assert {row[0] for row in of_snapshot(users, "users", EARLIER).select("campaign_id").collect()} == {"c2"}
    with pytest.raises(TableError, match="no snapshot of 2020-01-01, it has 2025-03-10, 2025-03-17: choose one"):
        of_snapshot(users, "user_features", date(2020, 1, 1))
    with pytest.raises(TableError, match="no campaign that starts on 2025-03-11: choose a snapshot date of 2025-03-03"):
        built(spark, builds, snapshot_date=date(2025, 3, 11))


def test_a_table_is_built_again_from_what_it_was_built_from(spark: SparkSession, builds: str) -> None:
    read = {f"{builds}/{name}": 1 if name in ("users", "transactions") else 0 for name in RAW}
    assert sources_of(spark, f"{builds}/examples", CHANGED) == read
    assert sources_of(spark, f"{builds}/examples", REBUILT) == read
    assert sources_of(spark, f"{builds}/examples", AND_EARLIER) == dict.fromkeys(read, 0)
    first, changed, rebuilt = (features(spark, builds, version) for version in (FIRST, CHANGED, REBUILT))
    for name, frame in rebuilt.items():
        assert_same_table(frame, changed[name])
    # The newest raw tables, which are those of the first build, would give other examples.
    assert of_date(changed["examples"], LAST).exceptAll(first["examples"]).count() > 0
    with pytest.raises(TableError, match="says nothing of what its version 9 was built from"):
        built(spark, builds, rebuild_version=9)


def test_an_attribute_that_is_new_joins_the_table(spark: SparkSession, builds: str) -> None:
    users = features(spark, builds, CHANGED)["user_features"]
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
