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
from ptofa_spark.allocation.marked_pairs import MarkedScores, marked_scores
from ptofa_spark.allocation.methods import Solved, certificate, keeps_every_demand, solve
from ptofa_spark.allocation.passes import ScorePasses, fits_on_driver
from ptofa_spark.allocation.plan import allocation, plan_of
from ptofa_spark.allocation.prices_file import remove_prices, write_prices
from ptofa_spark.allocation.priority import log_for_priority
from ptofa_spark.allocation.problem import AllocationProblem
from ptofa_spark.allocation.scores_read import inputs_used, require_scored
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.allocation.summary import AllocationSummary, FundSummary, MarkedSummary
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
        tables = PinnedTables(spark, csv=settings.csv_form()).pin(*sources)
        with seconds.of("read"):
            campaign, funds = read_campaign_funds(tables, settings.funds, settings.demands, settings.campaign_id)
            claimed = claim(spark, settings.output, f"campaign_id = {sql_string(campaign)}", ALLOCATION)
            given, read = read_scores(tables, settings.expected_revenue, campaign, funds)
            exposures = tables.read(log, EXPOSURES) if log else None
            marked = marked_scores(given, funds, settings.max_classes, settings.marked_pairs)
            scores, found = marked.scores, marked.profile
            if not settings.allow_unscored:
                require_scored(read, funds, found.scored)
            asked = AllocationProblem(campaign, settings.k, settings.demand_mode, funds, found.classes)
            problem = as_its_mode_reads(asked, settings.report)
            if keeps_every_demand(settings):
                require_feasible(problem, settings.report)
            passes = ScorePasses(scores, problem.funds.risk_levels, problem.classes)
            near = passes.on_driver() if fits_on_driver(problem, settings.driver_users) else passes
        with seconds.of("solve"):
            solved = solve(problem, near, found.largest, settings, exposures, marked.marks)
        with seconds.of("certify"):
            bound = certificate(problem, near, solved, found.largest, settings, marked.marks)
        rows = allocation(plan_of(problem, solved.steps, solved.clip), passes).persist(StorageLevel.DISK_ONLY)
        try:
            with seconds.of("audit"):
                ordinary = math.inf if marked.found is None else marked.found.ordinary_largest
                truth = audit(rows, scores, problem.funds, problem.k, problem.users, ordinary)
                _require_promises(truth, problem, settings)
            with seconds.of("write"):
                write_table(rows, settings.output, kind="allocation", replace_where=claimed, built_from=tables.versions)
        finally:
            rows.unpersist()
            given.unpersist()
        report.counts.update(users=truth.users, served=truth.users_served, objective=round(truth.objective, 2))
    summary = _summary(problem, settings, solved, bound, truth, marked, seconds.by_step)
    used = inputs_used(read, funds, found.classes, found.scored, marked.not_eligible)
    summary = replace(summary, inputs=used)
    plan_of(problem, solved.steps, solved.clip).write(settings.report)
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
    marked: MarkedScores,
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
    upper_bound, certified_gap = _bound_and_gap(bound, found, beside_marks=marked.marks is not None)
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
        upper_bound=upper_bound,
        certified_gap=certified_gap,
        worst_cycle=None if bound is None or not math.isfinite(bound.worst_cycle) else bound.worst_cycle,
        violations=found.violations,
        phases=len(solved.steps),
        funds=funds,
        seconds=seconds,
        absolute_gap=None if bound is None else bound.absolute_gap,
        marked_pairs=_marked_summary(marked, found),
    )


def _marked_summary(marked: MarkedScores, found: Audit) -> MarkedSummary | None:
    marks = marked.found
    if marks is None:
        return None
    return MarkedSummary(
        count=marks.pairs,
        negative=marks.negative,
        not_eligible=marked.not_eligible,
        allocated=found.marked,
        lowest=marks.lowest,
        highest=marks.highest,
        ordinary_largest=marks.ordinary_largest,
        ordinary_objective=found.ordinary_objective,
    )


def _bound_and_gap(bound: Certificate | None, found: Audit, *, beside_marks: bool) -> tuple[float | None, float | None]:
    """The upper bound and the relative gap; beside marks what is lacking is known better than the bound itself."""
    if bound is None:
        return None, None
    if beside_marks:
        return found.objective + bound.absolute_gap, _gap(bound.absolute_gap, found.ordinary_objective)
    return bound.upper_bound, _gap(bound.upper_bound - found.objective, found.objective)


def _gap(missing: float, objective: float) -> float | None:
    """What is left above the objective, relative to it; None where the objective is 0 and the rest is not."""
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
