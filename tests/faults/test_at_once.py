"""Two allocations at the same time, as two processes: of one campaign one wins, of two campaigns both land."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from tests.run_job import JOBS

USERS, FUNDS = 4_000, ("bond", "cash", "mixed", "stock")
ATTEMPTS = 4


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
        stderr=subprocess.PIPE,
    )  # fmt: skip


def ends(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    said = [process.communicate(timeout=300)[1] for process in processes]
    return [(each.returncode, text.strip().splitlines()[-1]) for each, text in zip(processes, said, strict=True)]


@pytest.mark.parametrize("table", ["new", "written before"])
def test_of_two_runs_of_a_campaign_one_wins_and_the_other_says_so(
    spark: SparkSession, tables: Path, table: str
) -> None:
    for attempt in range(ATTEMPTS):  # the two may miss each other: then each is right to write
        output = f"{tables}/allocation-{attempt}"
        if table == "written before":
            assert ends([start(tables, "spring", "manual", output)])[0][0] == 0
        results = ends([start(tables, "spring", method, output) for method in ("ha", "exact")])
        rows = spark.read.format("delta").load(output)
        assert rows.count() == rows.select("user_id").distinct().count() == USERS
        assert rows.groupBy("fund_id").count().select("count").distinct().collect() == [(USERS // len(FUNDS),)]
        lost = [line for code, line in results if code]
        if lost:
            assert sorted(code for code, _ in results) == [0, 2]
            assert lost[0].startswith("error: ")
            assert "another run" in lost[0]
            return
    pytest.fail(f"in {ATTEMPTS} attempts no two runs met")


def test_two_campaigns_at_once_both_land(spark: SparkSession, tables: Path) -> None:
    output = f"{tables}/allocation"
    campaigns = ("spring", "autumn")
    assert [code for code, _ in ends([start(tables, campaign, "ha", output) for campaign in campaigns])] == [0, 0]
    rows = spark.read.format("delta").load(output)
    found = {row["campaign_id"]: row["count"] for row in rows.groupBy("campaign_id").count().collect()}
    assert found == dict.fromkeys(campaigns, USERS)
