"""Attributes of every kind, on their way from a platform's own columns to a trained model and its scores."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.features import build
from ptofa_spark.features.pair import CampaignPairs
from ptofa_spark.scoring.score import score
from ptofa_spark.scoring.settings import ScoreSettings
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.train import train
from tests.features.platform import FUNDS, USERS, built, raw_tables, written

# What user n has for an income: the last four are no measurements.
INCOMES = {0: 1e4, 1: -2.5, 2: 0.0, 3: float("nan"), 4: float("inf"), 5: float("-inf"), 6: 1e200}
TYPE_CODES = {"bond": 1.0, "équity": 2.0}


@pytest.fixture(scope="module")
def fed() -> dict[str, bool]:
    """Whether Petastorm reads a table, by name, as the build of `platform` wrote it."""
    return {}


@pytest.fixture(scope="module")
def platform(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, fed: dict[str, bool]
) -> tuple[str, dict[str, DataFrame]]:
    """Users with a dotted column, a map, numbers that are none, one of them with two rows; fund types are numbers.

    The split is by user.
    """
    tables = raw_tables(spark)
    users = tables["users"].where("user_id <> 20").select("user_id", "risk_tolerance")
    known = F.create_map(*[F.lit(part) for pair in INCOMES.items() for part in pair])
    income = F.element_at(known, F.col("user_id") % 7)
    users = users.select(
        "*",
        income.alias("income"),
        (F.col("user_id") * 0.5).alias("net.worth"),
        F.create_map(F.lit("a"), F.lit("b")).alias("tags"),
        F.lit(None).cast("boolean").alias("has_car"),
        F.lit(True).alias("has_house"),
    )
    torn = "user_id bigint, risk_tolerance int, income double, `net.worth` double, has_car boolean, has_house boolean"
    two = spark.createDataFrame([(20, 3, 1.0, 1.0, True, None), (20, 3, 1.0, 1.0, None, True)], torn)
    tables["users"] = users.unionByName(two, allowMissingColumns=True)
    coded = [*((fund, level, TYPE_CODES[kind]) for fund, level, kind in FUNDS), ("f4", 1, float("nan"))]
    tables["funds"] = spark.createDataFrame(coded, "fund_id string, risk_level int, fund_type double")
    warehouse = written(tables, str(tmp_path_factory.mktemp("attributes") / "warehouse"))

    def noted(rows: DataFrame, argument: str, **how: Any) -> None:
        fed[Path(argument).name] = how.get("fed", False)
        write_table(rows, argument, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "write_table", noted)
        return warehouse, built(spark, warehouse, max_quarantined_share=0.5, split_by="user")


def test_split_by_user_holds_out_about_its_share_and_petastorm_reads_the_examples_alone(
    platform: tuple[str, dict[str, DataFrame]], fed: dict[str, bool]
) -> None:
    assert fed == {"fund_features": False, "user_features": False, "examples": True}
    split = {row["user_id"]: row["split"] for row in platform[1]["user_features"].collect()}
    assert 0.3 < Counter(split.values())["test"] / (USERS - 1) < 0.7
    assert all(row["split"] == split[row["user_id"]] for row in platform[1]["examples"].collect())


def test_numbers_that_are_none_are_unknown(platform: tuple[str, dict[str, DataFrame]]) -> None:
    rows = platform[1]["user_features"].select("user_id", "u_income").collect()
    found = {row["user_id"]: row["u_income"] for row in rows}
    assert len(found) == USERS - 1
    for user, income in found.items():
        assert income == (INCOMES[user % 7] if user % 7 < 3 else None)
    assert "u_tags" not in platform[1]["user_features"].columns


def test_rows_that_differ_in_where_they_are_null_contradict_each_other(
    spark: SparkSession, platform: tuple[str, dict[str, DataFrame]]
) -> None:
    aside = spark.read.format("delta").load(f"{platform[0]}/users_quarantine").where("user_id = 20").collect()
    assert [row["reason"] for row in aside] == ["another row of the same key has other values"] * 2


def test_numbered_types_are_names_and_their_purchases_count(platform: tuple[str, dict[str, DataFrame]]) -> None:
    funds = platform[1]["fund_features"].where("campaign_id = 'c3'").orderBy("fund_id").collect()
    pairs = CampaignPairs.of(funds, ["p_bought_type"])
    assert pairs.funds.types == ("1.0", "2.0", "2.0", None)
    users = platform[1]["user_features"]
    tallied = users.select("user_id", F.map_keys("purchases_by_type").alias("kinds")).collect()
    assert {kind for row in tallied for kind in row["kinds"]} == {"1.0", "2.0"}
    frame = users.orderBy("user_id").select(*pairs.columns()).toPandas()
    assert pairs.features(frame)["p_bought_type"].max() > 0.0
    assert platform[1]["examples"].agg(F.max("p_bought_type")).collect()[0][0] > 0.0


def test_a_model_learns_from_them_and_scores_by_them(
    spark: SparkSession, platform: tuple[str, dict[str, DataFrame]], tmp_path: Path
) -> None:
    warehouse, model = platform[0], str(tmp_path / "model")
    assert "u_net.worth" in platform[1]["examples"].columns
    train(spark, TrainSettings(warehouse=warehouse, model_dir=model, epochs=1, batch_size=8))
    score(spark, ScoreSettings(warehouse=warehouse, model_dir=model))
    rows = spark.read.format("delta").load(f"{warehouse}/scores").collect()
    assert len(rows) == USERS - 1
    assert np.isfinite([row["expected_revenue"] for row in rows]).all()


def test_what_an_earlier_build_read_is_found_under_its_own_name_alone(
    spark: SparkSession, platform: tuple[str, dict[str, DataFrame]]
) -> None:
    """Another spelling of the warehouse must not quietly read the newest tables."""
    with pytest.raises(TableError, match="pass --warehouse as it was passed then"):
        built(spark, f"{platform[0]}/../warehouse", rebuild_version=0)
