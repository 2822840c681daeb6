"""HA as the paper prints it (algorithm 1): the same sweep without a guard, which may leave users without a fund.

It is here to reproduce the paper, and never chosen unless asked for: users whose eligible funds are all exhausted when
their turn comes get fewer than K, and the funds that nobody is left for miss their demand.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from ptofa_spark.allocation.heuristic.alphas import fund_alphas
from ptofa_spark.allocation.heuristic.event_search import Search, Tally
from ptofa_spark.allocation.heuristic.phase import Phase
from ptofa_spark.allocation.heuristic.waiting import Waiting
from ptofa_spark.allocation.plan.steps import Cut
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.arrays import Bools, Floats, Ints

logger = logging.getLogger(__name__)


def literal_allocation(
    problem: AllocationProblem, score_table: ScoreTable, grid: Ints, max_sweep_rows: int
) -> tuple[tuple[Phase, ...], Floats]:
    """Allocates by the unguarded sweep; arguments and results as in `heuristic_allocation`."""
    funds, demand = len(problem.funds), problem.bounds.demand_high.copy()
    with Waiting[Phase](score_table, problem.k) as waiting:
        event = None
        while event is not None or not waiting.steps:
            waiting.drop_served()
            open_pairs = problem.classes.eligible & (demand > 0)
            alpha = fund_alphas(waiting.score_table, waiting.done, problem.k, open_pairs, demand, grid)
            phase = Phase(problem.k, funds, alpha, np.zeros(funds, dtype=np.int64), open_pairs, reach=1)
            search = Search(waiting.score_table, waiting.done, phase, problem.k, funds, problem.users, max_sweep_rows)
            left, is_open = demand.copy(), demand > 0
            event = search.first(lambda running, left=left, is_open=is_open: _exhausted_at(running, left, is_open))  # type: ignore[misc]
            if event is not None:
                phase = replace(phase, cut=Cut(event.value, event.user_id))
                demand -= event.through.chosen[0]
            waiting.add(phase)
            logger.info("phase=%d open_funds=%d", len(waiting.steps), int((demand > 0).sum()))
        return tuple(waiting.steps), waiting.steps[0].alpha


def _exhausted_at(running: Tally, left: Ints, is_open: Bools) -> int:
    """The first row at which an open fund has given all that was left of its demand; the number of rows if none."""
    exhausted = ((running.chosen >= left) & is_open).any(axis=1)
    return int(exhausted.argmax()) if exhausted.any() else len(exhausted)
