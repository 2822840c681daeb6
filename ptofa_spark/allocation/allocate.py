"""`allocate`: reads, checks feasibility, solves, audits, and only then writes, one campaign in one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import SparkSession

from ptofa_spark import progress
from ptofa_spark.allocation.audit import Audit, audit, require_true
from ptofa_spark.allocation.demand_modes import with_demand_mode
from ptofa_spark.allocation.feasibility import require_feasible
from ptofa_spark.allocation.heuristic import heuristic_allocation
from ptofa_spark.allocation.inputs import read_campaign_funds, read_scores
from ptofa_spark.allocation.manual import manual_allocation
from ptofa_spark.allocation.passes import Passes, ScorePasses
from ptofa_spark.allocation.plan import allocation, plan_of
from ptofa_spark.allocation.priority import fund_priority
from ptofa_spark.allocation.problem import AllocationProblem, Floats
from ptofa_spark.allocation.profile import profile
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.allocation.steps import Step
from ptofa_spark.allocation.summary import AllocationSummary, FundSummary
from ptofa_spark.errors import UserError
from ptofa_spark.exact_sums import grid_exponents
from ptofa_spark.tables.names import sql_string
from ptofa_spark.tables.reading import delta_version
from ptofa_spark.tables.writing import write_table


def allocate(spark: SparkSession, settings: AllocateSettings) -> AllocationSummary:
    """Allocates one campaign and writes its table, its plan and its summary.

    Raises:
        UserError: the method is not there yet, an input breaks its contract, or no allocation is feasible; then nothing
            is written but `report/infeasible.json`.
    """
    if settings.method not in ("ha", "manual"):
        raise UserError(f"method {settings.method} is not there yet: choose --method ha or manual")
    seconds = _Seconds()
    with progress.stage(f"allocate-{settings.method}", k=settings.k, mode=settings.demand_mode) as report:
        sources = [
            delta_version(spark, table) for table in (settings.expected_revenue, settings.funds, settings.demands)
        ]
        with seconds.of("read"):
            campaign, funds = read_campaign_funds(spark, settings.funds, settings.demands, settings.campaign_id)
            scores = read_scores(spark, settings.expected_revenue, campaign, funds)
            found = profile(scores, funds, settings.max_classes)
        problem = with_demand_mode(AllocationProblem(campaign, settings.k, settings.demand_mode, funds, found.classes))
        if settings.method == "ha":
            require_feasible(problem, settings.report)
        passes = ScorePasses(scores, problem.funds.risk_levels, problem.classes)
        with seconds.of("solve"):
            near = passes.on_driver() if problem.users <= settings.driver_users else passes
            solved = _solve(spark, problem, near, found.largest, settings)
        rows = allocation(plan_of(problem, solved.steps), passes).persist(StorageLevel.DISK_ONLY)
        try:
            with seconds.of("audit"):
                truth = audit(rows, scores, problem.funds, problem.k)
                require_true(truth, settings.output)
                _require_promises(truth, problem, settings)
            with seconds.of("write"):
                where = f"campaign_id = {sql_string(campaign)}"
                write_table(rows, settings.output, replace_where=where, built_from=sources)
        finally:
            rows.unpersist()
            scores.unpersist()
        report.counts.update(users=truth.users, served=truth.users_served, objective=round(truth.objective, 2))
    summary = _summary(problem, settings, solved, truth, seconds.by_step)
    plan_of(problem, solved.steps).write(settings.report)
    summary.write(settings.report)
    return summary


@dataclass(frozen=True)
class _Solved:
    steps: tuple[Step, ...]
    alpha: Floats | None


def _solve(
    spark: SparkSession, problem: AllocationProblem, passes: Passes, largest: Floats, settings: AllocateSettings
) -> _Solved:
    if settings.method == "manual":
        order = fund_priority(spark, problem.funds, passes, grid_exponents(largest, problem.users), settings)
        return _Solved(manual_allocation(problem, passes, order, settings.max_sweep_rows), None)
    grid = grid_exponents(largest, problem.users)
    phases, alpha = heuristic_allocation(problem, passes, grid, settings.max_sweep_rows)
    return _Solved(phases, alpha)


def _require_promises(found: Audit, problem: AllocationProblem, settings: AllocateSettings) -> None:
    """HA promises C1 and C2 as the mode reads them; an allocation that breaks its promise is never written."""
    if settings.method != "ha":
        return
    c1, c2 = found.violations.c1, found.violations.c2
    over = any(
        found.funds[fund].delivered > demand
        for fund, demand in zip(problem.funds.ids, problem.funds.demand, strict=True)
        if fund in found.funds
    )
    broken = over or (c1 > 0 and problem.mode != "partial") or (c2 > 0 and problem.mode != "at-most")
    if broken:
        raise RuntimeError(f"HA broke its promise: {c1} users without exactly K funds, {c2} exposures off the demands")


def _summary(
    problem: AllocationProblem, settings: AllocateSettings, solved: _Solved, found: Audit, seconds: dict[str, float]
) -> AllocationSummary:
    funds = tuple(
        FundSummary(
            fund_id=fund,
            risk_level=int(problem.funds.risk_levels[index]),
            demand=int(problem.funds.demand[index]),
            delivered=found.funds[fund].delivered if fund in found.funds else 0,
            expected_revenue=found.funds[fund].expected_revenue if fund in found.funds else 0.0,
            alpha=None if solved.alpha is None else float(solved.alpha[index]),
            price=None,
        )
        for index, fund in enumerate(problem.funds.ids)
    )
    return AllocationSummary(
        campaign_id=problem.campaign_id,
        method=settings.method,
        k=problem.k,
        demand_mode=problem.mode,
        users=found.users,
        users_served=found.users_served,
        exposures=found.exposures,
        objective=found.objective,
        upper_bound=None,
        certified_gap=None,
        violations=found.violations,
        phases=len(solved.steps),
        funds=funds,
        seconds=seconds,
    )


class _Seconds:
    """Wall-clock seconds by step."""

    def __init__(self) -> None:
        self.by_step: dict[str, float] = {}

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.by_step[step] = round(time.perf_counter() - started, 3)
