"""The balanced network: bounds that are no equalities become equalities by one more class and one more fund.

- The class of nobodies takes the exposures that the users leave, `demand_high - demand_low` of a fund at most. It is
  there where some demand has room.
- The fund "nothing" takes the slots that the users leave, `slots_high - slots_low` per user at most. It is there where
  the users' slots have room. No revenue comes of it.

With both, nobodies may take "nothing" too: that stands for what is shown beyond the least that must be shown. This
module makes both and is the only one that knows which class and which fund they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ptofa_spark.allocation.problem.class_flow import (
    NO_LIMIT,
    ClassNetwork,
    NetworkState,
    nearest_feasible_demand,
    saturating_flow,
)
from ptofa_spark.allocation.problem.losses import least_losses
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.arrays import Floats, Ints

Values = TypeVar("Values", np.bool_, np.int64, np.float64)


@dataclass(frozen=True)
class BalancedNetwork:
    """A network whose flows are the allocations of a problem.

    network, state: of all classes and funds; classes: of the users; funds: of the campaign.
    """

    network: ClassNetwork
    state: NetworkState
    classes: int
    funds: int

    @property
    def columns(self) -> Ints:
        """The fund of each choice column: (columns,). A fund has as many columns as one user may take it."""
        multiplicity = self.network.multiplicity
        return np.repeat(np.arange(len(multiplicity)), multiplicity)

    def is_feasible(self) -> bool:
        """Whether an allocation exists."""
        return saturating_flow(self.network, self.state) is not None

    def of_users(self, by_class: NDArray[Values]) -> NDArray[Values]:
        """The rows (classes, ...) that are of users."""
        return by_class[: self.classes]

    def of_campaign(self, by_fund: NDArray[Values]) -> NDArray[Values]:
        """The columns (..., funds) that are of the campaign's funds."""
        return by_fund[..., : self.funds]

    def users_left(self, state: NetworkState) -> int:
        """Users who are still to be served."""
        return int(self.of_users(state.users).sum())

    def nobodies(self, state: NetworkState) -> int:
        """Exposures that no user needs to take."""
        return int(state.users[self.classes :].sum())

    def nearest_demand(self) -> Ints | None:
        """`nearest_feasible_demand`; what "nothing" gives or takes is no change of a demand."""
        campaign = np.arange(len(self.state.demand)) < self.funds
        return nearest_feasible_demand(self.network, self.state, campaign)


def balanced_network(problem: AllocationProblem) -> BalancedNetwork:
    """The network of a problem, before anyone is served."""
    eligible, users, bounds = problem.classes.eligible, problem.classes.users, problem.bounds
    n_classes, n_funds = eligible.shape
    low, high, demand = bounds.demand_low, bounds.demand_high, bounds.demand_high
    slots = np.full(n_classes, bounds.slots_high, dtype=np.int64)
    multiplicity = np.ones(n_funds, dtype=np.int64)
    # Exposures that are shown in any case; what is beyond them, nobodies take of "nothing".
    shown = max(bounds.slots_low * int(users.sum()), int(low.sum()))
    room_of_slots = bounds.slots_high - bounds.slots_low
    if room_of_slots:
        eligible = np.hstack([eligible, np.ones((n_classes, 1), dtype=bool)])
        demand = np.append(demand, max(bounds.slots_high * int(users.sum()) - shown, 0))
        multiplicity = np.append(multiplicity, room_of_slots)
    network = ClassNetwork(eligible, slots, multiplicity)
    if (low < high).any():
        # A limit of the whole demand is none: the demand itself limits.
        most = np.where(low > 0, high - low, NO_LIMIT)
        network = network.with_class(np.append(most, np.full(len(demand) - n_funds, NO_LIMIT)), slots=1)
        users = np.append(users, max(int(high.sum()) - shown, 0))
    return BalancedNetwork(network, NetworkState(users, demand), n_classes, n_funds)


def with_nobodies(network: ClassNetwork, state: NetworkState, nobodies: int, share: float) -> BalancedNetwork:
    """The network of some of the users, whose free choices are known, with their share of what users may leave.

    Args:
        network: of the users and of all funds.
        state: the same.
        nobodies: exposures that no user needs to take, of all users.
        share: how many of all users these are.
    """
    classes, funds = network.eligible.shape
    if nobodies:
        network = network.with_class(np.full(funds, NO_LIMIT), slots=1)
        state = NetworkState(np.append(state.users, int(nobodies * share)), state.demand)
    return BalancedNetwork(network, state, classes, funds)


@dataclass(frozen=True)
class Filler:
    """The nobodies as one more row beside single users; it takes 0 where every exposure is for a user.

    nobodies: exposures that no user needs to take; funds: of the network.
    """

    nobodies: int
    funds: int

    @property
    def take(self) -> Ints:
        """Exposures that the row takes: (1,)."""
        return np.array([self.nobodies], dtype=np.int64)

    @property
    def capacity(self) -> Ints:
        """How often it may take each fund: (1, funds)."""
        return np.full((1, self.funds), self.nobodies, dtype=np.int64)

    def values(self, prices: Floats) -> Floats:
        """What each fund is worth to it at the prices (funds,): (1, funds), money."""
        return -prices[None, :]

    def best(self, prices: Floats) -> float:
        """What the best exposures are worth to it at the prices (funds,), money."""
        return float(-prices.min()) * self.nobodies

    def losses(self, left: Ints) -> Floats:
        """What it loses where it gives a fund for another, nothing: (funds, funds), money, infinite where it cannot.

        left: (funds,), exposures that the users leave.
        """
        return least_losses(np.zeros((1, self.funds)), left[None, :] > 0, self.capacity > 0, np.float64(np.inf))


def price_level(prices: Floats, demand: Ints, campaign_funds: int, nobodies: int) -> float:
    """The price that is stated as 0, money; only differences of prices decide anything.

    What may be left over costs nothing: an empty slot, or an exposure that no user needs to take. Where there is
    neither, the mean price of the demands is 0. So a price says what an exposure is worth beyond an average one.

    Args:
        prices: (funds,) of the network, money.
        demand: (funds,).
        campaign_funds: how many of the funds are of the campaign.
        nobodies: exposures that no user needs to take.
    """
    if len(prices) > campaign_funds:
        return float(prices[-1])
    if nobodies:
        return float(prices.min())
    return float(prices @ demand) / max(int(demand.sum()), 1)
