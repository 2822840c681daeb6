"""Two allocations at the same time, in two processes: of one campaign one is written, of two campaigns both are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

USERS, FUNDS = 400, ("bond", "cash", "mixed", "stock")
HELD = Path(__file__).parent / "held.py"


@dataclass(frozen=True)
class Race:
    """A run of `ha` for spring that was stopped with its JVM, after it looked at the table and before it wrote.

    table: the allocations; objective: of the other run, which began and ended meanwhile; code, said: how the stopped
    run ended.
    """

    table: Path
    objective: float
    code: int
    said: str


def write_tables(root: Path) -> Path:
    """Scores, funds, and the demands of two campaigns."""
    pairs = pd.DataFrame(
        {
            "user_id": np.repeat(np.arange(USERS), len(FUNDS)),
            "risk_tolerance": 5,
            "fund_id": FUNDS * USERS,
            "expected_revenue": np.random.default_rng(3).lognormal(0, 1, USERS * len(FUNDS)),
        }
    )
    pairs.to_parquet(root / "pairs", index=False)
    pd.DataFrame({"fund_id": FUNDS, "risk_level": 1}).to_parquet(root / "funds", index=False)
    asked = [(campaign, fund, USERS // len(FUNDS)) for campaign in ("spring", "autumn") for fund in FUNDS]
    pd.DataFrame(asked, columns=["campaign_id", "fund_id", "demand"]).to_parquet(root / "demands", index=False)
    return root


def given(root: Path, table: str, campaign: str, method: str) -> dict[str, str]:
    tables = {"expected_revenue": f"{root}/pairs", "funds": f"{root}/funds", "demands": f"{root}/demands"}
    places = {"output": f"{root}/{table}", "report": f"{root}/{table}-{campaign}-{method}"}
    return tables | places | {"campaign_id": campaign, "method": method}


def words(root: Path, table: str, campaign: str, method: str) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in given(root, table, campaign, method).items()]


def start(root: Path, *command: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command], cwd=root, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(JOBS.parent)},
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def races(spark: SparkSession, root: Path, tables: Sequence[str]) -> dict[str, Race]:
    """One race per table, the stopped runs one after another in one process."""
    write_tables(root)
    if "written_before" in tables:
        allocate(spark, AllocateSettings(**given(root, "written_before", "spring", "manual")))
    (root / "runs.json").write_text(json.dumps([words(root, table, "spring", "ha") for table in tables]))
    process = start(root, str(HELD), "runs.json")
    assert process.stdout is not None
    assert process.stderr is not None
    ended: dict[str, Race] = {}
    for table in tables:
        next(line for line in process.stderr if "phase=1" in line)
        os.killpg(process.pid, signal.SIGSTOP)
        campaign = "autumn" if table == "of_two_campaigns" else "spring"
        other = allocate(spark, AllocateSettings(**given(root, table, campaign, "exact")))
        os.killpg(process.pid, signal.SIGCONT)
        code = int(next(line for line in process.stdout if line.startswith("code="))[5:])
        said = next(line for line in process.stderr if line.startswith("error: ")) if code else ""
        ended[table] = Race(root / table, other.objective, code, said)
    assert process.wait(PATIENCE) == 0
    return ended


@pytest.fixture(scope="module")
def ended(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Race]:
    return races(spark, tmp_path_factory.mktemp("at_once"), ("written_before", "of_two_campaigns"))


def assert_each_user_has_a_fund(spark: SparkSession, table: Path, *campaigns: str) -> None:
    rows = spark.read.format("delta").load(str(table))
    found = rows.groupBy("campaign_id").agg(F.count("*").alias("rows"), F.countDistinct("user_id").alias("users"))
    assert {tuple(row) for row in found.collect()} == {(campaign, USERS, USERS) for campaign in campaigns}


def assert_refused(spark: SparkSession, race: Race) -> None:
    assert race.code == 2
    assert race.said.startswith(f"error: table {race.table}: another run wrote the rows where campaign_id = 'spring'")
    assert_each_user_has_a_fund(spark, race.table, "spring")
    rows = spark.read.format("delta").load(str(race.table))
    written = float(rows.selectExpr("sum(expected_revenue)").collect()[0][0])
    assert written == pytest.approx(race.objective, rel=1e-9)


def test_one_of_two_runs_of_a_campaign_is_refused(spark: SparkSession, ended: dict[str, Race]) -> None:
    assert_refused(spark, ended["written_before"])


@pytest.mark.long
def test_one_of_two_runs_of_a_campaign_is_refused_on_a_new_table(
    spark: SparkSession, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("faults", {"two_runs_of_a_campaign": 1})
    assert_refused(spark, races(spark, tmp_path, ("new",))["new"])


def test_two_campaigns_are_both_written(spark: SparkSession, ended: dict[str, Race]) -> None:
    """The first run found no table. The second makes it while the first is stopped."""
    race = ended["of_two_campaigns"]
    assert race.code == 0
    assert_each_user_has_a_fund(spark, race.table, "spring", "autumn")


@pytest.mark.long
def test_two_campaigns_can_be_written_at_the_same_moment(
    spark: SparkSession, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("faults", {"two_campaigns_at_once": 1})
    write_tables(tmp_path)
    spark_words = ("--spark.master=local[1]", "--spark.driver-memory=1g")
    runs = [
        start(tmp_path, str(JOBS / "allocate.py"), *words(tmp_path, "allocation", campaign, "ha"), *spark_words)
        for campaign in ("spring", "autumn")
    ]
    for run in runs:
        run.communicate(timeout=PATIENCE)
    assert [run.returncode for run in runs] == [0, 0]
    assert_each_user_has_a_fund(spark, tmp_path / "allocation", "spring", "autumn")
