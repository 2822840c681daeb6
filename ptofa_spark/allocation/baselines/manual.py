"""The manual strategy (paper, section 4.1): funds in order of priority, each takes its demand of the best free users.

Nothing guards it: funds that come late may find too few users, and users may be left with free slots. Both are
reported.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ptofa_spark.allocation.baselines.priority import fund_priority, log_for_priority
from ptofa_spark.allocation.heuristic.event_search import Search, Tally
from ptofa_spark.allocation.plan.method import Asked, Method, Solved
from ptofa_spark.allocation.plan.steps import FREE, Cut, Ranked
from ptofa_spark.allocation.problem.problem import AllocationProblem, UserBatch
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.arrays import Ints

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Take:
    """A step of the manual strategy: one fund, users by expected revenue, each with a free slot takes it."""

    name: ClassVar[str] = "take"
    fund: int
    cut: Cut | None = None

    def rank(self, batch: UserBatch, taken: Ints) -> Ranked:
        """See `Step`."""
        expected_revenue = batch.expected_revenue[:, self.fund]
        rows = np.flatnonzero((taken == FREE).any(axis=1) & ~np.isnan(expected_revenue))
        return Ranked(rows, expected_revenue[rows], np.full((len(rows), 1), self.fund, dtype=np.int64))


def manual_allocation(
    problem: AllocationProblem, score_table: ScoreTable, priority: Ints, max_sweep_rows: int
) -> tuple[Take, ...]:
    """One step per fund, in order of priority.

    Args:
        problem: the problem; it need not be feasible.
        score_table: the score table.
        priority: (funds,), fund numbers, first served first.
        max_sweep_rows: users that come to the driver at once, at most.
    """
    steps: list[Take] = []
    for fund in priority:
        demand = int(problem.bounds.demand_high[fund])
        if demand == 0:
            continue
        take = Take(int(fund))
        event = Search(score_table, steps, take, problem.k, len(problem.funds), problem.users, max_sweep_rows).first(
            lambda running, fund=fund, demand=demand: _filled_at(running, fund, demand)  # type: ignore[misc]
        )
        steps.append(take if event is None else replace(take, cut=Cut(event.value, event.user_id)))
        logger.info("fund=%s demand=%d filled=%s", problem.funds.ids[fund], demand, event is not None)
    return tuple(steps)


def _filled_at(running: Tally, fund: int, demand: int) -> int:
    return int(np.searchsorted(running.chosen[:, fund], demand, side="left"))


def _allocate(asked: Asked) -> Solved:
    problem, table, settings = asked.problem, asked.score_table, asked.settings
    order = fund_priority(problem.funds, table, asked.grid, settings, asked.exposures)
    return Solved("manual", manual_allocation(problem, table, order, settings.max_sweep_rows))


METHOD = Method(
    _allocate,
    steps=(Take,),
    keeps_every_demand=lambda _: False,
    adds_up_revenues=lambda settings: settings.priority is None and log_for_priority(settings) is None,
    log=log_for_priority,
)
