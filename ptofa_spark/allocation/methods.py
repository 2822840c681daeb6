"""The methods by name: each takes the problem and the score table and leaves an allocation plan behind."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pyspark.sql import DataFrame

from ptofa_spark.allocation.baselines.integer_program import Assigned, integer_program_allocation
from ptofa_spark.allocation.baselines.manual import Take, manual_allocation
from ptofa_spark.allocation.baselines.priority import fund_priority, log_for_priority
from ptofa_spark.allocation.certificate.bound import Certificate, certify
from ptofa_spark.allocation.exact.price_loop import PriceStart, exact_allocation, whole_allocation
from ptofa_spark.allocation.exact.priced import Priced
from ptofa_spark.allocation.exact.prices_file import read_prices
from ptofa_spark.allocation.exact.sample_prices import price_sample
from ptofa_spark.allocation.heuristic.literal import literal_allocation
from ptofa_spark.allocation.heuristic.phase import Phase
from ptofa_spark.allocation.heuristic.phase_loop import heuristic_allocation
from ptofa_spark.allocation.plan.steps import Step
from ptofa_spark.allocation.problem.choice_rule import ChoiceRule, choice_rule
from ptofa_spark.allocation.problem.feasibility import is_feasible
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.allocation.scores.marked_pairs import a_marked_pair
from ptofa_spark.allocation.scores.marks import Clip, Marks
from ptofa_spark.allocation.scores.sample import sampled_users
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.errors import TableError, UserError
from ptofa_spark.reproducible.exact_sums import grid_exponents

logger = logging.getLogger(__name__)

# What a plan may hold, to read one.
STEPS: tuple[type[Step], ...] = (Phase, Take, Priced, Assigned)

# OR-Tools' min-cost flow of 10 M users x 8 funds took 7.8 GB.
_BYTES_A_PAIR = 100
_WAYS_OUT = "use null for a pair that must not be, or --marked-pairs not-eligible"


@dataclass(frozen=True)
class Solved:
    """What a method found.

    allocated_by: the method that made the plan, HA where `exact` did not get there; steps: the plan; alpha: (funds,),
    HA's first; prices: (network funds,), money, where the method has some; start: for a later run of `exact`; clip:
    what the steps see of the scores, where there are marks.
    """

    allocated_by: str
    steps: tuple[Step, ...]
    alpha: Floats | None = None
    prices: Floats | None = None
    start: PriceStart | None = None
    clip: Clip | None = None


def keeps_every_demand(settings: AllocateSettings) -> bool:
    """Whether the method promises C1 and C2 on every feasible problem; the others report what they miss."""
    return settings.method != "manual" and (settings.method != "ha" or settings.ha_variant == "guarded")


def certificate(
    problem: AllocationProblem,
    score_table: ScoreTable,
    solved: Solved,
    largest: Floats,
    settings: AllocateSettings,
    marks: Marks | None = None,
) -> Certificate | None:
    """The bound, the gap and the prices of what a method found, by prices of its own or of a sample.

    None where no allocation is feasible, so that there is no optimum to compare with (`manual` runs all the same).

    Args:
        problem: the problem.
        score_table: the score table.
        solved: what the method found.
        largest: (funds,), largest |E| of an eligible pair, money.
        settings: what was asked for.
        marks: the marks among the scores, if any.
    """
    if not is_feasible(problem):
        return None
    rule = choice_rule(problem)
    prices = solved.prices
    if prices is None:
        seen = score_table if marks is None else score_table.clipped(marks.clip)
        prices = price_sample(rule, seen, settings.seed, settings.max_core_pairs).prices
    return certify(rule, score_table, solved.steps, prices, float(largest.max(initial=0.0)), marks, solved.clip)


def solve(
    problem: AllocationProblem,
    score_table: ScoreTable,
    largest: Floats,
    settings: AllocateSettings,
    exposures: DataFrame | None = None,
    marks: Marks | None = None,
) -> Solved:
    """Allocates by the method of the settings.

    Args:
        problem: a problem that is feasible if the method keeps every demand.
        score_table: the score table.
        largest: (funds,), largest |E| of an eligible pair, money.
        settings: what is asked for.
        exposures: the log that `log_for_priority` names.
        marks: the marks among the scores, if any.

    Raises:
        UserError: the instance is too large for the method, or the method cannot be right beside marks.
    """
    _require_size(problem, settings)
    if marks is not None and _adds_up_revenues(settings):
        raise TableError(
            f"table {settings.expected_revenue}: {a_marked_pair(score_table, marks, problem.funds.ids)}, and method "
            f"{settings.method} adds them up: {_WAYS_OUT}, or --method exact"
        )
    grid = grid_exponents(largest, problem.users)
    if settings.method == "manual":
        order = fund_priority(problem.funds, score_table, grid, settings, exposures)
        return Solved("manual", manual_allocation(problem, score_table, order, settings.max_sweep_rows))
    if settings.method == "ha":
        sweep = literal_allocation if settings.ha_variant == "literal" else heuristic_allocation
        phases, alpha = sweep(problem, score_table, grid, settings.max_sweep_rows)
        return Solved("ha", phases, alpha)
    if settings.method == "ip":
        users = sampled_users(score_table, 1.0, seed=0)
        return Solved("ip", (integer_program_allocation(problem, users, settings.ip_seconds),))
    return _optimum(choice_rule(problem), problem, score_table, grid, settings, marks)


def _optimum(
    rule: ChoiceRule,
    problem: AllocationProblem,
    score_table: ScoreTable,
    grid: Ints,
    settings: AllocateSettings,
    marks: Marks | None,
) -> Solved:
    clip = None if marks is None else marks.clip
    seen = score_table if clip is None else score_table.clipped(clip)
    if settings.method == "mincostflow":
        whole = whole_allocation(rule, seen)
        return Solved("mincostflow", (whole.step,) if whole.step else (), prices=whole.prices, clip=clip)
    warm = None if settings.prices is None else read_prices(settings.prices, problem, rule.funds)
    found = exact_allocation(rule, seen, settings.seed, settings.max_core_pairs, warm, settings.max_rounds)
    if found.step is not None:
        return Solved("exact", (found.step,), prices=found.prices, start=found.start, clip=clip)
    if marks is not None:
        raise TableError(
            f"the optimum was not reached in {found.rounds} rounds, and HA cannot allocate instead: table "
            f"{settings.expected_revenue}: {a_marked_pair(score_table, marks, problem.funds.ids)}: {_WAYS_OUT}, or "
            "raise --max-core-pairs or --max-rounds"
        )
    logger.warning("the optimum was not reached in %d rounds: HA allocates, with its gap certified", found.rounds)
    phases, alpha = heuristic_allocation(problem, score_table, grid, settings.max_sweep_rows)
    return Solved("ha", phases, alpha, found.prices)


def _adds_up_revenues(settings: AllocateSettings) -> bool:
    """Whether sums of all revenues decide what the method does, so that one mark would rule them."""
    if settings.method == "manual":
        return settings.priority is None and log_for_priority(settings) is None
    return settings.method in ("ha", "ip")


def _require_size(problem: AllocationProblem, settings: AllocateSettings) -> None:
    pairs = problem.users * len(problem.funds)
    if settings.method == "ip" and problem.users > settings.max_ip_users:
        raise UserError(
            f"method ip is for at most {settings.max_ip_users:,} users, the campaign has {problem.users:,}: "
            "use --method exact, or raise --max-ip-users"
        )
    needed = pairs * _BYTES_A_PAIR / 2**30
    if settings.method == "mincostflow" and needed > settings.max_solver_gb:
        raise UserError(
            f"method mincostflow would take about {needed:.1f} GiB on the driver for {pairs:,} pairs, "
            f"{settings.max_solver_gb:g} GiB are allowed: use --method exact, or raise --max-solver-gb"
        )
