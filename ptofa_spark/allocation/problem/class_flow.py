"""The class flow: a few dozen numbers that say whether any allocation is feasible, whatever the number of users.

    source -(slots_c * n_c)-> class c -(n_c)-> eligible fund f -(d_f)-> sink

An allocation of whole users exists exactly when a flow saturates both sides (the class's users can share any such flow
evenly, one exposure a user and fund). Two demand modes become equalities by one more node each, see `class_network`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ortools.graph.python import max_flow, min_cost_flow

from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.arrays import Bools, Ints


@dataclass(frozen=True)
class ClassNetwork:
    """The network's fixed part; users and demands change while users are served.

    eligible: (classes, funds); slots: (classes,), funds that a user of the class takes; multiplicity: (funds,), times
    one user may take the fund: 1, or K for the fund that stands for "nothing" in mode partial.
    """

    eligible: Bools
    slots: Ints
    multiplicity: Ints


@dataclass(frozen=True)
class NetworkState:
    """What is left to serve. users: (classes,); demand: (funds,), both of the network, extra nodes included."""

    users: Ints
    demand: Ints


def class_network(problem: AllocationProblem) -> tuple[ClassNetwork, NetworkState]:
    """The network of a problem and its state before anyone is served.

    at-most: one more class, of `sum(demand) - slots` nobodies with one slot each, takes what the users leave.
    partial: one more fund, "nothing", of demand `slots - sum(demand)`, open to every class, K times a user.
    """
    eligible, users, demand = problem.classes.eligible, problem.classes.users, problem.funds.demand
    slots = np.full(len(users), problem.k, dtype=np.int64)
    multiplicity = np.ones(len(demand), dtype=np.int64)
    excess = int(demand.sum()) - problem.slots
    if problem.mode == "at-most":
        eligible = np.vstack([eligible, np.ones((1, len(demand)), dtype=bool)])
        slots = np.append(slots, 1)
        users = np.append(users, max(excess, 0))
    elif problem.mode == "partial":
        eligible = np.hstack([eligible, np.ones((len(users), 1), dtype=bool)])
        demand = np.append(demand, max(-excess, 0))
        multiplicity = np.append(multiplicity, problem.k)
    return ClassNetwork(eligible, slots, multiplicity), NetworkState(users, demand)


def saturating_flow(network: ClassNetwork, state: NetworkState) -> Ints | None:
    """A flow (classes, funds) of exposures that saturates both sides, or None where there is none.

    Two cautious users may take fund 0 only, a bold one both funds:

    >>> once = np.array([1, 1])
    >>> network = ClassNetwork(np.array([[True, False], [True, True]]), slots=once, multiplicity=once)
    >>> saturating_flow(network, NetworkState(users=np.array([2, 1]), demand=np.array([2, 1]))).tolist()
    [[2, 0], [0, 1]]
    >>> saturating_flow(network, NetworkState(users=np.array([2, 1]), demand=np.array([1, 2]))) is None
    True
    """
    if (state.demand < 0).any() or (state.users < 0).any():
        return None
    supply = network.slots * state.users
    if supply.sum() != state.demand.sum():
        return None
    solver, arcs, (rows, columns) = _max_flow(network, state)
    if solver.optimal_flow() != supply.sum():
        return None
    flow = np.zeros(network.eligible.shape, dtype=np.int64)
    flow[rows, columns] = solver.flows(arcs)
    return flow


def deficit_cut(network: ClassNetwork, state: NetworkState) -> tuple[Bools, Bools, int]:
    """The cut that shows an infeasible state: classes that need more than their funds offer.

    Returns:
        Members among the classes (classes,), among the funds (funds,), and the exposures that the cut is short of.

    Two cautious users need two exposures of fund 0, which offers one:

    >>> once = np.array([1, 1])
    >>> network = ClassNetwork(np.array([[True, False], [True, True]]), slots=once, multiplicity=once)
    >>> classes, funds, short = deficit_cut(network, NetworkState(users=np.array([2, 1]), demand=np.array([1, 2])))
    >>> classes.tolist(), funds.tolist(), short
    ([True, False], [True, False], 1)
    """
    solver, _, _ = _max_flow(network, state)
    side = set(solver.get_source_side_min_cut())
    n_classes, n_funds = network.eligible.shape
    classes = np.array([1 + c in side for c in range(n_classes)])
    funds = np.array([1 + n_classes + f in side for f in range(n_funds)])
    return classes, funds, int((network.slots * state.users).sum() - solver.optimal_flow())


def nearest_feasible_demand(network: ClassNetwork, state: NetworkState, funds: int) -> Ints | None:
    """The demands closest to the given ones, by the sum of exposures changed, that every class can be served from.

    Args:
        network: the fixed part.
        state: what is left to serve.
        funds: how many of the network's funds are some; what "nothing" gives or takes is no change of a demand.

    Returns:
        (funds of the network,), exposures; None where no demands would do: a class has fewer eligible funds than slots.
    """
    n_classes, n_funds = network.eligible.shape
    rows, columns = np.nonzero(network.eligible)
    supply = network.slots * state.users
    fund_nodes = n_classes + np.arange(n_funds)
    sink = n_classes + n_funds
    solver = min_cost_flow.SimpleMinCostFlow()
    solver.add_arcs_with_capacity_and_unit_cost(
        rows,
        n_classes + columns,
        state.users[rows] * network.multiplicity[columns],
        np.zeros(len(rows), dtype=np.int64),
    )
    # The sum of changes is 2 * (what funds gain) + (what "nothing" gains), since all gains and losses add up to 0.
    nothing = (np.arange(n_funds) >= funds).astype(np.int64)
    within = solver.add_arcs_with_capacity_and_unit_cost(fund_nodes, np.full(n_funds, sink), state.demand, nothing)
    beyond = solver.add_arcs_with_capacity_and_unit_cost(
        fund_nodes, np.full(n_funds, sink), np.full(n_funds, supply.sum()), 2 - nothing
    )
    solver.set_nodes_supplies(np.arange(n_classes), supply)
    solver.set_nodes_supplies(np.array([sink]), np.array([-supply.sum()]))
    if solver.solve() != solver.OPTIMAL:
        return None
    demand: Ints = solver.flows(within) + solver.flows(beyond)
    return demand


def _max_flow(network: ClassNetwork, state: NetworkState) -> tuple[max_flow.SimpleMaxFlow, Ints, tuple[Ints, Ints]]:
    """The solved network: node 0 is the source, then the classes, the funds, and last the sink."""
    n_classes, n_funds = network.eligible.shape
    rows, columns = np.nonzero(network.eligible)
    class_nodes, fund_nodes = 1 + np.arange(n_classes), 1 + n_classes + np.arange(n_funds)
    sink = 1 + n_classes + n_funds
    solver = max_flow.SimpleMaxFlow()
    solver.add_arcs_with_capacity(np.zeros(n_classes, dtype=np.int64), class_nodes, network.slots * state.users)
    arcs = solver.add_arcs_with_capacity(
        class_nodes[rows], fund_nodes[columns], state.users[rows] * network.multiplicity[columns]
    )
    solver.add_arcs_with_capacity(fund_nodes, np.full(n_funds, sink), state.demand)
    status = solver.solve(0, sink)
    if status != solver.OPTIMAL:
        raise RuntimeError(f"the class flow was not solved: {status}")
    return solver, arcs, (rows, columns)
