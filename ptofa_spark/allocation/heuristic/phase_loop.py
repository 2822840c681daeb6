"""HA, the paper's algorithm 1, guarded: the sweep in phases, each between two events."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from ptofa_spark.allocation.heuristic.alphas import fund_alphas
from ptofa_spark.allocation.heuristic.event_search import EventUser, Search, Tally
from ptofa_spark.allocation.heuristic.phase import Phase
from ptofa_spark.allocation.heuristic.waiting import Waiting
from ptofa_spark.allocation.plan.steps import Cut
from ptofa_spark.allocation.problem.balanced_network import BalancedNetwork, balanced_network, widened
from ptofa_spark.allocation.problem.class_flow import NetworkState, saturating_flow
from ptofa_spark.allocation.problem.guard import Residual, block_count, block_ranks, open_funds, residual
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.arrays import Floats, Ints

logger = logging.getLogger(__name__)


def heuristic_allocation(
    problem: AllocationProblem, score_table: ScoreTable, grid: Ints, max_sweep_rows: int
) -> tuple[tuple[Phase, ...], Floats]:
    """Allocates by HA; every user ends with K funds and every fund with its demand, on every feasible problem.

    A phase fixes alpha, the users' order and their choices. It ends where a fund is exhausted or a slack of the guard
    is gone (lines 9-10 of the algorithm), and the rest starts over with line 2.

    Args:
        problem: a feasible problem.
        score_table: the score table.
        grid: (funds,), from `exact_sums.grid_exponents`.
        max_sweep_rows: users that the driver sweeps at once, at most.

    Returns:
        The phases, and alpha of each fund in the first of them: (funds,).
    """
    balanced = balanced_network(problem)
    sweep, state = _Sweep(balanced, problem.k), balanced.state
    with Waiting[Phase](score_table, problem.k) as waiting:
        while balanced.users_left(state) > 0:
            waiting.drop_served()
            phase = _open_phase(sweep, waiting.score_table, waiting.done, state, grid)
            search = Search(
                waiting.score_table,
                waiting.done,
                phase,
                problem.k,
                len(sweep.columns),
                balanced.users_left(state),
                max_sweep_rows,
            )
            event = search.first(lambda running, now=state: sweep.first_event(running, now))  # type: ignore[misc]
            phase, state = sweep.closed(phase, state, event)
            waiting.add(phase)
            logger.info("phase=%d users_left=%d", len(waiting.steps), balanced.users_left(state))
        return tuple(waiting.steps), balanced.of_campaign(waiting.steps[0].alpha)


def _open_phase(sweep: _Sweep, score_table: ScoreTable, done: list[Phase], state: NetworkState, grid: Ints) -> Phase:
    """Lines 2-6 of the algorithm: alpha and the order for the users that are left."""
    balanced, k = sweep.balanced, sweep.k
    ranks = block_ranks(sweep.residual(state), len(state.demand))
    opened = balanced.of_users(open_funds(sweep.network, ranks))
    demand = balanced.of_campaign(state.demand)
    alpha = fund_alphas(score_table, done, k, balanced.of_campaign(opened), demand, grid)
    return Phase(
        k=k,
        funds=balanced.funds,
        alpha=widened(alpha, len(sweep.columns)),
        ranks=ranks[sweep.columns],
        open=opened[:, sweep.columns],
        reach=k,
    )


class _Sweep:
    """The driver's side of the sweep: counts of served users in, events out.

    columns: (columns,), the fund that each choice column stands for.
    """

    def __init__(self, balanced: BalancedNetwork, k: int) -> None:
        self.balanced = balanced
        self.network = balanced.network
        self.columns = balanced.columns
        self.k = k

    def residual(self, state: NetworkState) -> Residual:
        """The residual graph of a state that is known to be feasible."""
        graph = residual(self.network, state)
        if graph is None:
            raise RuntimeError("the sweep reached an infeasible state: the guard is broken")
        return graph

    def first_event(self, running: Tally, state: NetworkState) -> int:
        """The first row after which a new set is tight or what is left is infeasible; the number of rows if none.

        By bisection: a tight set stays tight and an infeasible rest stays infeasible.
        """
        blocks = block_count(self.residual(state), len(state.demand))
        low, high = 0, len(running.users)
        while low < high:
            middle = (low + high) // 2
            graph = residual(self.network, self.after(state, running.row(middle)))
            if graph is None or block_count(graph, len(state.demand)) > blocks:
                high = middle
            else:
                low = middle + 1
        return low

    def after(self, state: NetworkState, served: Tally) -> NetworkState:
        """The state once the tallied users are served."""
        users, demand = state.users.copy(), state.demand.copy()
        np.subtract(self.balanced.of_users(users), served.users[0], out=self.balanced.of_users(users))
        np.subtract.at(demand, self.columns, served.chosen[0])
        return NetworkState(users, demand)

    def closed(self, phase: Phase, state: NetworkState, event: EventUser | None) -> tuple[Phase, NetworkState]:
        """The phase with its cut, and the state that it leaves."""
        if event is None:
            return phase, NetworkState(np.zeros_like(state.users), np.zeros_like(state.demand))
        phase = replace(phase, cut=Cut(event.value, event.user_id))
        through = self.after(state, event.through)
        if residual(self.network, through) is not None:
            return phase, through
        before = self.after(state, event.before)
        columns = self.best_feasible(phase, before, event)
        before.users[event.class_index] -= 1
        np.subtract.at(before.demand, self.columns[list(columns)], 1)
        return replace(phase, exceptions=((event.user_id, columns),)), before

    def best_feasible(self, phase: Phase, state: NetworkState, user: EventUser) -> tuple[int, ...]:
        """The funds that one user takes where their own top K would strand others, best first, each checked by flow.

        Taking the best fund that leaves a feasible rest is optimal: what they may take are the bases of a matroid (a
        base polytope of the class flow, cut by a box). (k,) columns.
        """
        expected_revenue = widened(user.expected_revenue, len(self.columns))
        is_open = phase.open[user.class_index]
        candidates = [
            int(c) for c in np.argsort(np.where(is_open, -expected_revenue, np.inf), kind="stable") if is_open[c]
        ]
        users = state.users.copy()
        users[user.class_index] -= 1
        demand = state.demand.copy()
        taken: list[int] = []
        for position, column in enumerate(candidates):
            if len(taken) == self.k:
                break
            demand[self.columns[column]] -= 1
            if self._can_finish(candidates[position + 1 :], self.k - len(taken) - 1, users, demand):
                taken.append(column)
            else:
                demand[self.columns[column]] += 1
        if len(taken) < self.k:
            raise RuntimeError(f"no feasible choice for user {user.user_id}: the guard is broken")
        return tuple(taken)

    def _can_finish(self, candidates: list[int], slots: int, users: Ints, demand: Ints) -> bool:
        """Whether a flow serves everyone and, as one more class, this user's open slots from the candidates."""
        times = np.bincount(self.columns[candidates], minlength=len(demand)) if candidates else np.zeros_like(demand)
        network = self.network.with_class(times, slots)
        return saturating_flow(network, NetworkState(np.append(users, 1), demand)) is not None
