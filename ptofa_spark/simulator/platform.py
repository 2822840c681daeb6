"""Generates a synthetic platform: Spark applies the kernels to user ids and writes their rows to Delta tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, IntegerType, StringType, StructField, StructType

from ptofa_spark.arrays import Ints
from ptofa_spark.running.progress import stage
from ptofa_spark.simulator import batches
from ptofa_spark.simulator.funds import TYPE_NAMES, WINDOWS
from ptofa_spark.simulator.settings import GeneratePlatformSettings
from ptofa_spark.simulator.world import World, make_world
from ptofa_spark.tables.contracts.schemas import (
    CAMPAIGNS,
    DEMANDS,
    EXPOSURES,
    FUND_ID,
    FUNDS,
    RAW_TABLES,
    TRANSACTIONS,
    TRUTH,
    USERS,
)
from ptofa_spark.tables.delta.targets import require_targets
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.tables.reading import read_table

Kernel = Callable[[World, Ints], Iterator[pa.RecordBatch]]

PLATFORM_USERS = StructType(
    [
        *USERS,
        StructField("age", IntegerType(), False, {"comment": "years"}),
        StructField("gender", StringType(), False),
        StructField("city", StringType(), False),
        StructField("city_tier", IntegerType(), False, {"comment": "1 (largest cities) to 5"}),
        StructField("tenure_days", IntegerType(), False, {"comment": "days since joining, at the target campaign"}),
        StructField("device", StringType(), False),
        StructField("income", DoubleType(), True, {"comment": "a year's; null where the user did not tell"}),
    ]
)
PLATFORM_FUNDS = StructType(
    [
        *FUNDS,
        StructField("fund_type", StringType(), False),
        *[
            StructField(f"return_{days}d", DoubleType(), False, {"comment": "share, over the window"})
            for days in WINDOWS
        ],
        *[StructField(f"volatility_{days}d", DoubleType(), False, {"comment": "a year's share"}) for days in WINDOWS],
        StructField("max_drawdown", DoubleType(), False, {"comment": "share of the peak"}),
        StructField("fee", DoubleType(), False, {"comment": "a year's share"}),
    ]
)

_USERS_PER_PARTITION = 250_000
# A worker must have memory for a few dozen arrays of (users, funds) doubles and Arrow's own copy.
_PAIRS_PER_BATCH = 200_000
_CONVERSION_HOURS = 6 * 24  # within which a conversion after the campaign's start becomes a transaction


def generate_platform(spark: SparkSession, settings: GeneratePlatformSettings) -> None:
    """Writes users, funds, campaigns, transactions, exposures, demands and truth into the warehouse.

    Every value is a pure function of seed, table and key, so partitions and cores do not change a row.

    Raises:
        TableError: something else exists where a table would be written.
    """
    with stage("generate_platform", users=settings.users, scenario=settings.scenario) as report:
        require_targets(spark, settings.warehouse, (*RAW_TABLES, "truth"))
        world = make_world(settings)
        ids = user_ids(spark, settings.users)
        for name, frame in platform_tables(world, ids).items():
            with stage(f"generate_{name}"):
                write_table(frame, in_warehouse(settings.warehouse, name), kind=name)
        # Reading the exposures back costs less than generating them twice.
        exposures = read_table(spark, in_warehouse(settings.warehouse, "exposures"), EXPOSURES)
        with stage("generate_transactions"):
            unprompted = carried(world, ids, batches.transaction_batches, TRANSACTIONS)
            transactions = unprompted.unionByName(converted_transactions(world, exposures))
            write_table(transactions, in_warehouse(settings.warehouse, "transactions"), kind="transactions")
        with stage("generate_demands"):
            write_table(demands(world, ids, exposures), in_warehouse(settings.warehouse, "demands"), kind="demands")
        report.counts |= {"funds": settings.fund_count, "campaigns": settings.weeks + 1}


def user_ids(spark: SparkSession, users: int) -> DataFrame:
    """The ids 0 .. users - 1, in at least one partition per core and per 250,000 users."""
    partitions = max(spark.sparkContext.defaultParallelism, -(-users // _USERS_PER_PARTITION))
    return spark.range(0, users, 1, partitions).withColumnRenamed("id", "user_id")


def platform_tables(world: World, ids: DataFrame) -> dict[str, DataFrame]:
    """The tables that do not depend on another table: users, funds, campaigns, exposures, truth."""
    spark = ids.sparkSession
    calendar = world.calendar
    starts = [(calendar.campaign_id(week), calendar.start_date(week)) for week in range(calendar.weeks + 1)]
    return {
        "users": carried(world, ids, batches.user_batches, PLATFORM_USERS),
        "funds": spark.createDataFrame(fund_rows(world), PLATFORM_FUNDS).coalesce(1),
        "campaigns": spark.createDataFrame(starts, CAMPAIGNS).coalesce(1),
        "exposures": carried(world, ids, batches.exposure_batches, EXPOSURES),
        "truth": carried(world, ids, batches.truth_batches, TRUTH),
    }


def carried(world: World, ids: DataFrame, kernel: Kernel, schema: StructType) -> DataFrame:
    """Applies a kernel to the user ids in Spark, in batches of limited size."""
    batch_users = max(1, _PAIRS_PER_BATCH // len(world.funds.fund_id))

    def rows(id_batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in id_batches:
            user_id = batch.column("user_id").to_numpy(zero_copy_only=False).astype(np.int64)
            for start in range(0, len(user_id), batch_users):
                yield from kernel(world, user_id[start : start + batch_users])

    return ids.mapInArrow(rows, schema)


def fund_rows(world: World) -> list[tuple[object, ...]]:
    """Rows of `funds`, in the order of PLATFORM_FUNDS."""
    funds = world.funds
    columns = [
        funds.fund_id,
        funds.risk_level.tolist(),
        [TYPE_NAMES[fund_type] for fund_type in funds.type],
        *funds.returns.tolist(),
        *funds.volatility.tolist(),
        funds.drawdown.tolist(),
        funds.fee.tolist(),
    ]
    return list(zip(*columns, strict=True))


def converted_transactions(world: World, exposures: DataFrame) -> DataFrame:
    """The conversions as transactions, each within six days after its campaign's start."""
    calendar = world.calendar
    start = F.lit(None).cast("bigint")
    for week in range(calendar.weeks):
        is_week = F.col("campaign_id") == calendar.campaign_id(week)
        start = F.when(is_week, F.lit(calendar.start_seconds(week))).otherwise(start)
    key = F.xxhash64(F.lit("converted"), F.lit(world.seed), "campaign_id", "user_id")
    after = 1 + F.pmod(key, F.lit(_CONVERSION_HOURS * 3_600))
    return exposures.where("conversion").select(
        "user_id",
        "fund_id",
        F.timestamp_seconds(start + after).alias("transacted_at"),
        F.col("revenue").alias("amount"),
    )


def demands(world: World, ids: DataFrame, exposures: DataFrame) -> DataFrame:
    """Demands by campaign and fund: the past exposures, and those that the policy would make in the target campaign."""
    calendar, spark = world.calendar, ids.sparkSession
    target = carried(world, ids, batches.target_batches, StructType([FUND_ID]))
    target = target.withColumn("campaign_id", F.lit(calendar.campaign_id(calendar.weeks)))
    counted = exposures.select("campaign_id", "fund_id").unionByName(target).groupBy("campaign_id", "fund_id").count()
    count = {(row["campaign_id"], row["fund_id"]): row["count"] for row in counted.collect()}
    campaigns = [calendar.campaign_id(week) for week in range(calendar.weeks + 1)]
    rows = [(campaign, fund, count.get((campaign, fund), 0)) for campaign in campaigns for fund in world.funds.fund_id]
    return spark.createDataFrame(rows, DEMANDS).coalesce(1)
