"""HA, the paper's algorithm 1, guarded: the sweep in phases, each between two events."""

from __future__ import annotations

import logging

from ptofa_spark.allocation.heuristic.alphas import fund_alphas
from ptofa_spark.allocation.heuristic.event_search import Search
from ptofa_spark.allocation.heuristic.foresight import Foresight
from ptofa_spark.allocation.heuristic.phase import Phase
from ptofa_spark.allocation.heuristic.sweep import Sweep
from ptofa_spark.allocation.heuristic.waiting import Waiting
from ptofa_spark.allocation.problem.balanced_network import balanced_network
from ptofa_spark.allocation.problem.class_flow import NetworkState
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.allocation.scores.score_rows import SAMPLE_USERS
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.arrays import Floats, Ints

logger = logging.getLogger(__name__)


def heuristic_allocation(
    problem: AllocationProblem,
    score_table: ScoreTable,
    grid: Ints,
    max_sweep_rows: int,
    sample_users: int = SAMPLE_USERS,
) -> tuple[tuple[Phase, ...], Floats]:
    """Allocates by HA; every user ends with K funds and every fund with its demand, on every feasible problem.

    A phase fixes alpha, the users' order and their choices. It ends where a fund is exhausted or a slack of the guard
    is gone (lines 9-10 of the algorithm), and the rest starts over with line 2.

    Args:
        problem: a feasible problem.
        score_table: the score table.
        grid: (funds,), from `exact_sums.grid_exponents`.
        max_sweep_rows: users that the driver sweeps at once, at most.
        sample_users: users from whom phases are foretold where more are left than that.

    Returns:
        The phases, and alpha of each fund in the first of them: (funds,).
    """
    balanced = balanced_network(problem)
    sweep, state = Sweep(balanced, problem.k), balanced.state
    foresight = Foresight(sweep, grid, max_sweep_rows, sample_users)
    with Waiting[Phase](score_table, problem.k) as waiting:
        while balanced.users_left(state) > 0:
            waiting.drop_served()
            left = balanced.users_left(state)
            if left > max_sweep_rows:
                state = foresight.phases(waiting, state)
                if balanced.users_left(state) < left:
                    continue
            phase = _open_phase(sweep, waiting, foresight, state, grid)
            columns = len(sweep.columns)
            search = Search(waiting.score_table, waiting.done, phase, problem.k, columns, left, max_sweep_rows)
            event = search.first(lambda running, now=state: sweep.first_event(running, now))  # type: ignore[misc]
            phase, state = sweep.closed(phase, state, event)
            waiting.add(phase)
            logger.info("phase=%d users_left=%d", len(waiting.steps), balanced.users_left(state))
        return tuple(waiting.steps), balanced.of_campaign(waiting.steps[0].alpha)


def _open_phase(sweep: Sweep, waiting: Waiting[Phase], foresight: Foresight, state: NetworkState, grid: Ints) -> Phase:
    """Lines 2-6 of the algorithm: alpha and the order for the users that are left."""
    ranks, opened = sweep.opened(state)
    demand, open_pairs = sweep.balanced.of_campaign(state.demand), sweep.balanced.of_campaign(opened)
    alpha = foresight.alpha(open_pairs, demand)
    if alpha is None:
        alpha = fund_alphas(waiting.score_table, waiting.done, sweep.k, open_pairs, demand, grid)
    return sweep.phase(ranks, opened, alpha)
