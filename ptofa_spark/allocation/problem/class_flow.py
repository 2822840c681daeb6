"""The class flow: a few dozen numbers that say whether any allocation is feasible, whatever the number of users.

    source -(slots_c * n_c)-> class c -(n_c)-> eligible fund f -(d_f)-> sink

Here n_c is the number of users of class c, and d_f the demand of fund f. An allocation of whole users exists exactly
when a flow saturates both sides: the users of a class can share any such flow, one exposure per user and fund. Bounds
that are no equalities become such a network too, see `balanced_network`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ortools.graph.python import max_flow, min_cost_flow

from ptofa_spark.arrays import Bools, Ints

# In ClassNetwork.limit: the users of the class alone limit what it takes of the fund.
NO_LIMIT = np.iinfo(np.int64).max


@dataclass(frozen=True)
class ClassNetwork:
    """The network's fixed part; users and demands change while users are served.

    eligible: (classes, funds); slots: (classes,), funds that a user of the class takes; multiplicity: (funds,), how
    often one user may take the fund; limit: (classes, funds), exposures that the whole class may take of the fund, None
    where its users alone limit them.
    """

    eligible: Bools
    slots: Ints
    multiplicity: Ints
    limit: Ints | None = None

    def capacity(self, users: Ints) -> Ints:
        """Exposures that each class may take of each fund, if eligible: (classes, funds), for users (classes,)."""
        together: Ints = users[:, None] * self.multiplicity[None, :]
        return together if self.limit is None else np.minimum(together, self.limit)

    def with_class(self, times: Ints, slots: int) -> ClassNetwork:
        """With one more class. times: (funds,), how often its users together may take each fund; slots: per user."""
        limit = np.full(self.eligible.shape, NO_LIMIT) if self.limit is None else self.limit
        return ClassNetwork(
            np.vstack([self.eligible, times > 0]),
            np.append(self.slots, slots),
            self.multiplicity,
            np.vstack([limit, times]),
        )


@dataclass(frozen=True)
class NetworkState:
    """What is left to serve. users: (classes,); demand: (funds,), exposures."""

    users: Ints
    demand: Ints


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


def nearest_feasible_demand(network: ClassNetwork, state: NetworkState, counted: Bools) -> Ints | None:
    """The demands closest to the given ones, by the sum of exposures changed, that every class can be served from.

    Args:
        network: the fixed part.
        state: what is left to serve.
        counted: (funds,), funds whose change counts.

    Returns:
        (funds,), exposures; None where no demands would do: a class has fewer eligible funds than slots.
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
        network.capacity(state.users)[rows, columns],
        np.zeros(len(rows), dtype=np.int64),
    )
    # All gains and losses add up to 0. So the changes are 2 * (gains of counted funds) + (gains of the others).
    free = (~counted).astype(np.int64)
    within = solver.add_arcs_with_capacity_and_unit_cost(fund_nodes, np.full(n_funds, sink), state.demand, free)
    beyond = solver.add_arcs_with_capacity_and_unit_cost(
        fund_nodes, np.full(n_funds, sink), np.full(n_funds, supply.sum()), 2 - free
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
        class_nodes[rows], fund_nodes[columns], network.capacity(state.users)[rows, columns]
    )
    solver.add_arcs_with_capacity(fund_nodes, np.full(n_funds, sink), state.demand)
    status = solver.solve(0, sink)
    if status != solver.OPTIMAL:
        raise RuntimeError(f"the class flow was not solved: {status}")
    return solver, arcs, (rows, columns)
