"""Two allocations at the same time, as two processes: of one campaign one wins, of two campaigns both land."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

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


def start(root: Path, campaign: str, method: str, output: str) -> subprocess.Popen[str]:
    words = [f"--expected-revenue={root}/pairs", f"--funds={root}/funds", f"--demands={root}/demands"]
    words += [f"--output={output}", f"--report={root}/{campaign}-{method}", f"--campaign-id={campaign}"]
    words += [f"--method={method}", "--spark.master=local[1]", "--spark.driver-memory=1g"]
    return subprocess.Popen(
        [sys.executable, str(JOBS / "allocate.py"), *words],
        cwd=root, env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def ends(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    said = [process.communicate(timeout=PATIENCE)[1] for process in processes]
    return [(each.returncode, text.strip().splitlines()[-1]) for each, text in zip(processes, said, strict=True)]


@pytest.mark.parametrize("table", [pytest.param("new", marks=pytest.mark.long), "written before"])
def test_of_two_runs_of_a_campaign_one_wins_and_the_other_says_so(
    spark: SparkSession, tables: Path, table: str
) -> None:
    """The first is held up, JVM and all, after it looked at the table; the second comes, writes and goes."""
    output = f"{tables}/allocation"
    if table == "written before":
        assert ends([start(tables, "spring", "manual", output)])[0][0] == 0
    held = start(tables, "spring", "ha", output)
    assert held.stderr is not None
    while "phase=1" not in held.stderr.readline():
        assert held.poll() is None
    os.killpg(held.pid, signal.SIGSTOP)
    assert ends([start(tables, "spring", "exact", output)])[0][0] == 0
    os.killpg(held.pid, signal.SIGCONT)
    ((code, line),) = ends([held])
    assert code == 2
    assert line.startswith(f"error: table {output}: another run wrote the rows where campaign_id = 'spring'")
    rows = spark.read.format("delta").load(output)
    assert rows.count() == rows.select("user_id").distinct().count() == USERS
    written = float(rows.selectExpr("sum(expected_revenue)").collect()[0][0])
    told = json.loads((tables / "spring-exact" / "allocation.json").read_text(encoding="utf-8"))
    assert written == pytest.approx(told["objective"], rel=1e-9)


def test_two_campaigns_at_once_both_land(spark: SparkSession, tables: Path) -> None:
    output = f"{tables}/allocation"
    campaigns = ("spring", "autumn")
    assert [code for code, _ in ends([start(tables, campaign, "ha", output) for campaign in campaigns])] == [0, 0]
    rows = spark.read.format("delta").load(output)
    found = {row["campaign_id"]: row["count"] for row in rows.groupBy("campaign_id").count().collect()}
    assert found == dict.fromkeys(campaigns, USERS)
