"""`allocate`: reads, checks feasibility, solves, audits, and only then writes, one campaign in one transaction."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pyspark import StorageLevel
from pyspark.sql import SparkSession

from ptofa_spark import progress
from ptofa_spark.allocation.audit import Audit, audit
from ptofa_spark.allocation.certificate import Certificate
from ptofa_spark.allocation.feasibility import as_its_mode_reads, require_feasible
from ptofa_spark.allocation.inputs import read_campaign_funds, read_scores
from ptofa_spark.allocation.methods import Solved, certificate, keeps_every_demand, solve
from ptofa_spark.allocation.passes import ScorePasses, fits_on_driver
from ptofa_spark.allocation.plan import allocation, plan_of
from ptofa_spark.allocation.prices_file import remove_prices, write_prices
from ptofa_spark.allocation.priority import log_for_priority
from ptofa_spark.allocation.problem import AllocationProblem
from ptofa_spark.allocation.profile import profile
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.allocation.summary import AllocationSummary, FundSummary
from ptofa_spark.tables.commits import claim
from ptofa_spark.tables.names import sql_string
from ptofa_spark.tables.pinned import PinnedTables
from ptofa_spark.tables.schemas import ALLOCATION, EXPOSURES
from ptofa_spark.tables.writing import write_table


def allocate(spark: SparkSession, settings: AllocateSettings) -> AllocationSummary:
    """Allocates one campaign and writes its table, its plan and its summary.

    Raises:
        UserError: an input breaks its contract, or no allocation is feasible; then nothing
            is written but `report/infeasible.json`.
    """
    seconds = _Seconds()
    with progress.stage(f"allocate-{settings.method}", k=settings.k, mode=settings.demand_mode) as report:
        log = log_for_priority(settings)
        sources = [settings.expected_revenue, settings.funds, settings.demands, *([log] if log else [])]
        tables = PinnedTables(spark).pin(*sources)
        with seconds.of("read"):
            campaign, funds = read_campaign_funds(tables, settings.funds, settings.demands, settings.campaign_id)
            claimed = claim(spark, settings.output, f"campaign_id = {sql_string(campaign)}", ALLOCATION)
            scores = read_scores(tables, settings.expected_revenue, campaign, funds)
            exposures = tables.read(log, EXPOSURES) if log else None
            found = profile(scores, funds, settings.max_classes)
            asked = AllocationProblem(campaign, settings.k, settings.demand_mode, funds, found.classes)
            problem = as_its_mode_reads(asked, settings.report)
            if keeps_every_demand(settings):
                require_feasible(problem, settings.report)
            passes = ScorePasses(scores, problem.funds.risk_levels, problem.classes)
            near = passes.on_driver() if fits_on_driver(problem, settings.driver_users) else passes
        with seconds.of("solve"):
            solved = solve(problem, near, found.largest, settings, exposures)
        with seconds.of("certify"):
            bound = certificate(problem, near, solved, found.largest, settings)
        rows = allocation(plan_of(problem, solved.steps), passes).persist(StorageLevel.DISK_ONLY)
        try:
            with seconds.of("audit"):
                truth = audit(rows, scores, problem.funds, problem.k, problem.users)
                _require_promises(truth, problem, settings)
            with seconds.of("write"):
                write_table(rows, settings.output, kind="allocation", replace_where=claimed, built_from=tables.versions)
        finally:
            rows.unpersist()
            scores.unpersist()
        report.counts.update(users=truth.users, served=truth.users_served, objective=round(truth.objective, 2))
    summary = _summary(problem, settings, solved, bound, truth, seconds.by_step)
    plan_of(problem, solved.steps).write(settings.report)
    if solved.start is None:
        remove_prices(settings.report)
    else:
        write_prices(settings.report, problem, solved.start)
    summary.write(settings.report)
    return summary


def _require_promises(found: Audit, problem: AllocationProblem, settings: AllocateSettings) -> None:
    """An allocation that breaks what its method promises is never written; every method promises true rows and C3."""
    demand = dict(zip(problem.funds.ids, (int(d) for d in problem.funds.demand), strict=True))
    if not keeps_every_demand(settings):
        found = replace(found, violations=replace(found.violations, c1=0, c2=0))
    broken = found.broken(demand, problem.mode)
    if broken:
        raise RuntimeError(
            f"the audit of {settings.output} failed: {', '.join(broken)}; nothing was written, please report this bug"
        )


def _summary(
    problem: AllocationProblem,
    settings: AllocateSettings,
    solved: Solved,
    bound: Certificate | None,
    found: Audit,
    seconds: dict[str, float],
) -> AllocationSummary:
    funds = tuple(
        FundSummary(
            fund_id=fund,
            risk_level=int(problem.funds.risk_levels[index]),
            demand=int(problem.funds.demand[index]),
            delivered=found.funds[fund].delivered if fund in found.funds else 0,
            expected_revenue=found.funds[fund].expected_revenue if fund in found.funds else 0.0,
            alpha=None if solved.alpha is None else float(solved.alpha[index]),
            price=None if bound is None else float(bound.prices[index]),
        )
        for index, fund in enumerate(problem.funds.ids)
    )
    return AllocationSummary(
        campaign_id=problem.campaign_id,
        method=settings.method,
        allocated_by=solved.allocated_by,
        k=problem.k,
        demand_mode=problem.mode,
        users=found.users,
        users_served=found.users_served,
        exposures=found.exposures,
        objective=found.objective,
        upper_bound=None if bound is None else bound.upper_bound,
        certified_gap=None if bound is None else _gap(bound.upper_bound, found.objective),
        worst_cycle=None if bound is None or not math.isfinite(bound.worst_cycle) else bound.worst_cycle,
        violations=found.violations,
        phases=len(solved.steps),
        funds=funds,
        seconds=seconds,
    )


def _gap(upper_bound: float, objective: float) -> float | None:
    """What is left above the objective, relative to it; None where the objective is 0 and the bound is not."""
    missing = upper_bound - objective
    if objective == 0.0:
        return 0.0 if missing <= 0.0 else None
    return missing / abs(objective)


class _Seconds:
    """Wall-clock seconds by step."""

    def __init__(self) -> None:
        self.by_step: dict[str, float] = {}

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.by_step[step] = round(time.perf_counter() - started, 3)
