"""jobs/audit.py finds every fault that an allocation can have, and passes an allocation without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.certificate.audit import audit
from ptofa_spark.allocation.problem.demand_modes import exact
from ptofa_spark.allocation.scores.reading.campaign_funds import read_campaign_funds
from ptofa_spark.allocation.scores.reading.first_pass import Look
from ptofa_spark.allocation.scores.reading.scores import read_scores
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.tables.delta.pinned import PinnedTables
from tests.allocation.campaign import LEVELS, Campaign
from tests.allocation.instances import feasible_instance
from tests.run_job import run_job


@pytest.fixture(scope="module")
def allocated(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Campaign, pd.DataFrame]:
    instance = feasible_instance(np.random.default_rng(31), 300, LEVELS, k=2)
    campaign = Campaign(spark, tmp_path_factory.mktemp("audit"), instance).write()
    allocate(spark, AllocateSettings(**campaign.arguments()))
    return campaign, campaign.allocation().toPandas()


def audited(campaign: Campaign, table: Path | str, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    words = [f"--{name}={campaign.root / table}" for name, table in (("funds", "funds"), ("demands", "demands"))]
    scores = f"--scores={campaign.root / 'pairs'}"
    return run_job("audit", f"--allocation={table}", scores, *words, "--k=2", *more, capsys=capsys)


def test_a_true_allocation_passes(allocated: tuple[Campaign, pd.DataFrame], capsys: pytest.CaptureFixture[str]) -> None:
    campaign, rows = allocated
    code, line = audited(campaign, campaign.root / "allocation", capsys)
    assert code == 0
    assert line == (f"kept: 300 of 300 users served, 600 exposures, objective {rows['expected_revenue'].sum():,.2f}")


def spoil(rows: pd.DataFrame, campaign: Campaign, how: str) -> pd.DataFrame:
    if how == "a row is gone":
        return rows.iloc[1:]
    if how == "a row stands there twice":
        return pd.concat([rows, rows.iloc[:1]])
    if how == "another revenue":
        rows.loc[5, "expected_revenue"] *= 1 + 1e-12
    elif how == "revenue that is no number":
        rows.loc[[5, 6], "expected_revenue"] = [-np.inf, np.inf]
    elif how == "a user without a score":
        rows.loc[0, "user_id"] = 10**12
    elif how == "a fund without a demand":
        rows.loc[0, "fund_id"] = "nowhere"
    elif how == "a slot too many":
        rows.loc[0, "slot"] = 3
    elif how == "too bold a fund":
        cautious = campaign.pairs[campaign.pairs["expected_revenue"] == 1e9].iloc[0]
        own = rows.index[rows["user_id"] == cautious["user_id"]][0]
        rows.loc[own, ["fund_id", "expected_revenue"]] = [cautious["fund_id"], 1e9]
    return rows


SEEN = {
    "a row is gone": ["1 user(s) without exactly K funds (C1)", "1 exposure(s) off the demands (C2)"],
    "a row stands there twice": ["1 user(s) without", "1 exposure(s) off", "2 doubled row(s)"],
    "another revenue": ["1 row(s) not in the scores"],
    "revenue that is no number": ["2 row(s) not in the scores"],
    "a user without a score": ["1 user(s) without", "1 row(s) not eligible (C3), 1 row(s) not in the scores"],
    "a fund without a demand": ["2 exposure(s) off", "1 row(s) not eligible (C3), 1 row(s) not in the scores"],
    "a slot too many": ["1 doubled row(s) or slots outside 1..K"],
    "too bold a fund": ["2 exposure(s) off the demands (C2), 1 row(s) not eligible (C3)"],
}


@pytest.mark.parametrize("how", SEEN)
def test_each_fault_of_an_allocation_is_named(
    allocated: tuple[Campaign, pd.DataFrame], how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign, rows = allocated
    (tmp_path / "spoiled").mkdir()
    spoil(rows.copy(), campaign, how).to_parquet(tmp_path / "spoiled" / "rows.parquet", index=False)
    code, line = audited(campaign, tmp_path / "spoiled", capsys)
    assert code == 2
    for part in SEEN[how]:
        assert part in line
    said = line.split("'spring': ")[1].removesuffix(": allocate it again")
    assert len(said.split(", ")) == len(", ".join(SEEN[how]).split(", "))


def test_the_audit_does_not_depend_on_its_buckets_nor_on_where_it_counts(
    allocated: tuple[Campaign, pd.DataFrame],
) -> None:
    """One run has many more buckets than users: some buckets hold no score or no row. Another is the driver's."""
    campaign, rows = allocated
    places = (str(campaign.root / name) for name in ("funds", "demands"))
    name, funds = read_campaign_funds(PinnedTables(campaign.spark), *places, None)
    scores = read_scores(PinnedTables(campaign.spark), str(campaign.root / "pairs"), name, funds, Look(9_000)).rows
    bounds = exact(funds.demand, 2)
    for how in SEEN:
        rows_of = spoil(rows.copy(), campaign, how)
        in_spark = audit(campaign.spark.createDataFrame(rows_of), scores, funds, bounds, 1, 5.0)
        assert audit(pa.Table.from_pandas(rows_of), scores, funds, bounds, 1, 5.0) == in_spark
        assert in_spark.broken(bounds, funds.ids)
    spoiled = campaign.spark.createDataFrame(spoil(rows.copy(), campaign, "a user without a score"))
    found = [audit(spoiled, scores, funds, bounds, about_users=about) for about in (1, 9_000_000)]
    assert found[0] == found[1]
    assert (found[0].wrong_rows, found[0].violations.c1, found[0].violations.c3) == (1, 1, 1)
    for none in (spoiled.limit(0), spoiled.limit(0).toArrow()):
        nothing = audit(none, scores, funds, bounds, about_users=300)
        assert (nothing.users, nothing.users_served, nothing.exposures, nothing.violations.c2) == (300, 0, 0, 600)
