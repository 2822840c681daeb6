"""What jobs/allocate.py refuses: one line names the cause and the way out, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.baselines.priority import fund_priority
from ptofa_spark.allocation.problem import demand_modes
from ptofa_spark.allocation.problem.feasibility import explain
from ptofa_spark.allocation.problem.problem import AllocationProblem, Classes, Funds
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.errors import ConfigError, UserError
from tests.allocation.campaign import Campaign
from tests.allocation.instances import Instance
from tests.run_job import run_job


def test_an_infeasible_campaign_is_refused_with_its_repair(
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
def test_demands_that_do_not_add_up_are_refused_with_the_smallest_change(
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
    # The smallest change: no demand rises while another falls, except where risk needs it.
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
    elif how == "fund with a space":
        campaign.pairs["fund_id"] = campaign.pairs["fund_id"].replace("zeta", "zeta ")
    elif how == "fund under two names":
        of_gold = campaign.pairs.index[campaign.pairs["fund_id"] == "gold"]
        campaign.pairs.loc[of_gold[:7], "fund_id"] = "Gold"
    elif how == "campaign under two names":
        campaign.demands.loc[0, "campaign_id"] = "spring "
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
    "fund with a space": [
        "pairs",
        "'zeta' has a demand",
        "no score",
        "'zeta '",
        "a trailing space",
        "--allow-unscored",
    ],
    "fund under two names": ["pairs", "'Gold' has 7 pair(s)", "'gold'", "upper and lower case", "--allow-unscored"],
    "campaign under two names": ["demands", "'spring', 'spring '", "--campaign-id"],
    "sum of demands": ["801 exposures", "800 slots", "at-most"],
}


@pytest.mark.parametrize("how", REFUSALS)
def test_bad_input_is_one_line_that_names_it(campaign: Campaign, how: str, capsys: pytest.CaptureFixture[str]) -> None:
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
        (["--campaign-id", "summer"], "has no campaign 'summer'; the campaigns there are 'spring': name it"),
        (["--colour", "red"], "--colour"),
        (
            ["--priority", "nowhere", "--method", "manual"],
            "priority names 'nowhere'; the funds of the campaign are 'bond'",
        ),
    ],
)
def test_bad_options_are_one_line(
    campaign: Campaign, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, line = run_job("allocate", *campaign.words(), *words, capsys=capsys)
    assert code == 2
    assert said in line
    assert not (campaign.root / "allocation").exists()


def test_allow_unscored_accepts_a_fund_without_a_score(campaign: Campaign, capsys: pytest.CaptureFixture[str]) -> None:
    """The pairs of a fund have another name. The demands leave room to deliver nothing of that fund."""
    campaign.demands["demand"] = 400
    spoil(campaign, "fund with a space")
    words = campaign.words(demand_mode="at-most", method="exact")
    asked = {"allocate": words, "audit": [], "what_if": []}
    keep = ("--expected-revenue", "--funds", "--demands", "--demand-mode", "--k")
    asked["audit"] = [each for at in range(0, len(words), 2) if words[at] in keep for each in words[at : at + 2]]
    asked["what_if"] = [*asked["audit"], "--report", str(campaign.root / "report"), "--changes", "bond+1%"]
    asked["audit"] = [*asked["audit"], "--allocation", str(campaign.root / "allocation")]
    for job, given in asked.items():
        if job != "audit":
            code, line = run_job(job, *given, capsys=capsys)
            assert code == 2
            assert "'zeta ' (it differs by a trailing space)" in line
        code, line = run_job(job, *given, "--allow-unscored", capsys=capsys)
        assert code == 0, line
        if job == "allocate":
            above = int((campaign.levels[None, :] > campaign.pairs["risk_tolerance"].to_numpy()[::8, None]).sum())
            above -= int((campaign.levels[5] > campaign.pairs["risk_tolerance"].to_numpy()[::8]).sum())
            risky = f", {above:,} pair(s) above a user's risk tolerance" if above else ""
            said = f"2,800 pairs of 400 users used, left out 400 pair(s) of funds without a demand{risky}"
            assert line.endswith(said.replace("2,800", f"{2_800 - above:,}"))
            told = json.loads((campaign.root / "report" / "allocation.json").read_text())
            assert (told["inputs"]["rows"], told["inputs"]["pairs"]) == (3_200, 3_200)
            assert {fund["fund_id"]: fund["delivered"] for fund in told["funds"]}["zeta"] == 0


def a_problem(levels: list[int], classes: list[tuple[list[bool], int, int]], k: int = 1) -> AllocationProblem:
    """Classes as (eligible, lowest tolerance, highest tolerance), of ten users each."""
    eligible, low, high = (np.array(each) for each in zip(*classes, strict=True))
    funds = Funds(tuple("abc"[: len(levels)]), np.array(levels), np.full(len(levels), 100))
    users = np.full(len(classes), 10)
    return demand_modes.Campaign("spring", k, "at-most", funds, Classes(eligible, users, low, high)).problem()


@pytest.mark.parametrize(
    ("problem", "said", "never"),
    [
        (
            a_problem([2, 3], [([False, False], 1, 1), ([True, True], 5, 5)]),
            "10 user(s) (risk tolerance 1): no fund is safe enough for them, the lowest risk level of the campaign's "
            "funds is 2: give funds of lower risk a demand, leave",
            "lower K",
        ),
        (
            a_problem([2, 3], [([False, False], 2, 5), ([True, True], 5, 5)]),
            "10 user(s) (risk tolerance 2 to 5): funds are safe enough for them, but fewer than K=1 have a score:",
            "lower",
        ),
        (
            a_problem([1, 3], [([True, False], 1, 2), ([True, False], 3, 4)], k=2),
            "10 user(s) (risk tolerance 1 to 2): at most 1 fund(s) are safe enough for them, the lowest risk level of "
            "the campaign's funds is 1; 10 user(s) (risk tolerance 3 to 4): funds are safe enough",
            "K to 0",
        ),
        (
            a_problem([2, 3], [([False, False], 1, 4), ([True, True], 5, 5)]),
            "10 user(s) (risk tolerance 1 to 4): they lack funds that are safe enough, or scores of those",
            "lower K",
        ),
    ],
)
def test_users_without_enough_funds_are_named_with_the_reason(
    problem: AllocationProblem, said: str, never: str
) -> None:
    found = explain(problem)
    assert said in found.reason
    assert never not in found.reason
    assert found.repair == {}
    assert ("lower K to 1" in found.reason) == (problem.k > 1)


NAMES = Funds(("Growth, Balanced", "a", "a "), np.array([1, 1, 1]), np.array([1, 1, 1]), ("idle",))


def order(text: str, funds: Funds) -> list[int]:
    settings = AllocateSettings(
        scores="x", funds="x", demands="x", output="x", report="x", method="manual", priority=text
    )
    nobody: Any = None  # an order that is given needs no scores
    return fund_priority(funds, nobody, np.zeros(len(funds)), settings, None).tolist()


def test_a_priority_can_name_every_fund() -> None:
    assert order('a ,"Growth, Balanced",a', NAMES) == [2, 0, 1]
    assert order(' a, "Growth, Balanced"', NAMES) == [1, 0, 2]
    with pytest.raises(ConfigError, match="names 'a  '; the nearest"):  # blanks alone tell a from the fund with a blank
        order('a  , a,"Growth, Balanced"', NAMES)
    with pytest.raises(ConfigError, match=r"'Growth', 'Balanced'; .*; a name with a comma stands in double quotes: \""):
        order("Growth, Balanced,a", NAMES)
    with pytest.raises(ConfigError, match=r"names 'A'; the nearest fund of the campaign is 'a' \(it differs by upper"):
        order("A", NAMES)
    with pytest.raises(ConfigError, match="names 'idle', without a demand in the campaign: leave it out"):
        order("a,idle", NAMES)


def test_more_classes_than_configured_is_refused(campaign: Campaign) -> None:
    with pytest.raises(UserError, match="more than 2 distinct sets of eligible funds"):
        allocate(campaign.spark, AllocateSettings(**campaign.arguments(max_classes=2)))
