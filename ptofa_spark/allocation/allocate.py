"""`allocate`: reads, checks feasibility, solves, audits, and only then writes, one campaign in one transaction."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from pyspark.sql import SparkSession

from ptofa_spark.allocation.certificate.audit import Audit
from ptofa_spark.allocation.certificate.audited_rows import audited_rows
from ptofa_spark.allocation.certificate.bound import Certificate
from ptofa_spark.allocation.certificate.summary import AllocationSummary, FundSummary, MarkedSummary
from ptofa_spark.allocation.methods import account_of, all_files, method_of, solve
from ptofa_spark.allocation.plan.method import Asked, Solved
from ptofa_spark.allocation.plan.plan import plan_of
from ptofa_spark.allocation.problem.demand_modes import Campaign
from ptofa_spark.allocation.problem.feasibility import apply_demand_mode, require_feasible
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.allocation.scores.marked_pairs import MarkedScores, marked_scores
from ptofa_spark.allocation.scores.reading.account import inputs_used, require_scored
from ptofa_spark.allocation.scores.reading.campaign_funds import read_campaign_funds
from ptofa_spark.allocation.scores.reading.first_pass import Look
from ptofa_spark.allocation.scores.reading.scores import read_scores
from ptofa_spark.allocation.scores.score_table import score_table_of
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.running import progress
from ptofa_spark.running.whole_file import write_whole
from ptofa_spark.tables.contracts.schemas import ALLOCATION, EXPOSURES
from ptofa_spark.tables.delta.commits import claim
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.names import sql_string


def allocate(spark: SparkSession, settings: AllocateSettings) -> AllocationSummary:
    """Allocates one campaign and writes its table, its plan and its summary.

    Raises:
        UserError: an input breaks its contract, or no allocation is feasible; then nothing
            is written but `report/infeasible.json`.
    """
    seconds = _Seconds()
    named = progress.stage(f"allocate-{settings.method}", k=settings.k, mode=settings.demand_mode)
    with named as report, ExitStack() as kept:
        method = method_of(settings.method)
        log = method.log(settings)
        sources = [settings.scores, settings.funds, settings.demands, *([log] if log else [])]
        tables = PinnedTables(spark, csv=settings.csv_form()).pin(*sources)
        with seconds.of("read"):
            campaign, funds = read_campaign_funds(tables, settings.funds, settings.demands, settings.campaign_id)
            claimed = claim(spark, settings.output, f"campaign_id = {sql_string(campaign)}", ALLOCATION)
            look = Look(settings.driver_users, settings.max_classes, settings.seed)
            given = read_scores(tables, settings.scores, campaign, funds, look)
            kept.callback(given.release)
            exposures = tables.read(log, EXPOSURES) if log else None
            marked = marked_scores(given, funds, settings.marked_pairs, look)
            read, scores, profile = given.read, marked.scores, marked.profile
            if not settings.allow_unscored:
                require_scored(read, funds, profile.scored)
            as_asked = Campaign(campaign, settings.k, settings.demand_mode, funds, profile.classes)
            problem = apply_demand_mode(as_asked, settings.report)
            if method.keeps_every_demand(settings):
                require_feasible(problem, settings.report)
            score_table = score_table_of(scores, problem.funds.risk_levels, problem.classes, profile.drawn)
            asked = Asked(problem, score_table, profile.largest, settings, exposures, marked.marks)
        with seconds.of("solve"):
            solved = solve(asked)
        with seconds.of("certify"):
            account = account_of(asked, solved)
        plan = plan_of(problem, solved.steps, solved.clip)
        with seconds.of("audit"):
            ordinary = math.inf if marked.all_marks is None else marked.all_marks.ordinary_largest
            made = kept.enter_context(audited_rows(spark, plan, problem, scores, account, ordinary))
            audited, bound = made.audit, made.certificate
            _require_promises(audited, problem, settings)
        with seconds.of("write"):
            write_table(
                made.frame, settings.output, kind="allocation", replace_where=claimed, built_from=tables.versions
            )
        report.counts.update(users=audited.users, served=audited.users_served, objective=round(audited.objective, 2))
    summary = _summary(problem, settings, solved, bound, audited, marked, seconds.by_step)
    used = inputs_used(read, funds, profile.classes, profile.scored, marked.not_eligible)
    summary = replace(summary, inputs=used)
    plan.write(settings.report)
    for name in all_files():
        _leave(Path(settings.report) / name, solved.files.get(name))
    summary.write(settings.report)
    return summary


def _leave(path: Path, content: str | None) -> None:
    """Writes what the method leaves; what an earlier run left is not of the allocation that is reported now."""
    if content is None:
        path.unlink(missing_ok=True)
    else:
        write_whole(path, content)


def _require_promises(audited: Audit, problem: AllocationProblem, settings: AllocateSettings) -> None:
    """An allocation that breaks what its method promises is never written; every method promises true rows and C3."""
    demands_too = method_of(settings.method).keeps_every_demand(settings)
    broken = audited.broken(problem.bounds, problem.funds.ids, demands_too=demands_too)
    if broken:
        raise RuntimeError(
            f"the audit of {settings.output} failed: {', '.join(broken)}; nothing was written, please report this bug"
        )


def _summary(
    problem: AllocationProblem,
    settings: AllocateSettings,
    solved: Solved,
    bound: Certificate | None,
    audited: Audit,
    marked: MarkedScores,
    seconds: dict[str, float],
) -> AllocationSummary:
    funds = tuple(
        FundSummary(
            fund_id=fund,
            risk_level=int(problem.funds.risk_levels[index]),
            demand=int(problem.bounds.demand_high[index]),
            delivered=audited.funds[fund].delivered if fund in audited.funds else 0,
            expected_revenue=audited.funds[fund].expected_revenue if fund in audited.funds else 0.0,
            alpha=None if solved.alpha is None else float(solved.alpha[index]),
            price=None if bound is None else float(bound.prices[index]),
        )
        for index, fund in enumerate(problem.funds.ids)
    )
    upper_bound, certified_gap = _bound_and_gap(bound, audited, beside_marks=marked.marks is not None)
    return AllocationSummary(
        campaign_id=problem.campaign_id,
        method=settings.method,
        allocated_by=solved.allocated_by,
        k=problem.k,
        demand_mode=settings.demand_mode,
        users=audited.users,
        users_served=audited.users_served,
        exposures=audited.exposures,
        objective=audited.objective,
        upper_bound=upper_bound,
        certified_gap=certified_gap,
        worst_cycle=None if bound is None or not math.isfinite(bound.worst_cycle) else bound.worst_cycle,
        violations=audited.violations,
        phases=len(solved.steps),
        funds=funds,
        seconds=seconds,
        absolute_gap=None if bound is None else bound.absolute_gap,
        marked_pairs=_marked_summary(marked, audited),
    )


def _marked_summary(marked: MarkedScores, audited: Audit) -> MarkedSummary | None:
    marks = marked.all_marks
    if marks is None:
        return None
    return MarkedSummary(
        count=marks.pairs,
        negative=marks.negative,
        not_eligible=marked.not_eligible,
        allocated=audited.marked,
        lowest=marks.lowest,
        highest=marks.highest,
        ordinary_largest=marks.ordinary_largest,
        ordinary_objective=audited.ordinary_objective,
    )


def _bound_and_gap(
    bound: Certificate | None, audited: Audit, *, beside_marks: bool
) -> tuple[float | None, float | None]:
    """The upper bound and the relative gap; beside marks what is lacking is known better than the bound itself."""
    if bound is None:
        return None, None
    if beside_marks:
        return audited.objective + bound.absolute_gap, _gap(bound.absolute_gap, audited.ordinary_objective)
    return bound.upper_bound, _gap(bound.upper_bound - audited.objective, audited.objective)


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
