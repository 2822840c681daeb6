"""Marked pairs in the jobs: the optimum, the report, the refusals, and the option that reads them as null."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.allocation.certificate.bound import certify
from ptofa_spark.allocation.certificate.summary import AllocationSummary
from ptofa_spark.allocation.methods import account_of, all_steps, solve
from ptofa_spark.allocation.plan.method import Asked
from ptofa_spark.allocation.plan.plan import AllocationPlan, allocation
from ptofa_spark.allocation.plan.steps import replay
from ptofa_spark.allocation.scores.marks import find_marks
from ptofa_spark.allocation.scores.reading.campaign_funds import read_campaign_funds
from ptofa_spark.allocation.scores.reading.first_pass import Look
from ptofa_spark.allocation.scores.reading.scores import read_scores
from ptofa_spark.allocation.scores.score_table import DriverScoreTable, SparkScoreTable
from ptofa_spark.allocation.scores.spectrum import spectrum
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.errors import TableError
from ptofa_spark.tables.delta.pinned import PinnedTables
from tests.allocation.campaign import LEVELS, Campaign
from tests.allocation.instances import Instance, feasible_instance
from tests.run_job import run_job
from tests.same_table import assert_same_table


def with_marks(instance: Instance, sizes: list[float]) -> tuple[Instance, Instance, np.ndarray]:
    """The instance with 40 pairs marked that its optimum does not need, the same with null there, and those pairs."""
    rng = np.random.default_rng(1)
    avoided = np.argwhere(instance.eligible & ~instance.best())
    marked = avoided[rng.choice(len(avoided), 40, replace=False)]
    revenue, clean = instance.expected_revenue.copy(), instance.expected_revenue.copy()
    revenue[tuple(marked.T)] = rng.choice(sizes, 40)
    clean[tuple(marked.T)] = np.nan
    return replace(instance, expected_revenue=revenue), replace(instance, expected_revenue=clean), marked


def test_marked_pairs_are_left_out(spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = feasible_instance(np.random.default_rng(21), 400, LEVELS, k=2)
    instance, clean, _ = with_marks(made, [-1e9, -1e15])
    campaign = Campaign(spark, tmp_path, instance).write()
    optimum = clean.optimum(1e8)
    summary_of = lambda: json.loads((tmp_path / "report" / "allocation.json").read_text())  # noqa: E731 - one word

    code, line = run_job("allocate", *campaign.words(method="exact", driver_users=0), capsys=capsys)
    assert (code, "of the optimum, 0.00 in money; read " in line) == (0, True)
    summary = summary_of()
    assert summary["objective"] == pytest.approx(optimum, rel=1e-9)
    assert 0 <= summary["absolute_gap"] < 1e-3
    assert summary["certified_gap"] == pytest.approx(summary["absolute_gap"] / summary["objective"])
    told = summary["marked_pairs"]
    assert (told["count"], told["negative"], told["not_eligible"], told["allocated"]) == (40, 40, 0, 0)
    assert (told["lowest"], told["highest"]) == (-1e15, -1e9)
    assert told["ordinary_largest"] == np.nanmax(clean.expected_revenue)
    assert AllocationSummary.read(str(tmp_path / "report")).marked_pairs is not None
    plan = AllocationPlan.read(str(tmp_path / "report"), all_steps())
    tables = PinnedTables(spark)
    name, funds = read_campaign_funds(tables, *(str(tmp_path / table) for table in ("funds", "demands")), None)
    scores = read_scores(tables, str(tmp_path / "pairs"), name, funds, Look(max_classes=1_000))
    found = scores.profile
    truth = spectrum(instance.expected_revenue)
    for each in ("bins", "pairs", "least", "most"):
        np.testing.assert_array_equal(getattr(found.spectrum, each), getattr(truth, each))
    assert plan.clip is not None
    assert_same_table(
        allocation(plan, SparkScoreTable(scores.rows.frame, funds.risk_levels, found.classes)), campaign.allocation()
    )

    code, _ = run_job("allocate", *campaign.words(method="ha", marked_pairs="not-eligible"), capsys=capsys)
    summary = summary_of()
    assert (code, summary["marked_pairs"]["not_eligible"]) == (0, 40)
    assert 0.95 * optimum < summary["objective"] <= optimum * (1 + 1e-9)
    assert 0 < summary["certified_gap"] < 0.05
    asked = ["--allocation", str(tmp_path / "allocation"), *campaign.words()[:6], "--k", "2"]
    code, said = run_job("audit", *asked, "--marked-pairs", "not-eligible", capsys=capsys)
    assert (code, f"objective {summary['objective']:,.2f}" in said) == (0, True)
    what_if = [*campaign.words()[:6], "--k", "2", "--report", str(tmp_path / "what_if"), "--changes", "k=1"]
    code, _ = run_job("what_if", *what_if, capsys=capsys)
    today = json.loads((tmp_path / "what_if" / "what_if.json").read_text())[0]
    assert (code, today["at_most"]) == (0, pytest.approx(optimum, rel=1e-6))


def test_methods_that_add_up_revenues_refuse_marked_pairs() -> None:
    made = feasible_instance(np.random.default_rng(21), 400, LEVELS, k=2)
    instance, _, marked = with_marks(made, [-1e15])
    problem = instance.problem()
    users = instance.users(problem)
    score_table = DriverScoreTable(users, problem.classes)
    marks = find_marks(spectrum(instance.expected_revenue), len(instance.demand) + 1)
    largest = np.nanmax(np.abs(instance.expected_revenue), axis=0)
    given = {"expected_revenue": "the scores", "funds": "f", "demands": "d", "output": "o", "report": "r", "k": 2}
    user, fund = min((user, fund) for user, fund in marked.tolist())
    named = f"table the scores: user {user}, fund 'F{fund:03d}': expected_revenue is -1e+15 among revenues of about"
    rounds = {"max_core_pairs": 1_600, "max_rounds": 0}
    for asked in ({"method": "ha"}, {"ha_variant": "literal"}, {"method": "ip"}, {"method": "manual"}, rounds):
        settings = AllocateSettings(**{"method": "exact" if asked == rounds else "ha"} | given | asked)
        with pytest.raises(TableError, match="use null for a pair that must not be, or --marked-pairs not-el") as said:
            solve(Asked(problem, score_table, largest, settings, None, marks))
        assert named in str(said.value)
    in_order = AllocateSettings(**given | {"method": "manual", "priority": "F003,F001"})
    by_order = Asked(problem, score_table, largest, in_order, None, marks)
    manual = solve(by_order)
    whole = feasible_instance(np.random.default_rng(21), 400, LEVELS, k=2)
    account = account_of(by_order, manual)
    assert manual.clip is None
    assert account is not None
    bound = certify(account, score_table, manual.steps)
    held = replay(manual.steps, users, 2)
    rows, places = np.nonzero(held >= 0)
    money = instance.expected_revenue[rows, held[rows, places]].sum()
    assert money + bound.absolute_gap >= (whole.optimum() - 2e3) > 0


def test_a_pushed_pair_does_not_hide_the_money_of_the_rest(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last bit of 1e18 is worth 128: money beside it must not be reported from a sum with it."""
    made = feasible_instance(np.random.default_rng(22), 300, LEVELS, k=1)
    held = made.best(1e8)
    user, fund = (int(each) for each in np.argwhere(held)[7])
    revenue = made.expected_revenue.copy()
    ordinary = made.optimum(1e8) - revenue[user, fund]
    revenue[user, fund] = 1e18
    campaign = Campaign(spark, tmp_path, replace(made, expected_revenue=revenue)).write()
    code, line = run_job("allocate", *campaign.words(method="exact"), capsys=capsys)
    assert code == 0
    assert "certified within 0.00 of the optimum in money, 1 of 1 marked pairs (1e+18 to 1e+18) allocated" in line
    assert f"objective without them {ordinary:,.2f}; read " in line
    summary = json.loads((tmp_path / "report" / "allocation.json").read_text())
    assert summary["marked_pairs"]["ordinary_objective"] == pytest.approx(ordinary, rel=1e-12)
    assert summary["certified_gap"] == pytest.approx(summary["absolute_gap"] / ordinary)
    others = [each for number, each in enumerate(summary["funds"]) if number != fund]
    by_fund = np.where(held, made.expected_revenue, 0.0).sum(axis=0)
    assert [each["expected_revenue"] for each in others] == pytest.approx(np.delete(by_fund, fund).tolist())
    code, said = run_job("what_if", *campaign.words()[:6], "--report", str(tmp_path / "w"), capsys=capsys)
    assert (code, "expected_revenue is 1e+18 among revenues" in said) == (2, True)


def test_a_revenue_that_no_sum_can_hold_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    instance = feasible_instance(np.random.default_rng(23), 20, LEVELS[:3], k=1)
    campaign = Campaign(spark, tmp_path, instance).write()
    places = [str(tmp_path / table) for table in ("funds", "demands")]
    pairs = campaign.pairs
    pairs["risk_tolerance"] = np.int32(5)
    tables = PinnedTables(spark)
    name, funds = read_campaign_funds(tables, *places, None)
    compact = pd.DataFrame(
        {
            "campaign_id": "spring",
            "user_id": [1, 2],
            "risk_tolerance": np.array([5, 5], dtype="int32"),
            "fund_ids": [list(funds.ids)] * 2,
        }
    )
    for number, (value, said) in enumerate([(-1.7e308, "-1.7e+308"), (2e100, "2e+100"), (np.inf, "inf"), (1e100, "")]):
        pairs.loc[3, "expected_revenue"] = value
        compact["expected_revenue"] = [[1.0, None, 2.0], [None, value, 1.0]]
        for form, frame, user in (("long", pairs, pairs.loc[3, "user_id"]), ("compact", compact, 2)):
            place = tmp_path / f"{form}{number}"
            place.mkdir()
            frame.to_parquet(place / "0.parquet", index=False)
            if not said:
                assert read_scores(tables, str(place), name, funds).read.users > 1
                continue
            with pytest.raises(TableError, match="or null for a pair that must not be allocated") as refused:
                read_scores(tables, str(place), name, funds)
            assert f"user {user}, fund " in str(refused.value)
            assert f"expected_revenue is {said};" in str(refused.value)


def test_demands_that_no_sum_can_hold_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    instance = feasible_instance(np.random.default_rng(23), 20, LEVELS[:3], k=1)
    campaign = Campaign(spark, tmp_path, instance).write()
    places = [str(tmp_path / table) for table in ("funds", "demands")]
    for demand in ([2**63 - 1] * 3, [2**63 - 1, 2**63 - 1, 8], [2**53, 1, 0]):
        campaign.demands["demand"] = demand
        campaign.write()
        with pytest.raises(TableError, match=f"demands: the demands add up to {sum(demand):,} exposures"):
            read_campaign_funds(PinnedTables(spark), *places, None)
    campaign.demands["demand"] = [2**53 - 1, 1, 0]
    campaign.write()
    assert read_campaign_funds(PinnedTables(spark), *places, None)[1].demand.sum() == 2**53
