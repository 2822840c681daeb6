"""Small raw tables, made by code with a seed, and what build_features makes of them."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

from pyspark.sql import DataFrame, SparkSession

from ptofa_spark.features.build import build_features
from ptofa_spark.features.settings import BuildFeaturesSettings
from ptofa_spark.tables.contracts.schemas import CAMPAIGNS, DEMANDS, EXPOSURES, TRANSACTIONS

STARTS = {"c1": date(2025, 3, 3), "c2": date(2025, 3, 10), "c3": date(2025, 3, 17)}
FUNDS = [("f1", 1, "bond"), ("f2", 3, "équity"), ("f3", 5, "équity")]
USERS = 60


def raw_tables(spark: SparkSession) -> dict[str, DataFrame]:
    rng = random.Random(5)
    users = [
        (u, rng.choice([1, 3, 5]), rng.choice(["Paris", "東京", None]), rng.choice([1e4, 2.5e4, None]), None)
        for u in range(USERS)
    ]
    midnight = datetime(2025, 3, 17)
    bought = [
        (rng.randrange(USERS - 5), rng.choice(FUNDS)[0], midnight - timedelta(hours=rng.randrange(1, 400 * 24)), amount)
        for amount in (round(rng.lognormvariate(6, 1), 2) for _ in range(400))
    ]
    shown = []
    for campaign in ("c1", "c2"):
        for user in range(0, USERS, 2):
            click = rng.random() < 0.5
            won = click and rng.random() < 0.5
            fund = rng.choice(FUNDS)[0]
            shown.append((campaign, user, fund, 1 / 3, click, won, 100.0 if won else 0.0))
    return {
        "users": spark.createDataFrame(
            users, "user_id bigint, risk_tolerance int, city string, income double, nothing double"
        ),
        "funds": spark.createDataFrame(FUNDS, "fund_id string, risk_level int, fund_type string"),
        "campaigns": spark.createDataFrame(list(STARTS.items()), CAMPAIGNS),
        "transactions": spark.createDataFrame(bought, TRANSACTIONS),
        "exposures": spark.createDataFrame(shown, EXPOSURES),
        "demands": spark.createDataFrame([("c3", "f1", USERS)], DEMANDS),
    }


def written(tables: dict[str, DataFrame], warehouse: str, partitions: int = 1) -> str:
    for name, frame in tables.items():
        frame.repartition(partitions).write.format("delta").mode("overwrite").save(f"{warehouse}/{name}")
    return warehouse


def built(spark: SparkSession, warehouse: str, **settings: object) -> dict[str, DataFrame]:
    build_features(spark, BuildFeaturesSettings(warehouse=warehouse, **settings))
    return features(spark, warehouse)


def features(spark: SparkSession, warehouse: str, version: int | None = None) -> dict[str, DataFrame]:
    """The tables that build_features wrote, each at a version; at its newest if None."""
    names = ("user_features", "fund_features", "examples")
    options = {} if version is None else {"versionAsOf": str(version)}
    return {name: spark.read.options(**options).format("delta").load(f"{warehouse}/{name}") for name in names}
