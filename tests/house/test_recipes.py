"""The recipes of CONTRIBUTING.md, each followed with a toy in a copy of the package."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession

from tests.feed.feature_tables import FUNDS, write_feature_tables
from tests.house.toys import ONE_CORE, copy_package, insert, run

FIRST_COME = '''
"""`--method firstcome`: users by id, each the eligible funds that have exposures left. A toy."""

import numpy as np

from ptofa_spark.allocation.plan.assigned import Assigned
from ptofa_spark.allocation.plan.method import Asked, Method, Solved
from ptofa_spark.allocation.plan.steps import NOTHING
from ptofa_spark.allocation.scores.sample import sampled_users


def _allocate(asked: Asked) -> Solved:
    users, left = sampled_users(asked.score_table, 1.0, seed=0), asked.problem.bounds.demand_high.copy()
    columns = np.full((len(users.user_id), asked.problem.k), NOTHING, dtype=np.int64)
    for row, revenue in enumerate(users.expected_revenue):
        funds = np.flatnonzero(~np.isnan(revenue) & (left > 0))[: asked.problem.k]
        columns[row, : len(funds)] = funds
        left[funds] -= 1
    return Solved("firstcome", (Assigned(users.user_id, columns),))


METHOD = Method(_allocate, steps=(Assigned,), keeps_every_demand=lambda _: False)
'''

STRAIGHT_LINE = '''
"""A straight line: revenue by least squares. A toy, whose money comes without any other head."""

from torch import Tensor

from ptofa_spark.feed.blocks import Features, Labels, Layout
from ptofa_spark.models.parts.embedding import BlockLinear, FeatureEmbedding
from ptofa_spark.models.parts.heads import LabelMoments
from ptofa_spark.models.parts.model import Model
from ptofa_spark.models.parts.prediction import Prediction, RevenueModel
from ptofa_spark.models.settings import ModelSettings


class StraightLine(RevenueModel[Tensor]):
    """E is linear in the features."""

    def __init__(self, layout: Layout, settings: ModelSettings) -> None:
        super().__init__(layout, settings)
        self.embedding = FeatureEmbedding(layout, settings.embedding_dim)
        self.line = BlockLinear(self.embedding.widths, 1)

    def start_at(self, moments: LabelMoments) -> None:
        """Nothing to start."""

    def forward(self, features: Features) -> Tensor:
        """E of each pair, money."""
        return self.line(self.embedding(features)).squeeze(-1)

    def loss(self, output: Tensor, labels: Labels) -> Tensor:
        """Squared error of the revenue."""
        return (output - labels.revenue) ** 2

    def predict(self, output: Tensor) -> Prediction:
        """E as it stands."""
        return Prediction(expected_revenue=output.double())


MODEL = Model(StraightLine, unit="money", heads=())
'''

TILL_ROLL = '''
"""A shop's till roll: a CSV of user_id, fund_id, revenue. A toy."""

from datetime import date

import pandas as pd
from pyspark.sql import SparkSession

from ptofa_spark.ingest.dataset import Dataset
from ptofa_spark.ingest.raw_tables import RawTables
from ptofa_spark.ingest.settings import IngestSettings
from ptofa_spark.tables.contracts.schemas import CAMPAIGNS, DEMANDS, EXPOSURES, FUNDS, TRANSACTIONS, USERS


def _load(spark: SparkSession, settings: IngestSettings) -> RawTables:
    sold = list(pd.read_csv(settings.source).itertuples(index=False, name=None))
    users, funds = sorted({row[0] for row in sold}), sorted({row[1] for row in sold})
    shown = [("roll", user, fund, None, money > 0, money > 0, money) for user, fund, money in sold]
    return RawTables(
        users=spark.createDataFrame([(user, 3) for user in users], USERS),
        funds=spark.createDataFrame([(fund, 2) for fund in funds], FUNDS),
        campaigns=spark.createDataFrame([("roll", date(2025, 1, 6))], CAMPAIGNS),
        transactions=spark.createDataFrame([], TRANSACTIONS),
        exposures=spark.createDataFrame(shown, EXPOSURES),
        demands=spark.createDataFrame([("roll", fund, 1) for fund in funds], DEMANDS),
    )


DATASET = Dataset(_load, split_by="user", needs_source="a CSV of user_id, fund_id, revenue")
'''


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of what a checkout runs from."""
    return copy_package(tmp_path)


def test_an_allocation_method_is_one_file_and_one_line(spark: SparkSession, copied: Path) -> None:
    allocation = copied / "ptofa_spark" / "allocation"
    (allocation / "baselines" / "first_come.py").write_text(FIRST_COME, encoding="utf-8")
    insert(
        allocation / "settings.py",
        after="    entries={",
        line='        "firstcome": Entry("baselines.first_come", "users in the order of their ids"),',
    )
    pairs = "".join(f"{user},5,{fund},{user}\n" for user in (1, 2, 3) for fund in ("bond", "cash"))
    (copied / "scores.csv").write_text(f"user_id,risk_tolerance,fund_id,expected_revenue\n{pairs}")
    (copied / "funds.csv").write_text("fund_id,risk_level\nbond,1\ncash,1\n")
    (copied / "demands.csv").write_text("campaign_id,fund_id,demand\nspring,bond,2\nspring,cash,1\n")
    words = ["--scores=scores.csv", "--funds=funds.csv", "--demands=demands.csv", "--output=out"]
    words += ["--report=report", "--method=firstcome", ONE_CORE]
    ended = run(copied, "jobs/allocate.py", *words)
    assert ended.returncode == 0, ended.stderr[-2_000:]
    assert ended.stdout.startswith("firstcome: objective 6.00, 3 of 3 users served")
    rows = spark.read.format("delta").load(str(copied / "out")).select("user_id", "fund_id").collect()
    assert sorted(tuple(row) for row in rows) == [(1, "bond"), (2, "bond"), (3, "cash")]


def test_a_model_is_one_file_and_one_line(spark: SparkSession, copied: Path) -> None:
    models = copied / "ptofa_spark" / "models"
    (models / "straight_line.py").write_text(STRAIGHT_LINE, encoding="utf-8")
    insert(
        models / "registry.py", after="    entries={", line='        "line": Entry("straight_line", "least squares"),'
    )
    settings = run(copied, "-m", "ptofa_spark.pipeline.every_setting").stdout
    assert "# line: least squares; ptofa:" in settings  # help of train
    assert "models: line,ptofa," in settings  # rows of Table 1
    users = write_feature_tables(spark, str(copied / "warehouse"), users=600).examples["user_id"]
    words = ["--warehouse=warehouse", "--model-dir=model", ONE_CORE]
    trained = run(copied, "jobs/train.py", *words, "--model=line", "--epochs=2", "--learning-rate=.05")
    assert trained.returncode == 0, trained.stderr[-2_000:]
    validation = json.loads((copied / "model" / "metrics.json").read_text(encoding="utf-8"))["validation"]
    assert validation["revenue_ratio"] is not None
    assert validation["conversion_ratio"] is None
    scored = run(copied, "jobs/score.py", *words)
    assert scored.returncode == 0, scored.stderr[-2_000:]
    scores = spark.read.format("delta").load(str(copied / "warehouse" / "scores")).toPandas()
    assert sorted(scores["user_id"]) == sorted(users)
    revenue = np.array(scores["expected_revenue"].tolist())
    assert revenue.shape == (600, len(FUNDS))
    assert np.isfinite(revenue).all()
    assert len(np.unique(revenue)) > 600


def test_a_data_set_is_one_file_and_one_line_and_its_raw_tables_are_checked(spark: SparkSession, copied: Path) -> None:
    folder = copied / "ptofa_spark" / "ingest"
    (folder / "till_roll.py").write_text(TILL_ROLL, encoding="utf-8")
    insert(folder / "settings.py", after="    entries={", line='        "till": Entry("till_roll", "a till roll"),')
    sold = [(1, "jam", 0.0), (1, "tea", 2.5), (2, "tea", 0.0)]
    lines = "".join(f"{user},{fund},{money}\n" for user, fund, money in sold)
    (copied / "good.csv").write_text(f"user_id,fund_id,revenue\n{lines}", encoding="utf-8")
    (copied / "bad.csv").write_text(f"user_id,fund_id,revenue\n{lines}2,tea,1.0\n", encoding="utf-8")
    words = ["jobs/ingest.py", "--dataset=till", "--warehouse=w", ONE_CORE]
    refused = run(copied, *words, "--source=bad.csv")
    assert refused.returncode == 2
    said = "error: table exposures: campaign_id, user_id, fund_id = roll, 2, tea occurs 2 times: keep one row of each"
    assert refused.stderr.strip().splitlines()[-1] == said
    assert not (copied / "w").exists()
    done = run(copied, *words, "--source=good.csv")
    assert done.returncode == 0, done.stderr[-2_000:]
    exposures = spark.read.format("delta").load(str(copied / "w" / "exposures"))
    assert sorted(tuple(row) for row in exposures.select("user_id", "fund_id", "revenue").collect()) == sold
