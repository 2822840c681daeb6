"""The platform's tables: the same for any partitions, whole, and in agreement with the truth."""

from __future__ import annotations

from functools import reduce
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame
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
    return {name: read_table(spark, f"{where}/{name}", schema).toArrow() for name, schema in schemas.items()}


@pytest.fixture(scope="module")
def rows(platform):
    """The tables of the platform as pandas."""
    return {name: table.to_pandas() for name, table in platform.items()}


def _checksums(frames):
    """By name, the sum of the rows' hashes and the number of rows: one query for all frames."""
    hashes = [
        frame.select(F.lit(name).alias("name"), F.xxhash64(*frame.columns).cast("decimal(38,0)").alias("hash"))
        for name, frame in frames.items()
    ]
    summed = reduce(DataFrame.unionAll, hashes).groupBy("name").agg(F.sum("hash"), F.count("*"))
    return {name: (total, count) for name, total, count in summed.collect()}


def test_rows_are_the_same_for_any_number_of_partitions(spark):
    world = make_world(GeneratePlatformSettings(weeks=WEEKS))
    kernels = {
        "users": (user_batches, PLATFORM_USERS),
        "transactions": (transaction_batches, TRANSACTIONS),
        "exposures": (exposure_batches, EXPOSURES),
        "truth": (truth_batches, TRUTH),
    }
    found = []
    for partitions in (1, 3, 8):
        ids = spark.range(0, USERS, 1, partitions).withColumnRenamed("id", "user_id")
        found.append(_checksums({name: carried(world, ids, *kernel) for name, kernel in kernels.items()}))
    assert found[0] == found[1] == found[2]
    assert set(found[0]) == set(kernels)
    assert all(count > 0 for _, count in found[0].values())


def test_rows_do_not_depend_on_the_users_beside_them(spark):
    world = make_world(GeneratePlatformSettings(weeks=WEEKS))
    for kernel, key in ((user_batches, "user_id"), (exposure_batches, "user_id"), (truth_batches, "user_id")):
        together = [row for batch in kernel(world, np.arange(50)) for row in batch.to_pylist()]
        alone = [row for user in range(50) for batch in kernel(world, np.array([user])) for row in batch.to_pylist()]
        assert sorted(together, key=str) == sorted(alone, key=str)
        assert {row[key] for row in alone} == set(range(50))


def test_another_seed_is_another_platform(spark):
    ids = spark.range(0, 200, 1, 1).withColumnRenamed("id", "user_id")
    worlds = {seed: make_world(GeneratePlatformSettings(seed=seed)) for seed in (1, 2)}
    found = _checksums({str(seed): platform_tables(world, ids)["exposures"] for seed, world in worlds.items()})
    assert found["1"] != found["2"]


def test_every_key_is_there_once(rows):
    keys = {
        "users": (["user_id"], USERS),
        "funds": (["fund_id"], 4),
        "campaigns": (["campaign_id"], WEEKS + 1),
        "exposures": (["campaign_id", "user_id"], USERS * WEEKS),
        "truth": (["user_id", "fund_id"], USERS * 4),
    }
    for name, (key, count) in keys.items():
        assert len(rows[name].drop_duplicates(key)) == len(rows[name]) == count, name


def test_an_unknown_income_is_null(platform):
    income = platform["users"]["income"]
    assert 0.15 * USERS < income.null_count < 0.25 * USERS
    assert (income.drop_null().to_numpy() > 0).all()


def test_only_eligible_funds_were_shown(rows):
    shown = rows["exposures"].merge(rows["users"], on="user_id").merge(rows["funds"], on="fund_id")
    assert len(shown) == USERS * WEEKS
    assert (shown["risk_level"] <= shown["risk_tolerance"]).all()
    assert shown["propensity"].between(0, 1, inclusive="right").all()


def test_conversions_agree_with_the_truth_table_within_binomial_error(rows):
    pairs = rows["exposures"].merge(rows["truth"], on=["user_id", "fund_id"])
    assert len(pairs) == USERS * WEEKS
    converted, expected = pairs["conversion"].sum(), pairs["p_c"].sum()
    assert converted > 0
    assert abs(converted - expected) < 4 * (pairs["p_c"] * (1 - pairs["p_c"])).sum() ** 0.5


@pytest.fixture(scope="module")
def asked(rows):
    """Demands by campaign and fund, and the campaign that they are asked for."""
    demand = rows["demands"].set_index(["campaign_id", "fund_id"])["demand"].to_dict()
    return demand, rows["campaigns"].sort_values("start_date")["campaign_id"].iloc[-1]


def test_past_demands_are_what_was_delivered(rows, asked):
    demand, target = asked
    delivered = rows["exposures"].groupby(["campaign_id", "fund_id"]).size().to_dict()
    assert len(demand) == len(rows["demands"]) == 4 * (WEEKS + 1)
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


def test_conversions_become_purchases_within_their_week(rows):
    calendar = make_world(GeneratePlatformSettings(weeks=WEEKS, scenario="recommendation")).calendar
    converted = rows["exposures"].query("conversion").merge(rows["campaigns"], on="campaign_id")
    purchases = rows["transactions"].rename(columns={"amount": "revenue"})
    bought = converted.merge(purchases, on=["user_id", "fund_id", "revenue"])
    assert len(bought) == len(converted) > 0
    after = bought["transacted_at"].dt.tz_localize(None) - pd.to_datetime(bought["start_date"])
    assert after.between(pd.Timedelta(0), pd.Timedelta(days=7), inclusive="neither").all()
    target = pd.Timestamp(calendar.start_date(WEEKS))
    assert (purchases["transacted_at"].dt.tz_localize(None) < target).all()


@pytest.mark.parametrize(
    ("key", "value"), [("users", 0), ("funds", 201), ("weeks", 0), ("scenario", "lottery"), ("seed", -1)]
)
def test_settings_out_of_bounds_are_named(key, value):
    with pytest.raises(ConfigError, match=key):
        validated(GeneratePlatformSettings, {key: value}, "generate_platform")
