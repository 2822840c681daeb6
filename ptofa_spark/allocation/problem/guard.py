"""The guard: which funds a user may still take, so that everyone left can still be served exactly.

Write g_c(A) for the most exposures that a user of class c can take from a set A of funds. It is the smaller of their
slots and their eligible funds in A. What is left is feasible exactly when no set is asked for more than its users can
take:

    slack(A) = sum_c n_c * g_c(A) - sum_{f in A} d_f >= 0   for every A,   and = 0 for the set of all funds.

Serving a user can only lower a slack. Once slack(A) = 0, the set A is tight for good: every later user must take g_c(A)
funds from A. An exhausted fund is the case where A is all other funds. The tight sets form a lattice. A chain through
it cuts the funds into blocks. Each user fills the first block as far as they can, then the second, and so on. The
blocks are the strongly connected components of the residual graph of the class flow. docs/guard.md proves it for bounds
of any kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from ptofa_spark.allocation.problem.class_flow import ClassNetwork, NetworkState, saturating_flow
from ptofa_spark.arrays import Bools, Ints


@dataclass(frozen=True)
class Residual:
    """The residual graph of a saturating flow, cut into strongly connected components.

    component: (classes + funds,), a label per node; arcs: (arcs, 2), between nodes.
    """

    component: Ints
    arcs: Ints


def residual(network: ClassNetwork, state: NetworkState) -> Residual | None:
    """The residual graph of what is left, or None where what is left is infeasible."""
    flow = saturating_flow(network, state)
    if flow is None:
        return None
    n_classes, n_funds = network.eligible.shape
    capacity = network.capacity(state.users)
    more_class, more_fund = np.nonzero(network.eligible & (flow < capacity))
    less_class, less_fund = np.nonzero(flow > 0)
    arcs = np.vstack(
        [
            np.column_stack([more_class, n_classes + more_fund]),
            np.column_stack([n_classes + less_fund, less_class]),
        ]
    ).astype(np.int64)
    n_nodes = n_classes + n_funds
    graph = csr_matrix((np.ones(len(arcs), dtype=np.int8), (arcs[:, 0], arcs[:, 1])), shape=(n_nodes, n_nodes))
    _, component = connected_components(graph, directed=True, connection="strong")
    return Residual(component.astype(np.int64), arcs)


def block_count(residual: Residual, n_funds: int) -> int:
    """Number of blocks of funds; grows when a set becomes tight, and never shrinks while users are served."""
    return len(np.unique(residual.component[-n_funds:]))


def block_ranks(residual: Residual, n_funds: int) -> Ints:
    """The block of each fund, 0 for the block that is filled first: (funds,).

    An arc leads from a block to one that is filled later. Where the order is open it does not matter which is first
    (each class's g is modular on the tight sets); the block with the smallest fund goes first, so that the ranks are
    unique.
    """
    component = residual.component
    n_classes = len(component) - n_funds
    smallest_fund = {int(label): n_funds for label in np.unique(component)}
    for fund in reversed(range(n_funds)):
        smallest_fund[int(component[n_classes + fund])] = fund
    between = np.unique(component[residual.arcs], axis=0)
    order: TopologicalSorter[int] = TopologicalSorter({label: set[int]() for label in smallest_fund})
    for before, after in between:
        if before != after:
            order.add(int(after), int(before))
    order.prepare()
    rank_of: dict[int, int] = {}
    while order.is_active():
        for label in sorted(order.get_ready(), key=lambda label: (smallest_fund[label], label)):
            if smallest_fund[label] < n_funds:
                rank_of[label] = len(rank_of)
            order.done(label)
    return np.array([rank_of[int(label)] for label in component[n_classes:]], dtype=np.int64)


def open_funds(network: ClassNetwork, ranks: Ints) -> Bools:
    """Funds that a user of each class may still take: those in blocks that their slots reach. (classes, funds).

    Args:
        network: the class network.
        ranks: (funds,), from `block_ranks`.

    Two cautious users may take fund 0 only, a bold one both. If fund 1 wants one user, only the bold one can be it: the
    guard closes fund 0 to them.

    >>> once = np.array([1, 1])
    >>> network = ClassNetwork(np.array([[True, False], [True, True]]), slots=once, multiplicity=once)
    >>> left = residual(network, NetworkState(users=np.array([2, 1]), demand=np.array([2, 1])))
    >>> ranks = block_ranks(left, n_funds=2)
    >>> ranks.tolist(), open_funds(network, ranks).tolist()
    ([1, 0], [[True, False], [False, True]])
    """
    opened = np.zeros_like(network.eligible)
    before = np.zeros(len(network.slots), dtype=np.int64)
    for rank in range(int(ranks.max()) + 1):
        in_block = ranks == rank
        opened[:, in_block] = network.eligible[:, in_block] & (before < network.slots)[:, None]
        before += (network.eligible[:, in_block] * network.multiplicity[in_block]).sum(axis=1)
    return opened
