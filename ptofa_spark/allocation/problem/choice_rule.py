"""What a user of each class may choose, and which of the class network's funds each choice stands for.

Sets of funds that are tight from the start (see `guard`) settle part of the allocation whatever the revenues: users
fill the first block as far as they can, then the next. So a class has funds that each of its users gets, and funds of
one block among which he chooses. Prices only matter inside a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ptofa_spark.allocation.problem.choice import preference, top_k
from ptofa_spark.allocation.problem.class_flow import ClassNetwork, NetworkState, class_network
from ptofa_spark.allocation.problem.guard import block_ranks, open_funds, residual
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class ChoiceRule:
    """The choices of one feasible problem.

    `funds` counts the network's funds: the campaign's, and in mode partial one more, "nothing", that brings no revenue
    and may be taken up to K times, so that it has K columns.

    k: funds that a user takes. real_funds: the campaign's funds.
    columns: (columns,), the fund of each choice column. ranks: (columns,), its block.
    open: (classes, columns), what a user may choose at all.
    free: (classes, funds), how often a user may take each fund that he chooses for himself; take: (classes,), how many
    of these he takes. settled: (classes, funds), how often he gets each fund whatever the prices.
    demand: (funds,). nobodies: exposures that nobody needs to take, in mode at-most.
    """

    k: int
    real_funds: int
    columns: Ints
    ranks: Ints
    open: Bools
    free: Ints
    take: Ints
    settled: Ints
    demand: Ints
    nobodies: int

    @property
    def funds(self) -> int:
        """The network's funds."""
        return len(self.demand)

    @property
    def capacity(self) -> Ints:
        """How often a user may hold each fund, if he may hold it at all: (funds,)."""
        times: Ints = np.bincount(self.columns, minlength=self.funds)
        return times

    def values(self, expected_revenue: Floats, prices: Floats) -> Floats:
        """What each fund is worth to each user at the prices, E - price: (users, funds), money; NaN stays NaN.

        Args:
            expected_revenue: (users, real funds), money.
            prices: (funds,), money.
        """
        if self.funds > self.real_funds:
            expected_revenue = np.hstack([expected_revenue, np.zeros((len(expected_revenue), 1))])
        return expected_revenue - prices

    def choose(self, values: Floats, class_index: Ints) -> Ints:
        """The columns that each user takes at these values: (users, k), ties by fund.

        Args:
            values: (users, funds), from `values`.
            class_index: (users,), row of `Classes`.
        """
        by_column = values[:, self.columns]
        open_pairs = self.open[class_index]
        return top_k(preference(by_column, open_pairs), open_pairs, self.ranks, self.k)


def choice_rule(problem: AllocationProblem) -> ChoiceRule:
    """The rule of a problem.

    Raises:
        ValueError: the problem is not feasible.
    """
    network, state = class_network(problem)
    graph = residual(network, state)
    if graph is None:
        raise ValueError("no allocation is feasible: check the class flow first")
    ranks = block_ranks(graph, len(state.demand))
    classes = len(problem.classes)
    free, take, settled = _split(network, ranks)
    columns = np.repeat(np.arange(len(network.multiplicity)), network.multiplicity)
    return ChoiceRule(
        k=problem.k,
        real_funds=len(problem.funds),
        columns=columns,
        ranks=ranks[columns],
        open=open_funds(network, ranks)[:classes][:, columns],
        free=free[:classes],
        take=take[:classes],
        settled=settled[:classes],
        demand=state.demand,
        nobodies=int(state.users[classes:].sum()),
    )


def free_network(rule: ChoiceRule) -> ClassNetwork:
    """The class network of the choices that are left to the users."""
    eligible, slots = rule.free > 0, rule.take
    if rule.nobodies:
        eligible = np.vstack([eligible, np.ones((1, rule.funds), dtype=bool)])
        slots = np.append(slots, 1)
    return ClassNetwork(eligible, slots, rule.capacity)


def free_state(rule: ChoiceRule, users: Ints, of_users: Ints) -> NetworkState:
    """The state of some of the users: what is free of the demand, in their share, rounded down.

    Args:
        rule: the choices.
        users: (classes,), users to serve.
        of_users: (classes,), all users, whom the demands are for.
    """
    demand = rule.demand - of_users @ rule.settled
    share = users.sum() / max(int(of_users.sum()), 1)
    scaled = np.floor(demand * share).astype(np.int64)
    nobodies = [] if rule.nobodies == 0 else [int(rule.nobodies * share)]
    return NetworkState(np.append(users, nobodies).astype(np.int64), scaled)


def _split(network: ClassNetwork, ranks: Ints) -> tuple[Ints, Ints, Ints]:
    """free, take and settled of `ChoiceRule`, for every class of the network."""
    capacity = network.eligible * network.multiplicity
    free, settled = np.zeros_like(capacity), np.zeros_like(capacity)
    take = np.zeros_like(network.slots)
    left = network.slots.copy()
    for rank in range(int(ranks.max()) + 1):
        block = np.where(ranks == rank, capacity, 0)
        offered = block.sum(axis=1)
        whole = (offered <= left)[:, None]
        settled += np.where(whole, block, 0)
        partly = (~whole[:, 0]) & (left > 0)
        free += np.where(partly[:, None], block, 0)
        take = np.where(partly, left, take)
        left = np.maximum(left - offered, 0)
    return free, take, settled
