"""The recipes of CONTRIBUTING.md, each followed with a toy in one copy of the package.

One process of that copy runs the jobs of all recipes, in the tests' JVM. Each test reads what its own recipe's jobs
left.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.scoring.scorer import predict_rows
from ptofa_spark.training.artifact import read_artifact, unpack
from tests.house.toys import environment_of, package_with_toys
from tests.jvm.one_session import Ended, run_in_one_session

USERS = 500
PLATFORM = "--warehouse={}/platform"
# The words of each job; {} is the folder of the package.
COMMANDS = {
    "firstcome": [
        "allocate", "--scores={}/scores.csv", "--funds={}/funds.csv", "--demands={}/demands.csv",
        "--method=firstcome", "--output={}/out", "--report={}/report",
    ],
    "bad till": ["ingest", "--dataset=till", "--warehouse={}/bad", "--source={}/bad.csv"],
    "good till": ["ingest", "--dataset=till", "--warehouse={}/good", "--source={}/good.csv"],
    "platform": ["generate_platform", PLATFORM, f"--users={USERS}", "--weeks=2", "--scenario=recommendation"],
    "features": ["build_features", PLATFORM],
    "ptofa": ["train", PLATFORM, "--epochs=1", "--model-dir={}/model"],
    "scores": ["score", PLATFORM, "--model-dir={}/model"],
    "line": ["train", PLATFORM, "--model=line", "--epochs=2", "--learning-rate=.05", "--model-dir={}/line"],
    "scores of line": ["score", PLATFORM, "--model-dir={}/line", "--output={}/scores_of_line"],
}  # fmt: skip
SOLD = [(1, "jam", 0.0), (1, "tea", 2.5), (2, "tea", 0.0)]
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Followed:
    """A copy of the package with every toy, and how each job of it ended."""

    folder: Path
    ended: dict[str, Ended]
    spark: SparkSession

    def of(self, *names: str) -> None:
        """Requires that these jobs have succeeded."""
        for name in names:
            assert self.ended[name].returncode == 0, self.ended[name].stderr[-2_000:]

    def table(self, place: str) -> pd.DataFrame:
        return self.spark.read.format("delta").load(str(self.folder / place)).toPandas()


@pytest.fixture(scope="module")
def followed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Followed:
    """What the jobs of the copied package did."""
    copied = package_with_toys(tmp_path_factory.mktemp("recipes"))
    pairs = "".join(f"{user},5,{fund},{user}\n" for user in (1, 2, 3) for fund in ("bond", "cash"))
    lines = "".join(f"{user},{fund},{money}\n" for user, fund, money in SOLD)
    for name, content in {
        "scores": f"user_id,risk_tolerance,fund_id,expected_revenue\n{pairs}",
        "funds": "fund_id,risk_level\nbond,1\ncash,1\n",
        "demands": "campaign_id,fund_id,demand\nspring,bond,2\nspring,cash,1\n",
        "good": f"user_id,fund_id,revenue\n{lines}",
        "bad": f"user_id,fund_id,revenue\n{lines}2,tea,1.0\n",
    }.items():
        (copied / f"{name}.csv").write_text(content, encoding="utf-8")
    commands = [[f"jobs/{job}.py", *(word.format(copied) for word in words)] for job, *words in COMMANDS.values()]
    ended = run_in_one_session(commands, copied, environment_of(copied), spark=spark)
    return Followed(copied, dict(zip(COMMANDS, ended, strict=True)), spark)


def test_an_allocation_method_is_one_file_and_one_line(followed: Followed) -> None:
    followed.of("firstcome")
    assert followed.ended["firstcome"].stdout.startswith("firstcome: objective 6.00, 3 of 3 users served")
    rows = followed.table("out")[["user_id", "fund_id"]]
    assert sorted(rows.itertuples(index=False, name=None)) == [(1, "bond"), (2, "bond"), (3, "cash")]


def test_a_model_is_one_file_and_one_line(followed: Followed) -> None:
    settings = subprocess.run(
        [sys.executable, "-m", "ptofa_spark.pipeline.every_setting"], cwd=followed.folder,
        env=environment_of(followed.folder), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "# line: least squares; ptofa:" in settings  # help of train
    assert "models: line,ptofa," in settings  # rows of Table 1
    followed.of("line", "scores of line")
    validation = json.loads((followed.folder / "line" / "metrics.json").read_text(encoding="utf-8"))["validation"]
    assert validation["revenue_ratio"] is not None
    assert validation["conversion_ratio"] is None
    scores = followed.table("scores_of_line")
    assert sorted(scores["user_id"]) == sorted(followed.table("platform/users")["user_id"])
    revenue = np.array(scores["expected_revenue"].tolist())
    assert revenue.shape == (USERS, len(followed.table("platform/funds")))
    assert np.isfinite(revenue).all()
    assert len(np.unique(revenue)) > USERS


def test_a_data_set_is_one_file_and_one_line_and_its_raw_tables_are_checked(followed: Followed) -> None:
    refused = followed.ended["bad till"]
    assert refused.returncode == 2
    said = "error: table exposures: campaign_id, user_id, fund_id = roll, 2, tea occurs 2 times: keep one row of each"
    assert refused.stderr.strip().splitlines()[-1] == said
    assert not (followed.folder / "bad").exists()
    followed.of("good till")
    exposures = followed.table("good/exposures")[["user_id", "fund_id", "revenue"]]
    assert sorted(exposures.itertuples(index=False, name=None)) == SOLD


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
def with_toy_features(followed: Followed) -> FeaturePlatform:
    """What the jobs make with one more user feature, one more fund feature and two more pair features."""
    followed.of("platform", "features", "ptofa", "scores")
    names = ("campaigns", "transactions", "exposures", "user_features", "fund_features", "examples", "scores")
    return FeaturePlatform({name: followed.table(f"platform/{name}") for name in names}, str(followed.folder / "model"))


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
