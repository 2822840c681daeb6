"""The manual strategy (paper, section 4.1): funds in order of priority, each takes its demand of the best free users.

Nothing guards it: funds that come late may find too few users, and users may be left with free slots. Both are
reported.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from ptofa_spark.allocation.ordered_search import Search, Tally
from ptofa_spark.allocation.passes import Passes
from ptofa_spark.allocation.problem import AllocationProblem, Ints
from ptofa_spark.allocation.steps import Cut, Take

logger = logging.getLogger(__name__)


def manual_allocation(
    problem: AllocationProblem, passes: Passes, priority: Ints, max_sweep_rows: int
) -> tuple[Take, ...]:
    """One step a fund, in order of priority.

    Args:
        problem: the problem; it need not be feasible.
        passes: the score table.
        priority: (funds,), fund numbers, first served first.
        max_sweep_rows: users that come to the driver at once, at most.
    """
    steps: list[Take] = []
    for fund in priority:
        demand = int(problem.funds.demand[fund])
        if demand == 0:
            continue
        take = Take(int(fund))
        found = Search(passes, steps, take, problem.k, len(problem.funds), problem.users, max_sweep_rows).first(
            lambda running, fund=fund, demand=demand: _filled_at(running, fund, demand)  # type: ignore[misc]
        )
        steps.append(take if found is None else replace(take, cut=Cut(found.value, found.user_id)))
        logger.info("fund=%s demand=%d filled=%s", problem.funds.ids[fund], demand, found is not None)
    return tuple(steps)


def _filled_at(running: Tally, fund: int, demand: int) -> int:
    return int(np.searchsorted(running.chosen[:, fund], demand, side="left"))
