"""The driver's side of HA's sweep: counts of served users in, phases and events out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ptofa_spark.allocation.heuristic.event_search import EventUser, Tally
from ptofa_spark.allocation.heuristic.phase import Phase
from ptofa_spark.allocation.plan.steps import Cut
from ptofa_spark.allocation.problem.balanced_network import BalancedNetwork
from ptofa_spark.allocation.problem.choice import widened
from ptofa_spark.allocation.problem.class_flow import NetworkState, saturating_flow
from ptofa_spark.allocation.problem.guard import Residual, block_count, block_ranks, open_funds, residual
from ptofa_spark.arrays import Bools, Floats, Ints


class Sweep:
    """The driver's side of the sweep.

    columns: (columns,), the fund that each choice column stands for.
    """

    def __init__(self, balanced: BalancedNetwork, k: int) -> None:
        self.balanced = balanced
        self.network = balanced.network
        self.columns = balanced.columns
        self.k = k

    def opened(self, state: NetworkState) -> tuple[Ints, Bools]:
        """The block of each fund of the network, and what users may still take: (classes, network funds)."""
        ranks = block_ranks(self.residual(state), len(state.demand))
        return ranks, self.balanced.of_users(open_funds(self.network, ranks))

    def phase(self, ranks: Ints, opened: Bools, alpha: Floats) -> Phase:
        """The phase that `opened` begins, with alpha of the campaign's funds: (funds,)."""
        return Phase(
            k=self.k,
            funds=self.balanced.funds,
            alpha=widened(alpha, len(self.columns)),
            ranks=ranks[self.columns],
            open=opened[:, self.columns],
            reach=self.k,
        )

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
