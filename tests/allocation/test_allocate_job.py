"""jobs/allocate.py on real tables: the formats of its input, its methods, its plan and its summary."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.certificate.summary import Violations
from ptofa_spark.allocation.methods import all_steps
from ptofa_spark.allocation.plan.plan import AllocationPlan, allocation
from ptofa_spark.allocation.scores.reading.campaign_funds import read_campaign_funds
from ptofa_spark.allocation.scores.reading.first_pass import Look
from ptofa_spark.allocation.scores.reading.scores import read_scores
from ptofa_spark.allocation.scores.score_table import SparkScoreTable
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.tables.contracts.schemas import ALLOCATION, EXPOSURES
from ptofa_spark.tables.delta.commits import delta_version, sources_of
from ptofa_spark.tables.delta.pinned import PinnedTables
from tests.allocation.campaign import LEVELS, Campaign
from tests.allocation.instances import feasible_instance
from tests.run_job import run_job
from tests.same_table import assert_same_table


def assert_meets_constraints(campaign: Campaign, rows: pd.DataFrame) -> None:
    """C1, C2, C3 recomputed by pandas from the tables."""
    k = campaign.instance.k
    assert (rows.groupby("user_id")["fund_id"].nunique() == k).all()
    assert rows["user_id"].nunique() == len(campaign.instance.expected_revenue)
    assert sorted(rows["slot"].unique()) == list(range(1, k + 1))
    assert not rows.duplicated(["user_id", "slot"]).any()
    delivered = rows.groupby("fund_id").size().reindex(campaign.ids, fill_value=0)
    assert delivered.tolist() == campaign.demands["demand"].tolist()
    joined = rows.merge(campaign.pairs, on=["user_id", "fund_id"]).merge(campaign.funds, on="fund_id")
    assert len(joined) == len(rows)
    assert (joined["risk_level"] <= joined["risk_tolerance"]).all()
    assert (joined["expected_revenue_x"] == joined["expected_revenue_y"]).all()


@pytest.mark.parametrize("form", ["delta", "parquet", "csv"])
def test_ha_meets_every_constraint_from_any_format(
    spark: SparkSession, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign = Campaign(spark, tmp_path, feasible_instance(np.random.default_rng(4), 250, LEVELS, k=2)).write(form)
    code, line = run_job("allocate", *campaign.words(), capsys=capsys)
    assert (code, line.split(":")[0]) == (0, "ha")
    assert_meets_constraints(campaign, campaign.allocation().toPandas())
    summary = json.loads((tmp_path / "report" / "allocation.json").read_text())
    assert summary["violations"] == {"c1": 0, "c2": 0, "c3": 0}
    assert summary["objective"] == pytest.approx(campaign.allocation().toPandas()["expected_revenue"].sum(), rel=1e-9)
    assert (summary["users"], summary["exposures"], summary["k"]) == (250, 500, 2)
    assert [fund["delivered"] for fund in summary["funds"]] == campaign.demands["demand"].tolist()
    assert summary["upper_bound"] >= summary["objective"]
    assert 0 < summary["certified_gap"] < 0.05
    assert all(fund["price"] is not None for fund in summary["funds"])
    assert {field.name for field in ALLOCATION} == set(campaign.allocation().columns)


def test_spark_and_driver_give_the_same_bits(campaign: Campaign) -> None:
    tables, plans = [], []
    for partitions, driver_users in ((3, 0), (7, 0), (1, 1_000)):
        campaign.write(partitions=partitions)
        output = f"by_{partitions}"
        wanted = campaign.arguments(output, driver_users=driver_users, max_sweep_rows=150)
        allocate(campaign.spark, AllocateSettings(**wanted))
        tables.append(campaign.allocation(output).toPandas().sort_values(["user_id", "slot"]).reset_index(drop=True))
        plans.append((campaign.root / "report" / "plan.json").read_text())
    assert plans[0] == plans[1] == plans[2]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    pd.testing.assert_frame_equal(tables[0], tables[2])


def test_the_saved_plan_replays_to_the_same_table(campaign: Campaign) -> None:
    allocate(campaign.spark, AllocateSettings(**campaign.arguments(driver_users=0, max_sweep_rows=200)))
    plan = AllocationPlan.read(str(campaign.root / "report"), all_steps())
    tables = PinnedTables(campaign.spark)
    name, funds = read_campaign_funds(tables, *(str(campaign.root / t) for t in ("funds", "demands")), None)
    scores = read_scores(tables, str(campaign.root / "pairs"), name, funds, Look(max_classes=100))
    score_table = SparkScoreTable(scores.rows.frame, funds.risk_levels, scores.profile.classes)
    assert_same_table(allocation(plan, score_table), campaign.allocation())


def test_ha_is_near_the_optimum_of_or_tools_on_5000_users(spark: SparkSession, tmp_path: Path) -> None:
    instance = feasible_instance(np.random.default_rng(11), 5_000, LEVELS, k=1)
    campaign = Campaign(spark, tmp_path, instance).write()
    summary = allocate(spark, AllocateSettings(**campaign.arguments(driver_users=0, max_sweep_rows=1_000)))
    assert_meets_constraints(campaign, campaign.allocation().toPandas())
    optimum = instance.optimum()
    assert 0.985 * optimum <= summary.objective <= optimum * (1 + 1e-9)


def test_exact_is_certified_optimal_for_any_partitions(spark: SparkSession, tmp_path: Path) -> None:
    """5,000 users through sample, core and certificate in Spark. The driver may hold a third of them."""
    instance = feasible_instance(np.random.default_rng(12), 5_000, LEVELS, k=1)
    campaign = Campaign(spark, tmp_path, instance)
    tables, plans = [], []
    for partitions, driver_users in ((3, 0), (5, 10_000)):
        campaign.write(partitions=partitions)
        output = f"by_{partitions}"
        wanted = campaign.arguments(output, method="exact", driver_users=driver_users, max_core_pairs=15_000)
        summary = allocate(spark, AllocateSettings(**wanted))
        rows = campaign.allocation(output).toPandas()
        assert_meets_constraints(campaign, rows)
        assert summary.objective == pytest.approx(instance.optimum(1e8), rel=1e-9)
        assert summary.certified_gap is not None
        assert -1e-12 <= summary.certified_gap <= 1e-8
        tables.append(rows.sort_values(["user_id", "slot"]).reset_index(drop=True))
        plans.append((campaign.root / "report" / "plan.json").read_text())
    assert plans[0] == plans[1]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    wanted = campaign.arguments("more", method="exact", driver_users=10_000, max_core_pairs=15_000)
    unproved = allocate(spark, AllocateSettings(**wanted | {"max_rounds": 0}))  # HA allocates, and its gap is reported
    assert (unproved.method, unproved.allocated_by) == ("exact", "ha")
    assert "exact, allocated by ha: objective" in unproved.line()
    assert not (tmp_path / "report" / "prices.json").exists()  # those of the earlier run are of another allocation
    assert (unproved.violations.c1, unproved.violations.c2, unproved.violations.c3) == (0, 0, 0)
    assert unproved.certified_gap is not None
    assert 1e-5 < unproved.certified_gap < 0.02
    allocate(spark, AllocateSettings(**wanted))
    again = AllocateSettings(**wanted | {"prices": str(tmp_path / "report"), "seed": 8})
    assert allocate(spark, again).objective == pytest.approx(summary.objective, rel=1e-9)


def test_every_method_reports_its_true_gap(spark: SparkSession, tmp_path: Path) -> None:
    instance = feasible_instance(np.random.default_rng(13), 300, LEVELS, k=2)
    campaign = Campaign(spark, tmp_path, instance).write()
    optimum = instance.optimum(1e8)
    for method in ("exact", "mincostflow", "ip", "ha", "manual"):
        summary = allocate(spark, AllocateSettings(**campaign.arguments(method, method=method)))
        assert summary.upper_bound == pytest.approx(optimum, rel=1e-8)
        assert summary.certified_gap == pytest.approx((optimum - summary.objective) / summary.objective, abs=1e-8)
        if method in ("exact", "mincostflow", "ip"):
            assert_meets_constraints(campaign, campaign.allocation(method).toPandas())
            assert summary.objective == pytest.approx(optimum, rel=1e-9)
    literal = allocate(spark, AllocateSettings(**campaign.arguments("literal", ha_variant="literal")))
    assert literal.violations.c1 == 300 - literal.users_served > 0
    assert literal.violations.c3 == 0
    assert literal.violations.c2 == 600 - literal.exposures


def test_manual_serves_the_funds_in_the_given_order(campaign: Campaign) -> None:
    order = [campaign.ids[f] for f in (4, 0, 7, 1, 2, 3, 5, 6)]
    wanted = campaign.arguments(method="manual", priority=",".join(order), driver_users=0, max_sweep_rows=200)
    settings = AllocateSettings(**wanted)
    summary = allocate(campaign.spark, settings)
    rows = campaign.allocation().toPandas()
    assert set(zip(rows["user_id"], rows["fund_id"], strict=True)) == manual_by_loop(campaign, order)
    full = rows.groupby("user_id").size().reindex(campaign.pairs["user_id"].unique(), fill_value=0) == 2
    assert summary.users_served == full.sum()
    assert summary.violations.c1 == 400 - full.sum()
    assert summary.violations.c3 == 0


@pytest.mark.parametrize("driver_users", [0, 1_000])
def test_manual_serves_the_funds_by_their_rates_in_the_log(campaign: Campaign, driver_users: int) -> None:
    """Each fund has 20 exposures. More conversions mean an earlier turn. A fund that is not in the log is last."""
    order = [campaign.ids[f] for f in (4, 0, 7, 1, 2, 3, 5, 6)]
    log = [
        ("winter", number, fund, 1.0, False, number < 10 - place, 1.0)
        for place, fund in enumerate(order[:-1])
        for number in range(20)
    ]
    place, spark = str(campaign.root / "log"), campaign.spark
    spark.createDataFrame(log, EXPOSURES).write.format("delta").mode("overwrite").save(place)
    settings = AllocateSettings(**campaign.arguments(method="manual", exposures=place, driver_users=driver_users))
    allocate(spark, settings)
    rows = campaign.allocation().toPandas()
    assert set(zip(rows["user_id"], rows["fund_id"], strict=True)) == manual_by_loop(campaign, order)
    version = delta_version(spark, settings.output).version
    assert version is not None
    assert sources_of(spark, settings.output, version)[place] == delta_version(spark, place).version


def manual_by_loop(campaign: Campaign, order: list[str]) -> set[tuple[int, str]]:
    """The paper's manual strategy, user by user."""
    free = dict.fromkeys(campaign.pairs["user_id"], campaign.instance.k)
    level = dict(zip(campaign.ids, campaign.levels, strict=True))
    wanted = dict(zip(campaign.demands["fund_id"], campaign.demands["demand"], strict=True))
    taken = set()
    for fund in order:
        pairs = campaign.pairs[campaign.pairs["fund_id"] == fund]
        pairs = pairs[pairs["risk_tolerance"] >= level[fund]].sort_values(
            ["expected_revenue", "user_id"], ascending=[False, True]
        )
        left = wanted[fund]
        for user in pairs["user_id"]:
            if left and free[user]:
                taken.add((user, fund))
                free[user] -= 1
                left -= 1
    return taken


def test_a_run_replaces_only_its_own_campaign(campaign: Campaign) -> None:
    allocate(campaign.spark, AllocateSettings(**campaign.arguments()))
    campaign.demands["campaign_id"] = "it's autumn"
    campaign.write()
    for _ in range(2):
        allocate(campaign.spark, AllocateSettings(**campaign.arguments()))
    counts = {
        row["campaign_id"]: row["count"] for row in campaign.allocation().groupBy("campaign_id").count().collect()
    }
    assert counts == {"spring": 800, "it's autumn": 800}


def test_scale_fits_the_demands_to_the_slots(campaign: Campaign) -> None:
    campaign.demands["demand"] = campaign.demands["demand"] * 10 + 1
    campaign.write()
    summary = allocate(campaign.spark, AllocateSettings(**campaign.arguments(demand_mode="scale")))
    assert sum(fund.demand for fund in summary.funds) == 800
    assert (summary.violations.c1, summary.violations.c2, summary.violations.c3) == (0, 0, 0)


def test_an_absent_or_null_pair_is_never_allocated(campaign: Campaign) -> None:
    instance = campaign.instance
    held = {(int(u), int(f)) for u, f in zip(*np.nonzero(instance.eligible), strict=True)}
    campaign.pairs = campaign.pairs.astype({"expected_revenue": object})
    dropped = campaign.pairs[
        (campaign.pairs["fund_id"] == campaign.ids[1]) & (campaign.pairs["user_id"] % 2 == 0)
    ].index
    campaign.pairs.loc[dropped[::2], "expected_revenue"] = None
    campaign.pairs = campaign.pairs.drop(dropped[1::2])
    campaign.pairs["expected_revenue"] = campaign.pairs["expected_revenue"].astype("Float64")  # its None is a null
    campaign.demands["demand"] = [10] * len(campaign.ids)
    campaign.write()
    summary = allocate(campaign.spark, AllocateSettings(**campaign.arguments(demand_mode="partial")))
    rows = campaign.allocation().toPandas()
    assert len(held) > len(rows) == 80
    assert summary.violations.c2 == 0
    # A user short of a fund breaks nothing here, and the line says so.
    assert f"off C1 {summary.violations.c1:,} (demand mode partial allows it), off C2 0, off C3 0" in summary.line()
    assert "allows" not in replace(summary, demand_mode="exact").line()
    unused = replace(summary, demand_mode="at-most", violations=Violations(0, 3, 0))
    assert "off C1 0, off C2 3 (demand mode at-most allows it), off C3 0" in unused.line()
    barred = rows[(rows["fund_id"] == campaign.ids[1]) & (rows["user_id"] % 2 == 0)]
    assert barred.empty
