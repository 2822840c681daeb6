"""build_features over small raw tables, against plain Python."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.features.encoders import NULL, UNKNOWN, Encoders
from ptofa_spark.features.examples import examples
from ptofa_spark.features.facts.raw import read_raw
from ptofa_spark.features.facts.records import user_records
from ptofa_spark.features.fitting import fit_encoders
from ptofa_spark.features.history import History
from ptofa_spark.features.pair import DECLARED_PAIR_FEATURES, CampaignPairs, pair_columns
from ptofa_spark.features.user_table import user_features
from tests.features.logged_pairs import with_past_facts
from tests.features.platform import FUNDS, STARTS, USERS, built, features, raw_tables, written


@pytest.fixture(scope="module")
def platform(spark: SparkSession, built_once: str) -> tuple[str, dict[str, DataFrame]]:
    return built_once, features(spark, built_once)


def expected(transactions: pd.DataFrame, user: int, start: date) -> dict[str, object]:
    """A user's purchase features by plain Python."""
    at = datetime(start.year, start.month, start.day)
    own = [row for row in transactions.itertuples() if row.user_id == user and row.transacted_at < at]
    age = {row.Index: (at - row.transacted_at) / timedelta(days=1) for row in own}
    features: dict[str, object] = {}
    for days in (7, 30, 90, 365):
        inside = [row for row in own if age[row.Index] <= days]
        features[f"u_purchases_{days}d"] = math.log1p(len(inside))
        features[f"u_amount_{days}d"] = math.log1p(sum(row.amount for row in inside))
    logs = [math.log(row.amount) for row in own]
    mean = sum(logs) / len(logs) if logs else None
    features["u_log_amount_mean"] = mean
    features["u_log_amount_sd"] = math.sqrt(sum((x - mean) ** 2 for x in logs) / len(logs)) if logs else None
    features["u_purchase_recency"] = math.log1p(min(age.values())) if own else None
    types = {fund: kind for fund, _, kind in FUNDS}
    features["u_types_bought"] = len({types[row.fund_id] for row in own})
    features["purchases_by_fund"] = dict(Counter(row.fund_id for row in own))
    features["purchases_by_type"] = dict(Counter(types[row.fund_id] for row in own))
    return features


def test_windows_equal_plain_python(platform: tuple[str, dict[str, DataFrame]], spark: SparkSession) -> None:
    warehouse, tables = platform
    transactions = spark.read.format("delta").load(f"{warehouse}/transactions").toPandas()
    rows = tables["user_features"].toPandas().set_index("user_id")
    assert len(rows) == USERS
    for user in (0, 1, 2, 17, 30, USERS - 1):
        for name, value in expected(transactions, user, STARTS["c3"]).items():
            found = rows.loc[user, name]
            if isinstance(value, dict):
                assert found == value, (user, name)
            elif value is None:
                assert pd.isna(found), (user, name)
            else:
                assert found == pytest.approx(value, abs=1e-5), (user, name)
    assert rows.loc[USERS - 1, "purchases_by_fund"] == {}  # never bought


def test_exposures_count_only_for_later_campaigns(platform: tuple[str, dict[str, DataFrame]]) -> None:
    examples = platform[1]["examples"].toPandas().set_index(["campaign_id", "user_id"])
    assert len(examples) == USERS
    assert (examples.loc["c1", "u_exposures_365d"] == 0).all()
    assert examples.loc["c2", "u_exposures_365d"].to_numpy() == pytest.approx(math.log1p(1))
    clicked = examples.loc["c1", "click"]
    later = examples.loc["c2", "u_clicks_7d"].reindex(clicked.index)
    assert later.to_numpy() == pytest.approx([math.log1p(c) for c in clicked])
    assert set(examples.loc["c2", "split"]) == {"test"}
    assert set(examples.loc["c1", "split"]) <= {"train", "validation"}


def test_all_windows_take_one_shuffle(platform: tuple[str, dict[str, DataFrame]], spark: SparkSession) -> None:
    """Windows of users and of examples, duplicates and unknown users: one exchange by user_id, and maps over it."""
    raw = read_raw(spark, platform[0], None, datetime.now(UTC))
    records = user_records(raw, 1_000)
    assert raw.fund_types == ("bond", "équity", "équity")
    history = History.of(raw, records)
    users = user_features(records, history, raw, F.lit("train"))
    shown = examples(records, history, raw, platform[1]["fund_features"].drop("snapshot_date"), F.lit("train"))
    for frame in (users, shown):
        plan = frame._jdf.queryExecution().executedPlan().toString()
        exchanges = [
            line.strip() for line in plan.splitlines() if "Exchange" in line and "BroadcastExchange" not in line
        ]
        assert len(exchanges) == 1, plan
        assert "Exchange hashpartitioning(user_id" in exchanges[0]
        assert "Window" not in plan
        assert plan.count("MapInArrow") == 1


def test_pair_features_are_the_same_for_one_pair_and_for_all(platform: tuple[str, dict[str, DataFrame]]) -> None:
    tables = platform[1]
    funds = tables["fund_features"].where("campaign_id = 'c3'").orderBy("fund_id").collect()
    users = tables["user_features"].orderBy("user_id")
    funds_of = tables["fund_features"].where("campaign_id = 'c3'").drop("snapshot_date", "campaign_id")
    long = with_past_facts(users.crossJoin(funds_of))
    single = long.select("user_id", "fund_id", *pair_columns()).orderBy("user_id", "fund_id").toPandas()
    pairs = CampaignPairs.of(funds)
    arrays = pairs.features(users.select(*pairs.columns()).toPandas())
    for name in DECLARED_PAIR_FEATURES:
        np.testing.assert_allclose(arrays[name], single[name], rtol=1e-14)
    assert single["p_risk_gap"].nunique() > 3
    assert single["p_bought_fund"].max() > 0


def test_encoders_are_fitted_on_training_rows_and_code_both_ends_alike(
    platform: tuple[str, dict[str, DataFrame]],
) -> None:
    tables = platform[1]
    odd = tables["examples"].withColumn(
        "u_city", F.when(F.col("split") != "train", "only in validation").otherwise(F.col("u_city"))
    )
    encoders = fit_encoders(odd)
    assert encoders.vocabularies["u_city"] == ("Paris", "東京")
    assert Encoders.from_json(encoders.to_json()) == encoders
    train = tables["examples"].where("split = 'train'").toPandas()
    assert encoders.scales["u_income"].mean == pytest.approx(train["u_income"].mean())
    assert encoders.scales["u_income"].deviation == pytest.approx(train["u_income"].std(ddof=0))
    assert encoders.scales["u_income"].may_be_missing
    assert encoders.scales["u_nothing"].deviation == 1.0  # null in every row
    rows = odd.toPandas().head(1)
    rows = pd.concat([rows] * 3, ignore_index=True)
    rows["u_city"] = ["東京", "unseen", None]
    rows["u_income"] = [1e4, None, 2.5e4]
    codes, numbers = encoders.encode(rows)
    place = list(encoders.vocabularies).index("u_city")
    assert codes[:, place].tolist() == [3, UNKNOWN, NULL]
    indicator = encoders.number_names.index("u_income missing")
    assert numbers[:, indicator].tolist() == [0.0, 1.0, 0.0]
    user = encoders.subset("u_")
    own_codes, own_numbers = user.encode(rows[[name for name in rows.columns if name.startswith("u_")]])
    shared = [encoders.number_names.index(name) for name in user.number_names]
    assert (own_numbers == numbers[:, shared]).all()
    assert (own_codes[:, list(user.vocabularies).index("u_city")] == codes[:, place]).all()


def test_what_cannot_be_built_is_one_line(spark: SparkSession, tmp_path: Path) -> None:
    tables = raw_tables(spark)
    tables["exposures"] = tables["exposures"].where("campaign_id = 'c1'")
    with pytest.raises(TableError, match="cannot both train and test: choose --split-by user"):
        built(spark, written(tables, str(tmp_path / "one")))
    tables["exposures"] = tables["exposures"].drop("click")
    with pytest.raises(TableError, match=r"exposures lacks column\(s\) click"):
        built(spark, written(tables, str(tmp_path / "two")))
