"""What jobs/allocate.py refuses: each in one line that names the cause and the way out, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.errors import UserError
from tests.allocation.campaign import Campaign
from tests.allocation.instances import Instance
from tests.run_job import run_job


def test_an_infeasible_campaign_names_the_cut_and_the_repair_and_writes_no_table(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    revenue = np.array([[1.0, np.nan]] * 30 + [[1.0, 2.0]] * 20)
    campaign = Campaign(spark, tmp_path, Instance(revenue, np.array([18, 32]), 1))
    campaign.levels = np.array([1, 4])
    campaign.funds["risk_level"] = campaign.levels.astype("int32")
    campaign.pairs["risk_tolerance"] = np.repeat([2] * 30 + [5] * 20, 2).astype("int32")
    campaign.write()
    code, line = run_job("allocate", *campaign.words(), capsys=capsys)
    low, high = campaign.ids
    assert code == 2
    assert line == (
        f"error: 30 user(s) (risk tolerance 2) need 30 exposures, but by risk and scores may see only fund(s) {low}, "
        f"which can give them 18: 12 short; the smallest change of demands that mends it: {low} +12, {high} -12"
    )
    assert not (tmp_path / "allocation").exists()
    told = json.loads((tmp_path / "report" / "infeasible.json").read_text())
    assert (told["short"], told["repair"]) == (12, {low: 12, high: -12})
    campaign.demands["demand"] = [30, 20]
    campaign.write()
    assert run_job("allocate", *campaign.words(), capsys=capsys)[0] == 0
    assert not (tmp_path / "report" / "infeasible.json").exists()


@pytest.mark.parametrize("demand", [[28, 32], [30, 11], [60, 40]])
def test_demands_that_do_not_add_up_are_told_with_the_smallest_change(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str], demand: list[int]
) -> None:
    revenue = np.array([[1.0, np.nan]] * 28 + [[1.0, 2.0]] * 22)
    campaign = Campaign(spark, tmp_path, Instance(revenue, np.array(demand), 1))
    campaign.write()
    code, line = run_job("allocate", *campaign.words(), capsys=capsys)
    assert code == 2
    told = json.loads((tmp_path / "report" / "infeasible.json").read_text())
    assert line == f"error: {told['reason']}"
    assert line.endswith(f": {', '.join(f'{fund} {change:+,}' for fund, change in told['repair'].items())}")
    assert (told["users"], told["needed"], told["offered"]) == (50, 50, sum(demand))
    assert told["short"] == 50 - sum(demand)
    assert told["funds"] == list(campaign.ids)
    # The smallest change: no fund rises while another falls, except where risk needs it.
    assert sum(abs(change) for change in told["repair"].values()) == abs(told["short"])
    campaign.demands["demand"] += campaign.demands["fund_id"].map(told["repair"]).fillna(0).astype("int64")
    campaign.write()
    assert run_job("allocate", *campaign.words(), capsys=capsys)[0] == 0


def spoil(campaign: Campaign, how: str) -> None:
    if how == "unknown fund":
        campaign.demands.loc[0, "fund_id"] = "nowhere"
    elif how == "negative demand":
        campaign.demands.loc[0, "demand"] = -4
    elif how == "demand twice":
        campaign.demands = pd.concat([campaign.demands, campaign.demands.iloc[:1]])
    elif how == "fund twice":
        campaign.funds = pd.concat([campaign.funds, campaign.funds.iloc[:1]])
    elif how == "pair twice":
        campaign.pairs = pd.concat([campaign.pairs, campaign.pairs.iloc[5:6]])
    elif how == "two tolerances":
        campaign.pairs.loc[3, "risk_tolerance"] = 1 if campaign.pairs.loc[3, "risk_tolerance"] != 1 else 2
    elif how == "no column":
        campaign.pairs = campaign.pairs.rename(columns={"risk_tolerance": "tolerance"})
    elif how == "wrong type":
        campaign.pairs["expected_revenue"] = "a lot"
    elif how == "infinite score":
        campaign.pairs.loc[9, "expected_revenue"] = np.inf
    elif how == "null tolerance":
        campaign.pairs["risk_tolerance"] = campaign.pairs["risk_tolerance"].astype("Int32")
        campaign.pairs.loc[4, "risk_tolerance"] = pd.NA
    elif how == "sum of demands":
        campaign.demands.loc[0, "demand"] += 1
    campaign.write()


REFUSALS = {
    "unknown fund": ["demands", "'nowhere'", "is not in", "funds"],
    "negative demand": ["demands", "demand -4", "give 0 or more"],
    "demand twice": ["demands", "two demands", "keep one"],
    "fund twice": ["funds", "more than once", "keep one row"],
    "pair twice": ["pairs", "user ", "more than once", "keep one row"],
    "two tolerances": ["pairs", "user -500", "more than one risk_tolerance"],
    "no column": ["pairs", "lacks column(s) risk_tolerance", "it has", "tolerance"],
    "wrong type": ["pairs", "expected_revenue is string", "expected double"],
    "infinite score": ["pairs", "user ", "fund ", "inf", "give a finite number, or null"],
    "null tolerance": ["pairs", "risk_tolerance is null in 1 row(s)"],
    "sum of demands": ["801 exposures", "800 slots", "at-most"],
}


@pytest.mark.parametrize("how", REFUSALS)
def test_bad_input_is_one_line_that_names_it_and_nothing_is_written(
    campaign: Campaign, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(campaign, how)
    code, line = run_job("allocate", *campaign.words(), capsys=capsys)
    assert code == 2
    assert line.startswith("error: ")
    for part in REFUSALS[how]:
        assert part in line
    assert not (campaign.root / "allocation").exists()
    assert not (campaign.root / "report" / "allocation.json").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "ip", "--max-ip-users", "399"], "method ip is for at most 399 users, the campaign has 400"),
        (["--method", "ip", "--ip-seconds", "0.0001"], "found no allocation in 0.0001 s: raise --ip-seconds"),
        (["--method", "mincostflow", "--max-solver-gb", "0.0001"], "on the driver for 3,200 pairs"),
        (["--method", "exact", "--prices", "/nowhere"], "prices /nowhere cannot be read"),
        (["--k", "0"], "allocate: k = '0'"),
        (["--k", "9"], "every user is to get K=9 distinct funds, the campaign has 8: lower K"),
        (["--funds", "/nowhere/funds"], "table /nowhere/funds does not exist"),
        (["--campaign-id", "summer"], "has no campaign 'summer'; it has spring"),
        (["--colour", "red"], "--colour"),
        (["--priority", "nowhere", "--method", "manual"], "priority names nowhere; the campaign has"),
    ],
)
def test_bad_options_are_one_line(
    campaign: Campaign, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = run_job("allocate", *campaign.words(), *words, capsys=capsys)
    assert code == 2
    assert said in line
    assert not (campaign.root / "allocation").exists()


def test_more_classes_than_configured_is_refused(campaign: Campaign) -> None:
    with pytest.raises(UserError, match="more than 2 distinct sets of eligible funds"):
        allocate(campaign.spark, AllocateSettings(**campaign.arguments(max_classes=2)))
