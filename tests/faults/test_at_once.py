"""Two allocations at the same time, in two processes: of one campaign one is written, of two campaigns both are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.settings import AllocateSettings
from tests.faults.stages import PATIENCE
from tests.run_job import JOBS

USERS, FUNDS = 4_000, ("bond", "cash", "mixed", "stock")


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Scores, funds, and the demands of two campaigns."""
    pairs = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(USERS), len(FUNDS)),
            "risk_tolerance": 5,
            "fund_id": FUNDS * USERS,
            "expected_revenue": np.random.default_rng(3).lognormal(0, 1, USERS * len(FUNDS)),
        }
    )
    pairs.to_parquet(tmp_path / "pairs", index=False)
    pd.DataFrame({"fund_id": FUNDS, "risk_level": 1}).to_parquet(tmp_path / "funds", index=False)
    asked = [(campaign, fund, USERS // len(FUNDS)) for campaign in ("spring", "autumn") for fund in FUNDS]
    pd.DataFrame(asked, columns=["campaign_id", "fund_id", "demand"]).to_parquet(tmp_path / "demands", index=False)
    return tmp_path


def words(root: Path, campaign: str, method: str) -> dict[str, str]:
    given = {"expected_revenue": f"{root}/pairs", "funds": f"{root}/funds", "demands": f"{root}/demands"}
    given |= {"output": f"{root}/allocation", "report": f"{root}/{campaign}-{method}"}
    return given | {"campaign_id": campaign, "method": method}


def start(root: Path, campaign: str, method: str) -> subprocess.Popen[str]:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in words(root, campaign, method).items()]
    return subprocess.Popen(
        [sys.executable, str(JOBS / "allocate.py"), *options, "--spark.master=local[1]", "--spark.driver-memory=1g"],
        cwd=root, env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def start_and_hold(root: Path, campaign: str) -> subprocess.Popen[str]:
    """A run of `ha` that is stopped with its JVM, after it looked at the table and before it writes."""
    held = start(root, campaign, "ha")
    assert held.stderr is not None
    while "phase=1" not in held.stderr.readline():
        assert held.poll() is None
    os.killpg(held.pid, signal.SIGSTOP)
    return held


def goes_on(held: subprocess.Popen[str]) -> tuple[int, str]:
    os.killpg(held.pid, signal.SIGCONT)
    return ends(held)


def ends(process: subprocess.Popen[str]) -> tuple[int, str]:
    said = process.communicate(timeout=PATIENCE)[1]
    return process.returncode, said.strip().splitlines()[-1]


def assert_each_user_has_a_fund(spark: SparkSession, root: Path, *campaigns: str) -> None:
    rows = spark.read.format("delta").load(f"{root}/allocation")
    found = rows.groupBy("campaign_id").agg(F.count("*").alias("rows"), F.countDistinct("user_id").alias("users"))
    assert {tuple(row) for row in found.collect()} == {(campaign, USERS, USERS) for campaign in campaigns}


@pytest.mark.parametrize("table", [pytest.param("new", marks=pytest.mark.long), "written before"])
def test_one_of_two_runs_of_a_campaign_is_refused(spark: SparkSession, tables: Path, table: str) -> None:
    """The second starts and ends while the first is stopped."""
    if table == "written before":
        allocate(spark, AllocateSettings(**words(tables, "spring", "manual")))
    held = start_and_hold(tables, "spring")
    told = allocate(spark, AllocateSettings(**words(tables, "spring", "exact")))
    code, line = goes_on(held)
    assert code == 2
    assert line.startswith(f"error: table {tables}/allocation: another run wrote the rows where campaign_id = 'spring'")
    assert_each_user_has_a_fund(spark, tables, "spring")
    rows = spark.read.format("delta").load(f"{tables}/allocation")
    assert float(rows.selectExpr("sum(expected_revenue)").collect()[0][0]) == pytest.approx(told.objective, rel=1e-9)


def test_two_campaigns_are_both_written(spark: SparkSession, tables: Path) -> None:
    """The first run found no table. The second makes it while the first is stopped."""
    held = start_and_hold(tables, "spring")
    allocate(spark, AllocateSettings(**words(tables, "autumn", "exact")))
    assert goes_on(held)[0] == 0
    assert_each_user_has_a_fund(spark, tables, "spring", "autumn")


@pytest.mark.long
def test_two_campaigns_can_be_written_at_the_same_moment(spark: SparkSession, tables: Path) -> None:
    runs = [start(tables, campaign, "ha") for campaign in ("spring", "autumn")]
    assert [ends(each)[0] for each in runs] == [0, 0]
    assert_each_user_has_a_fund(spark, tables, "spring", "autumn")
