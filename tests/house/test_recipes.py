"""The recipes of CONTRIBUTING.md, each followed with a toy in a copy of the package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

ROOT = Path(__file__).parents[2]

FIRST_COME = '''
"""`--method firstcome`: users by id, each the eligible funds that have exposures left. A toy."""

import numpy as np

from ptofa_spark.allocation.baselines.integer_program import Assigned
from ptofa_spark.allocation.plan.method import Asked, Method, Solved
from ptofa_spark.allocation.plan.steps import NOTHING
from ptofa_spark.allocation.scores.sample import sampled_users


def _allocate(asked: Asked) -> Solved:
    users, left = sampled_users(asked.score_table, 1.0, seed=0), asked.problem.funds.demand.copy()
    columns = np.full((len(users.user_id), asked.problem.k), NOTHING, dtype=np.int64)
    for row, revenue in enumerate(users.expected_revenue):
        funds = np.flatnonzero(~np.isnan(revenue) & (left > 0))[: asked.problem.k]
        columns[row, : len(funds)] = funds
        left[funds] -= 1
    return Solved("firstcome", (Assigned(users.user_id, columns),))


METHOD = Method(_allocate, steps=(Assigned,), keeps_every_demand=lambda _: False)
'''


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of what a checkout runs from."""
    for folder in ("ptofa_spark", "jobs", "conf"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def insert(path: Path, after: str, line: str) -> None:
    """Adds a line behind the one that ends with `after`, which must be there once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(after) == 1
    path.write_text(text.replace(after, f"{after}\n{line}"), encoding="utf-8")


def test_an_allocation_method_is_one_file_and_one_line(spark: SparkSession, copied: Path) -> None:
    allocation = copied / "ptofa_spark" / "allocation"
    (allocation / "baselines" / "first_come.py").write_text(FIRST_COME, encoding="utf-8")
    insert(
        allocation / "settings.py",
        after="METHODS = {",
        line='    "firstcome": MethodEntry("baselines.first_come", "users in the order of their ids"),',
    )
    pairs = "".join(f"{user},5,{fund},{user}\n" for user in (1, 2, 3) for fund in ("bond", "cash"))
    (copied / "scores.csv").write_text(f"user_id,risk_tolerance,fund_id,expected_revenue\n{pairs}")
    (copied / "funds.csv").write_text("fund_id,risk_level\nbond,1\ncash,1\n")
    (copied / "demands.csv").write_text("campaign_id,fund_id,demand\nspring,bond,2\nspring,cash,1\n")
    words = ["--scores=scores.csv", "--funds=funds.csv", "--demands=demands.csv", "--output=out"]
    words += ["--report=report", "--method=firstcome", "--spark.master=local[1]"]
    ended = subprocess.run(
        [sys.executable, "jobs/allocate.py", *words],
        cwd=copied,
        env=os.environ | {"PYTHONPATH": str(copied)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-2_000:]
    assert ended.stdout.startswith("firstcome: objective 6.00, 3 of 3 users served")
    rows = spark.read.format("delta").load(str(copied / "out")).select("user_id", "fund_id").collect()
    assert sorted(tuple(row) for row in rows) == [(1, "bond"), (2, "bond"), (3, "cash")]
