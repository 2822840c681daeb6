"""Solves the users whose choice is still open exactly, by a min-cost flow over single users on the driver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ortools.graph.python import min_cost_flow

from ptofa_spark.allocation.exact.residual_prices import potentials
from ptofa_spark.allocation.problem.balanced_network import Filler
from ptofa_spark.allocation.problem.losses import NO_EXCHANGE, least_losses
from ptofa_spark.arrays import Floats, Ints

# The solver multiplies costs by the number of nodes and refuses what then leaves an int64 (status BAD_COST_RANGE).
_COST_BITS = 60
_MAX_COST_BITS = 44


@dataclass(frozen=True)
class Core:
    """Users to solve together, and what the others leave of the demands. The last row is the filler.

    values: (rows, funds), money at the current prices, NaN where no arc is needed; capacity: (rows, funds), how often
    a row may take a fund; take: (rows,), funds each takes; demand: (funds,), what is left for them.
    """

    values: Floats
    capacity: Ints
    take: Ints
    demand: Ints

    @classmethod
    def of(cls, values: Floats, capacity: Ints, take: Ints, demand: Ints, filler: Filler, prices: Floats) -> Core:
        """The core of users, arrays by user, and the filler at the prices (funds,)."""
        return cls(
            np.vstack([values, filler.values(prices)]),
            np.vstack([capacity, filler.capacity]),
            np.append(take, filler.take),
            demand,
        )

    @property
    def users(self) -> int:
        """Rows that are users."""
        return len(self.values) - 1


@dataclass(frozen=True)
class CoreSolution:
    """An optimum of the core, with prices kept to their room.

    held: (users, funds), how often each user takes each fund; change: (funds,), what to add to the current prices;
    missed: exposures that the room kept from their demand; with 0 it did not matter.
    """

    held: Ints
    change: Floats
    missed: int


class CoreUnsolvedError(RuntimeError):
    """The solver ended with another status than optimal."""


def solve_core(core: Core, room: Floats | None = None) -> CoreSolution:
    """The core's optimum; without a room every demand is met exactly.

    A room R (see `price_room`) lets a fund f give one exposure too many and g one too few, at the cost R[f, g]. That
    keeps the prices in the room, so users outside the core still choose what they chose, and the solution is the
    optimum of the whole problem with prices kept to the room. If no demand is missed, the room does not matter: it is
    the optimum.

    Args:
        core: the users and the demands.
        room: (funds, funds), money.

    Raises:
        CoreUnsolvedError: the solver did not prove an optimum.
    """
    arcs = _arcs(core, room)
    flow = _solve(core, arcs)
    held = np.zeros(core.values.shape, dtype=np.int64)
    held[arcs.row, arcs.fund] = flow.rows
    change = potentials(_losses(core, arcs, held, flow))
    if change is None:
        raise CoreUnsolvedError("the core's allocation has a negative cycle: it is not optimal")
    return CoreSolution(held[: core.users], change * arcs.unit, int(flow.missed.sum()))


@dataclass(frozen=True)
class _Arcs:
    """The network's arcs, costs in whole units of money.

    row, fund, cost: (arcs,); gives, takes, miss: (misses,), from the fund with one exposure too many to the one with
    one too few, and its cost.
    """

    row: Ints
    fund: Ints
    cost: Ints
    gives: Ints
    takes: Ints
    miss: Ints
    unit: float


@dataclass(frozen=True)
class _Flow:
    """Flows of the arcs: rows (arcs,), missed (misses,)."""

    rows: Ints
    missed: Ints


def _arcs(core: Core, room: Floats | None) -> _Arcs:
    """Costs from 0 up: a row's best fund costs nothing. The level of a row does not matter: it takes as many anyway."""
    funds = len(core.demand)
    rows, fund = np.nonzero(~np.isnan(core.values) & (core.capacity > 0))
    best = np.nanmax(np.where(core.capacity > 0, core.values, np.nan), axis=1, initial=-np.inf)
    money = best[rows] - core.values[rows, fund]
    spread = float(money.max(initial=0.0))
    gives, takes = np.nonzero(~np.eye(funds, dtype=bool)) if room is not None else np.zeros((2, 0), dtype=np.int64)
    miss = np.zeros(0)
    if room is not None:
        miss = room[gives, takes]
        # No chain of exchanges costs more than the spread a fund: a dearer miss is as good as forbidden.
        limit = max(spread * (funds + 2), float(miss[np.isfinite(miss)].max(initial=0.0)))
        # A little less than the room: a user on its very edge must not be tempted.
        miss = np.minimum(miss, limit) * (1 - 1e-6)
        spread = max(spread, float(miss.max(initial=0.0)))
    nodes = core.users + funds + 2
    unit = spread * 2.0 ** -min(_MAX_COST_BITS, _COST_BITS - int(nodes).bit_length()) or 1.0
    cost = np.rint(money / unit).astype(np.int64)
    return _Arcs(rows, fund, cost, gives, takes, np.floor(miss / unit).astype(np.int64), unit)


def _solve(core: Core, arcs: _Arcs) -> _Flow:
    """Nodes: the users, the funds, and the filler."""
    users, funds = core.users, len(core.demand)
    node = np.append(np.arange(users), users + funds)
    total = int(core.take.sum()) + int(np.abs(core.demand).sum())
    solver = min_cost_flow.SimpleMinCostFlow()
    add = solver.add_arcs_with_capacity_and_unit_cost
    arc_groups = (
        (node[arcs.row], users + arcs.fund, core.capacity[arcs.row, arcs.fund], arcs.cost),
        (users + arcs.gives, users + arcs.takes, np.full(len(arcs.miss), total), arcs.miss),
    )
    made = [add(*group) if len(group[0]) else None for group in arc_groups]
    solver.set_nodes_supplies(node, core.take)
    solver.set_nodes_supplies(users + np.arange(funds), -core.demand)
    status = solver.solve()
    if status != solver.OPTIMAL:
        raise CoreUnsolvedError(f"the min-cost flow of {users:,} users ended with status {status.name}")
    flows = [np.zeros(0, dtype=np.int64) if some is None else solver.flows(some) for some in made]
    return _Flow(*flows)


def _losses(core: Core, arcs: _Arcs, held: Ints, flow: _Flow) -> Ints:
    """W of the solution, in whole units: (funds, funds)."""
    values = np.zeros(held.shape, dtype=np.int64)
    values[arcs.row, arcs.fund] = -arcs.cost
    may_take = np.zeros(held.shape, dtype=bool)
    may_take[arcs.row, arcs.fund] = True
    losses = least_losses(values, held > 0, may_take & (held < core.capacity), np.int64(NO_EXCHANGE))
    # Price changes stay within the room, and reach its edge where a demand is missed.
    np.minimum.at(losses, (arcs.gives, arcs.takes), arcs.miss)
    used = flow.missed > 0
    np.minimum.at(losses, (arcs.takes[used], arcs.gives[used]), -arcs.miss[used])
    np.fill_diagonal(losses, NO_EXCHANGE)
    return losses
