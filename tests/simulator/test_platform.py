"""The platform's tables: the same for any partitions, whole, and in agreement with the truth."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from pyspark.sql import functions as F

from ptofa_spark.config import validated
from ptofa_spark.errors import ConfigError
from ptofa_spark.simulator.batches import exposure_batches, transaction_batches, truth_batches, user_batches
from ptofa_spark.simulator.platform import (
    PLATFORM_FUNDS,
    PLATFORM_USERS,
    carried,
    demands,
    generate_platform,
    platform_tables,
)
from ptofa_spark.simulator.settings import GeneratePlatformSettings
from ptofa_spark.simulator.world import make_world
from ptofa_spark.tables.contracts.schemas import CAMPAIGNS, DEMANDS, EXPOSURES, TRANSACTIONS, TRUTH
from ptofa_spark.tables.reading import read_table

USERS, WEEKS = 3_000, 2


@pytest.fixture(scope="module")
def platform(spark, tmp_path_factory):
    where = str(tmp_path_factory.mktemp("platform"))
    generate_platform(
        spark, GeneratePlatformSettings(warehouse=where, users=USERS, weeks=WEEKS, scenario="recommendation")
    )
    schemas = {
        "users": PLATFORM_USERS,
        "funds": PLATFORM_FUNDS,
        "campaigns": CAMPAIGNS,
        "transactions": TRANSACTIONS,
        "exposures": EXPOSURES,
        "demands": DEMANDS,
        "truth": TRUTH,
    }
    return {name: read_table(spark, f"{where}/{name}", schema).cache() for name, schema in schemas.items()}


def _checksum(frame):
    return frame.select(F.sum(F.xxhash64(*frame.columns).cast("decimal(38,0)")), F.count("*")).first()


def test_rows_are_the_same_for_any_number_of_partitions(spark):
    world = make_world(GeneratePlatformSettings(weeks=WEEKS))
    kernels = {
        user_batches: PLATFORM_USERS,
        transaction_batches: TRANSACTIONS,
        exposure_batches: EXPOSURES,
        truth_batches: TRUTH,
    }
    for kernel, schema in kernels.items():
        checksums = set()
        for partitions in (1, 3, 16):
            ids = spark.range(0, USERS, 1, partitions).withColumnRenamed("id", "user_id")
            checksums.add(_checksum(carried(world, ids, kernel, schema)))
        assert len(checksums) == 1
        assert checksums.pop()[1] > 0


def test_rows_do_not_depend_on_the_users_beside_them(spark):
    world = make_world(GeneratePlatformSettings(weeks=WEEKS))
    for kernel, key in ((user_batches, "user_id"), (exposure_batches, "user_id"), (truth_batches, "user_id")):
        together = [row for batch in kernel(world, np.arange(50)) for row in batch.to_pylist()]
        alone = [row for user in range(50) for batch in kernel(world, np.array([user])) for row in batch.to_pylist()]
        assert sorted(together, key=str) == sorted(alone, key=str)
        assert {row[key] for row in alone} == set(range(50))


def test_another_seed_is_another_platform(spark):
    ids = spark.range(0, 200, 1, 1).withColumnRenamed("id", "user_id")
    checksums = {
        _checksum(platform_tables(make_world(GeneratePlatformSettings(seed=seed)), ids)["exposures"]) for seed in (1, 2)
    }
    assert len(checksums) == 2


def test_every_key_is_there_once(platform):
    assert platform["users"].select("user_id").distinct().count() == platform["users"].count() == USERS
    assert platform["funds"].count() == 4
    assert platform["campaigns"].count() == WEEKS + 1
    exposed = platform["exposures"]
    assert exposed.select("campaign_id", "user_id").distinct().count() == exposed.count() == USERS * WEEKS
    assert platform["truth"].select("user_id", "fund_id").distinct().count() == platform["truth"].count() == USERS * 4


def test_an_unknown_income_is_null(platform):
    unknown = platform["users"].where("income is null").count()
    assert 0.15 * USERS < unknown < 0.25 * USERS
    assert platform["users"].where("income <= 0").count() == 0


def test_only_eligible_funds_were_shown(platform):
    shown = platform["exposures"].join(platform["users"], "user_id").join(platform["funds"], "fund_id")
    assert shown.count() == USERS * WEEKS
    assert shown.where("risk_level > risk_tolerance").count() == 0
    assert shown.where("propensity is null or propensity <= 0 or propensity > 1").count() == 0


def test_conversions_agree_with_the_truth_table_within_binomial_error(platform):
    pairs = platform["exposures"].join(platform["truth"], ["user_id", "fund_id"])
    row = pairs.agg(
        F.sum(F.col("conversion").cast("int")).alias("converted"),
        F.sum("p_c").alias("expected"),
        F.sum(F.col("p_c") * (1 - F.col("p_c"))).alias("variance"),
    ).first()
    assert row["converted"] > 0
    assert abs(row["converted"] - row["expected"]) < 4 * row["variance"] ** 0.5


@pytest.fixture(scope="module")
def asked(platform):
    """Demands by campaign and fund, and the campaign that they are asked for."""
    demand = {(row["campaign_id"], row["fund_id"]): row["demand"] for row in platform["demands"].collect()}
    return demand, platform["campaigns"].orderBy(F.desc("start_date")).first()["campaign_id"]


def test_past_demands_are_what_was_delivered(platform, asked):
    demand, target = asked
    delivered = {
        (row["campaign_id"], row["fund_id"]): row["count"]
        for row in platform["exposures"].groupBy("campaign_id", "fund_id").count().collect()
    }
    assert len(demand) == 4 * (WEEKS + 1)
    assert {key: value for key, value in demand.items() if key[0] != target and value} == delivered
    assert target not in {key[0] for key in delivered}


def test_the_targets_demands_sum_to_the_users(asked):
    demand, target = asked
    assert sum(value for key, value in demand.items() if key[0] == target) == USERS


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_targets_demands_are_feasible_under_the_risk_limits(spark, seed):
    """Hall's condition for every set of funds: it asks for at most the users who may see one of them."""
    world = make_world(GeneratePlatformSettings(seed=seed, weeks=1))
    ids = spark.range(0, 500, 1, 2).withColumnRenamed("id", "user_id")
    tables = platform_tables(world, ids)
    asked = {
        row["fund_id"]: row["demand"]
        for row in demands(world, ids, tables["exposures"]).where("campaign_id = 'week_02'").collect()
    }
    tolerances = [row["risk_tolerance"] for row in tables["users"].collect()]
    risk = dict(zip(world.funds.fund_id, world.funds.risk_level.tolist(), strict=True))
    assert sum(asked.values()) == len(tolerances)
    for size in range(1, 9):
        for group in combinations(risk, size):
            able = sum(tolerance >= min(risk[fund] for fund in group) for tolerance in tolerances)
            assert sum(asked[fund] for fund in group) <= able


def test_conversions_become_purchases_within_their_week(platform):
    calendar = make_world(GeneratePlatformSettings(weeks=WEEKS, scenario="recommendation")).calendar
    converted = platform["exposures"].where("conversion").join(platform["campaigns"], "campaign_id")
    bought = converted.alias("e").join(
        platform["transactions"].alias("t"),
        (F.col("e.user_id") == F.col("t.user_id"))
        & (F.col("e.fund_id") == F.col("t.fund_id"))
        & (F.col("e.revenue") == F.col("t.amount")),
    )
    assert bought.count() == converted.count() > 0
    early = F.col("t.transacted_at") <= F.col("e.start_date").cast("timestamp")
    late = F.col("t.transacted_at") >= F.date_add("e.start_date", 7).cast("timestamp")
    assert bought.where(early | late).count() == 0
    target = calendar.start_date(WEEKS).isoformat()
    assert platform["transactions"].where(f"transacted_at >= timestamp'{target} 00:00:00 UTC'").count() == 0


@pytest.mark.parametrize(
    ("key", "value"), [("users", 0), ("funds", 201), ("weeks", 0), ("scenario", "lottery"), ("seed", -1)]
)
def test_settings_out_of_bounds_are_named(key, value):
    with pytest.raises(ConfigError, match=key):
        validated(GeneratePlatformSettings, {key: value}, "generate_platform")
