"""The recipe of a feature, followed with toys: one user feature, one fund feature, two pair features."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.scoring.scorer import predict_rows
from ptofa_spark.training.artifact import read_artifact, unpack
from tests.house.toys import ONE_CORE, copy_package, insert, run

USER_FEATURE = '    "u_funds_bought": lambda past: (past.purchases.by_fund > 0).sum(axis=1).astype(np.float64),'
CLICKS = 'CLICKS = RecentCount("clicks", lambda activity: activity.clicks, days=30)'
FUND_FEATURE = '    "f_clicks_30d": FundFeature((CLICKS,), lambda clicks: F.log1p(clicks.cast("double"))),'
LARGE_PURCHASES = """LARGE_BY_FUND = Tally(
    "large_purchases_by_fund",
    "fund",
    lambda past: past.earlier(past.activity.purchases.where(past.activity.purchases.amount > 2_000.0)),
)"""
PAIR_FEATURES = """    "p_large_purchases": PairFeature((Times(LARGE_BY_FUND),), lambda of, times: of.log1p(times)),
    "p_sales": PairFeature((OfUser("u_purchases_90d"), OfFund("f_purchases_90d")), lambda _, own, all: own * all),"""
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class FeaturePlatform:
    """What the jobs of a tree with the toy features made. tables: as pandas; model_dir: of the trained model."""

    tables: dict[str, pd.DataFrame]
    model_dir: str

    def starts(self) -> pd.Series:
        return pd.to_datetime(self.tables["campaigns"].set_index("campaign_id")["start_date"])

    def purchases_before(self, campaign: str) -> pd.DataFrame:
        return self.tables["transactions"].query(
            "transacted_at < @start", local_dict={"start": self.starts()[campaign]}
        )


@pytest.fixture(scope="module")
def with_toy_features(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> FeaturePlatform:
    """What the jobs of a tree with one more user feature, one more fund feature and two more pair features make."""
    tree = copy_package(tmp_path_factory.mktemp("toy_features"))
    features = tree / "ptofa_spark" / "features"
    insert(features / "user.py", after="DECLARED_USER_FEATURES: dict[str, UserFeature] = {", line=USER_FEATURE)
    insert(features / "fund.py", after="# Recent events of a fund, by sort.", line=CLICKS)
    insert(features / "fund.py", after="DECLARED_FUND_FEATURES: dict[str, FundFeature] = {", line=FUND_FEATURE)
    insert(features / "pair.py", after="# Events of a user, by fund and by type.", line=LARGE_PURCHASES)
    insert(features / "pair.py", after="DECLARED_PAIR_FEATURES: dict[str, PairFeature] = {", line=PAIR_FEATURES)
    platform = ["--users=1500", "--weeks=2", "--scenario=recommendation"]
    for job, words in (
        ("generate_platform", platform),
        ("build_features", []),
        ("train", ["--epochs=1", "--model-dir=model"]),
        ("score", ["--model-dir=model"]),
    ):
        ended = run(tree, f"jobs/{job}.py", "--warehouse=warehouse", *words, ONE_CORE)
        assert ended.returncode == 0, ended.stderr[-2_000:]
    names = ("campaigns", "transactions", "exposures", "user_features", "fund_features", "examples", "scores")
    tables = {name: spark.read.format("delta").load(str(tree / "warehouse" / name)).toPandas() for name in names}
    return FeaturePlatform(tables, str(tree / "model"))


def test_a_user_feature_is_one_line(with_toy_features: FeaturePlatform) -> None:
    for table in ("user_features", "examples"):
        rows = with_toy_features.tables[table]
        for campaign, of_campaign in rows.groupby("campaign_id"):
            funds = with_toy_features.purchases_before(campaign).groupby("user_id")["fund_id"].nunique()
            wanted = of_campaign["user_id"].map(funds).fillna(0.0)
            assert (of_campaign["u_funds_bought"] == wanted).all()
            assert wanted.max() > 1
    assert "u_funds_bought" in unpack(read_artifact(with_toy_features.model_dir)).encoding.user.columns


def test_a_fund_feature_is_one_line_and_a_kernel(with_toy_features: FeaturePlatform) -> None:
    tables, starts = with_toy_features.tables, with_toy_features.starts()
    clicks = tables["exposures"].query("click")
    at = clicks["campaign_id"].map(starts)
    for row in tables["fund_features"].itertuples():
        start = starts[row.campaign_id]
        counted = ((clicks["fund_id"] == row.fund_id) & (at < start) & (at >= start - 30 * DAY)).sum()
        assert row.f_clicks_30d == pytest.approx(math.log1p(counted))
    assert tables["fund_features"]["f_clicks_30d"].nunique() > 3
    assert tables["examples"]["f_clicks_30d"].nunique() > 1


def test_a_pair_feature_is_one_line_and_a_kernel_and_is_scored_as_it_is_trained(
    with_toy_features: FeaturePlatform,
) -> None:
    tables = with_toy_features.tables
    for campaign, shown in tables["examples"].groupby("campaign_id"):
        times = large_purchases(with_toy_features, campaign, shown)
        np.testing.assert_allclose(shown["p_large_purchases"], np.log1p(times), rtol=1e-12)
        np.testing.assert_allclose(shown["p_sales"], shown["u_purchases_90d"] * shown["f_purchases_90d"], rtol=1e-12)
        assert times.max() > 0
    pairs = all_pairs(with_toy_features)
    model = unpack(read_artifact(with_toy_features.model_dir))
    assert {"p_large_purchases", "p_sales"} < set(model.encoding.pair.columns)
    pairs["wanted"] = predict_rows(model, pairs).expected_revenue.numpy()
    scores = tables["scores"].explode(["fund_ids", "expected_revenue"]).rename(columns={"fund_ids": "fund_id"})
    both = scores.merge(pairs, on=["user_id", "fund_id"], validate="one_to_one")
    assert len(both) == len(pairs)
    np.testing.assert_allclose(both["expected_revenue"].astype(float), both["wanted"], rtol=1e-5)


def large_purchases(platform: FeaturePlatform, campaign: str, pairs: pd.DataFrame) -> np.ndarray:
    """How many purchases above 2,000 each pair's user had made of its fund before the campaign."""
    large = platform.purchases_before(campaign).query("amount > 2000")
    times = large.groupby(["user_id", "fund_id"]).size()
    return times.reindex(pd.MultiIndex.from_frame(pairs[["user_id", "fund_id"]]), fill_value=0).to_numpy()


def all_pairs(platform: FeaturePlatform) -> pd.DataFrame:
    """Every user and fund of the target campaign, with the pair features by pandas."""
    users, funds = platform.tables["user_features"], platform.tables["fund_features"]
    pairs = users.merge(funds.drop(columns="snapshot_date"), on="campaign_id")

    def times(tally: str, key: str) -> pd.Series:
        return pd.Series([by.get(name, 0.0) for by, name in zip(pairs[tally], pairs[key], strict=True)])

    in_all = pairs["purchases_by_fund"].map(lambda by: sum(by.values()))
    of_type = times("purchases_by_type", "f_fund_type") if "f_fund_type" in pairs else pd.Series(0.0, pairs.index)
    return pairs.assign(
        p_bought_fund=np.log1p(times("purchases_by_fund", "fund_id")),
        p_bought_type=np.log1p(of_type),
        p_type_share=of_type / in_all.clip(lower=1.0),
        p_risk_gap=(pairs["risk_tolerance"] - pairs["risk_level"]).astype(float),
        p_large_purchases=np.log1p(large_purchases(platform, pairs["campaign_id"].iloc[0], pairs)),
        p_sales=pairs["u_purchases_90d"] * pairs["f_purchases_90d"],
    )
