"""The manual strategy (paper, section 4.1): funds in order of priority, each takes its demand of the best free users.

Nothing guards it: funds that come late may find too few users, and users may be left with free slots. Both are
reported.
"""

from __future__ import annotations

import logging

from ptofa_spark.allocation.baselines.priority import fund_priority, log_for_priority
from ptofa_spark.allocation.baselines.take import Take
from ptofa_spark.allocation.baselines.takes_ahead import TakesAhead
from ptofa_spark.allocation.heuristic.event_search import Search
from ptofa_spark.allocation.plan.method import Asked, Method, Solved
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.allocation.scores.score_rows import SAMPLE_USERS
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.arrays import Ints

logger = logging.getLogger(__name__)


def manual_allocation(
    problem: AllocationProblem,
    score_table: ScoreTable,
    priority: Ints,
    grid: Ints,
    max_sweep_rows: int,
    sample_users: int = SAMPLE_USERS,
    seed: int = 0,
) -> tuple[Take, ...]:
    """One step per fund, in order of priority.

    Args:
        problem: the problem; it need not be feasible.
        score_table: the score table.
        priority: (funds,), fund numbers, first served first.
        grid: (funds,), from `exact_sums.grid_exponents`.
        max_sweep_rows: users that come to the driver at once, at most.
        sample_users: users from whom cuts are foretold where there are more than that.
        seed: of that sample.
    """
    demand, users = problem.bounds.demand_high, problem.users
    left = [Take(int(fund)) for fund in priority if demand[fund] > 0]
    foresees = users > max_sweep_rows
    ahead = TakesAhead(problem, score_table, grid, max_sweep_rows, sample_users, seed) if foresees else None
    steps: list[Take] = []
    while left:
        found = [] if ahead is None else ahead.steps(steps, left)
        if not found:
            search = Search(score_table, steps, left[0], problem.k, len(demand), users, max_sweep_rows)
            found = [left[0].closed(search.first(left[0].filled(demand)))]
        for take in found:
            fund, filled = problem.funds.ids[take.fund], take.cut is not None
            logger.info("fund=%s demand=%d filled=%s", fund, demand[take.fund], filled)
        steps += found
        left = left[len(found) :]
    return tuple(steps)


def _allocate(asked: Asked) -> Solved:
    problem, table, settings = asked.problem, asked.score_table, asked.settings
    order = fund_priority(problem.funds, table, asked.grid, settings, asked.exposures)
    steps = manual_allocation(problem, table, order, asked.grid, settings.max_sweep_rows, seed=settings.seed)
    return Solved("manual", steps)


METHOD = Method(
    _allocate,
    steps=(Take,),
    keeps_every_demand=lambda _: False,
    adds_up_revenues=lambda settings: settings.priority is None and log_for_priority(settings) is None,
    log=log_for_priority,
)
