"""What a user of each class may choose, and which of the class network's funds each choice stands for.

Sets of funds that are tight from the start (see `guard`) settle part of the allocation whatever the revenues: users
fill the first block as far as they can, then the next. So a class has funds that each of its users gets, and funds of
one block among which the user chooses. Prices only matter inside a block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptofa_spark.allocation.problem.balanced_network import (
    BalancedNetwork,
    Filler,
    Values,
    balanced_network,
    price_level,
    with_nobodies,
)
from ptofa_spark.allocation.problem.choice import Falling, top_k, widened
from ptofa_spark.allocation.problem.class_flow import ClassNetwork, NetworkState
from ptofa_spark.allocation.problem.guard import block_ranks, open_funds, residual
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class ChoiceRule:
    """The choices of one feasible problem.

    `funds` counts the funds of the balanced network. The campaign's come first; further ones bring no revenue.

    k: funds that a user takes. real_funds: the campaign's funds.
    columns: (columns,), the fund of each choice column. ranks: (columns,), its block.
    open: (classes, columns), what a user may choose at all.
    free: (classes, funds), how often a user may take each fund that prices decide; take: (classes,), how many of
    these the user takes. settled: (classes, funds), how often the user gets each fund whatever the prices.
    demand: (funds,). nobodies: exposures that no user needs to take.
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
        """How often a user may hold each fund, if they may hold it at all: (funds,)."""
        times: Ints = np.bincount(self.columns, minlength=self.funds)
        return times

    @property
    def filler(self) -> Filler:
        """What takes the exposures that no user needs to take."""
        return Filler(self.nobodies, self.funds)

    def of_campaign(self, by_fund: NDArray[Values]) -> NDArray[Values]:
        """The columns (..., funds) that are of the campaign's funds."""
        return by_fund[..., : self.real_funds]

    def anchored(self, prices: Floats) -> Floats:
        """The prices (funds,) at the level that they are stated at, money, see `price_level`."""
        return prices - price_level(prices, self.demand, self.real_funds, self.nobodies)

    def values(self, expected_revenue: Floats, prices: Floats) -> Floats:
        """What each fund is worth to each user at the prices, E - price: (users, funds), money; NaN stays NaN.

        Args:
            expected_revenue: (users, real funds), money.
            prices: (funds,), money.
        """
        return widened(expected_revenue, self.funds) - prices

    def choose(self, values: Floats, class_index: Ints) -> Ints:
        """The columns that each user takes at these values: (users, k), ties by fund.

        Args:
            values: (users, funds), from `values`.
            class_index: (users,), row of `Classes`.
        """
        falling = Falling.of(values[:, self.columns])
        return top_k(falling, falling.is_open(self.open, class_index), self.ranks, self.k)


def choice_rule(problem: AllocationProblem) -> ChoiceRule:
    """The rule of a problem.

    Raises:
        ValueError: the problem is not feasible.
    """
    balanced = balanced_network(problem)
    network, state = balanced.network, balanced.state
    graph = residual(network, state)
    if graph is None:
        raise ValueError("no allocation is feasible: check the class flow first")
    ranks = block_ranks(graph, len(state.demand))
    free, take, settled = _split(network, ranks)
    columns = balanced.columns
    return ChoiceRule(
        k=problem.k,
        real_funds=len(problem.funds),
        columns=columns,
        ranks=ranks[columns],
        open=balanced.of_users(open_funds(network, ranks))[:, columns],
        free=balanced.of_users(free),
        take=balanced.of_users(take),
        settled=balanced.of_users(settled),
        demand=state.demand,
        nobodies=balanced.nobodies(state),
    )


def free_network(rule: ChoiceRule, users: Ints, of_users: Ints) -> BalancedNetwork:
    """The choices that are left to some of the users, with their share of what is free of the demands, rounded down.

    Args:
        rule: the choices.
        users: (classes,), users to serve.
        of_users: (classes,), all users, whom the demands are for.
    """
    demand = rule.demand - of_users @ rule.settled
    share = users.sum() / max(int(of_users.sum()), 1)
    scaled = np.floor(demand * share).astype(np.int64)
    network = ClassNetwork(rule.free > 0, rule.take, rule.capacity)
    return with_nobodies(network, NetworkState(users.astype(np.int64), scaled), rule.nobodies, share)


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
