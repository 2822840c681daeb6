"""Toys: what a person who follows a recipe of CONTRIBUTING.md writes, and a copy of the package that has all of it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]

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


def package_with_toys(folder: Path) -> Path:
    """Copies what a checkout runs from into the folder, and follows each recipe there with a toy; the folder."""
    for name in ("ptofa_spark", "jobs", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    package = folder / "ptofa_spark"
    entries = "    entries={"
    (package / "allocation" / "baselines" / "first_come.py").write_text(FIRST_COME, encoding="utf-8")
    method = '        "firstcome": Entry("baselines.first_come", "users in the order of their ids"),'
    _insert(package / "allocation" / "settings.py", after=entries, line=method)
    (package / "models" / "straight_line.py").write_text(STRAIGHT_LINE, encoding="utf-8")
    model = '        "line": Entry("straight_line", "least squares"),'
    _insert(package / "models" / "registry.py", after=entries, line=model)
    (package / "ingest" / "till_roll.py").write_text(TILL_ROLL, encoding="utf-8")
    data_set = '        "till": Entry("till_roll", "a till roll"),'
    _insert(package / "ingest" / "settings.py", after=entries, line=data_set)
    features = package / "features"
    _insert(features / "user.py", after="DECLARED_USER_FEATURES: dict[str, UserFeature] = {", line=USER_FEATURE)
    _insert(features / "fund.py", after="# Recent events of a fund, by sort.", line=CLICKS)
    _insert(features / "fund.py", after="DECLARED_FUND_FEATURES: dict[str, FundFeature] = {", line=FUND_FEATURE)
    _insert(features / "pair.py", after="# Events of a user, by fund and by type.", line=LARGE_PURCHASES)
    _insert(features / "pair.py", after="DECLARED_PAIR_FEATURES: dict[str, PairFeature] = {", line=PAIR_FEATURES)
    return folder


def environment_of(copied: Path) -> dict[str, str]:
    """Variables with which Python takes the copied package before any other."""
    return os.environ | {"PYTHONPATH": str(copied)}


def _insert(path: Path, after: str, line: str) -> None:
    """Adds a line behind the one that ends with `after`, which must be there once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(after) == 1
    path.write_text(text.replace(after, f"{after}\n{line}"), encoding="utf-8")
