"""Small feature tables with a known truth, as build_features lays them out, in real Delta."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.features.pair import DECLARED_PAIR_FEATURES, pair_columns
from ptofa_spark.reproducible.splits import user_split
from ptofa_spark.tables.contracts.schemas import EXAMPLES
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.names import in_warehouse
from tests.features.logged_pairs import with_past_facts

SNAPSHOT_DATE = date(2025, 3, 3)
FUNDS = pd.DataFrame(
    {
        "campaign_id": "target",
        "fund_id": ["bond", "cash", "équité", "gold", "o'hare"],
        "risk_level": np.array([2, 1, 4, 3, 5], dtype="int32"),
        "f_fund_type": ["fixed", "fixed", "share", None, "share"],
        "f_fee": [0.01, 0.001, 0.02, np.nan, 0.03],
    }
)
USER_SCHEMA = (
    "campaign_id string, user_id long, risk_tolerance int, u_city string, u_age double, u_wealth double, "
    "purchases_by_fund map<string,double>, purchases_by_type map<string,double>"
)


@dataclass(frozen=True)
class FeatureTables:
    """What was written. examples: user_id to revenue, with the true p_c, as pandas."""

    warehouse: str
    examples: pd.DataFrame


def write_feature_tables(spark: SparkSession, warehouse: str, users: int = 3_000, seed: int = 1) -> FeatureTables:
    """user_features, fund_features and examples, with one exposure per user.

    Conversions are logistic, revenue is log-normal.
    """
    rng = np.random.default_rng(seed)
    age, wealth = rng.normal(size=users), rng.normal(size=users)
    bought = rng.poisson(1.0, size=users).astype(float)
    people = pd.DataFrame(
        {
            "campaign_id": "target",
            "user_id": np.arange(users) * 7 + 11,
            "risk_tolerance": rng.integers(1, 6, users).astype("int32"),
            "u_city": rng.choice(np.array(["North", "South", None, "None"], dtype=object), users),
            "u_age": np.where(rng.random(users) < 0.1, np.nan, 40 + 10 * age),
            "u_wealth": np.exp(wealth),
            "purchases_by_fund": [{"cash": n} if n else {} for n in bought],
            "purchases_by_type": [{"fixed": n} if n else {} for n in bought],
        }
    )
    shown = rng.integers(0, len(FUNDS), users)
    p_c = 1 / (1 + np.exp(-(-2.0 + age + 0.5 * bought + np.array([0.0, 1.0, -1.0, 0.5, -0.5])[shown])))
    converted = rng.random(users) < p_c
    revenue = np.where(converted, np.exp(6.0 + 0.5 * wealth + 0.6 * rng.normal(size=users)), 0.0)
    shows = pd.DataFrame(
        {
            "user_id": people["user_id"],
            "fund_id": FUNDS["fund_id"].to_numpy()[shown],
            "propensity": 1 / len(FUNDS),
            "click": converted.astype(float),
            "conversion": converted.astype(float),
            "revenue": revenue,
        }
    )
    split = user_split(F.col("user_id"), seed, 0.25, 0.2)
    user_features = spark.createDataFrame(people.replace({np.nan: None}), USER_SCHEMA).withColumn("split", split)
    fund_features = _funds(spark)
    write_table(_dated(user_features), in_warehouse(warehouse, "user_features"))
    write_table(_dated(fund_features), in_warehouse(warehouse, "fund_features"))
    rows = _examples(spark, shows, user_features, fund_features)
    write_table(rows, in_warehouse(warehouse, "examples"), partition_by=("snapshot_date", "split"))
    return FeatureTables(warehouse, shows.assign(p_c=p_c))


def _dated(frame: DataFrame) -> DataFrame:
    return frame.withColumn("snapshot_date", F.lit(SNAPSHOT_DATE))


def _funds(spark: SparkSession) -> DataFrame:
    rows = FUNDS.astype(object).where(FUNDS.notna(), None)
    schema = "campaign_id string, fund_id string, risk_level int, f_fund_type string, f_fee double"
    return spark.createDataFrame(rows, schema).withColumn("f_fund_id", F.col("fund_id"))


def _examples(spark: SparkSession, shows: pd.DataFrame, users: DataFrame, funds: DataFrame) -> DataFrame:
    joined = (
        spark.createDataFrame(shows)
        .withColumn("campaign_id", F.lit("past"))
        .withColumn("snapshot_date", F.lit(SNAPSHOT_DATE))
        .join(users.drop("campaign_id"), "user_id", how="inner")
        .join(funds.drop("campaign_id"), "fund_id", how="inner")
        .repartition(3, "user_id")
    )
    features = [name for name in joined.columns if name.startswith(("u_", "f_"))]
    rows = with_past_facts(joined)
    # Pair features may be made of user and fund features that these tables do not have.
    made = [
        name
        for name, feature in DECLARED_PAIR_FEATURES.items()
        if all(fact.logged in rows.columns for fact in feature.facts)
    ]
    return rows.select(*EXAMPLES.names, *features, *pair_columns(made))
