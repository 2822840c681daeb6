"""Small allocation problems made by a seed, and their truth by independent means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ortools.graph.python import max_flow, min_cost_flow

from ptofa_spark.allocation.problem.demand_modes import Campaign
from ptofa_spark.allocation.problem.eligibility import class_index, set_keys
from ptofa_spark.allocation.problem.problem import AllocationProblem, Classes, Funds, UserBatch
from ptofa_spark.allocation.settings import DemandMode


@dataclass(frozen=True)
class Instance:
    """expected_revenue: (users, funds), NaN where ineligible; demand: (funds,)."""

    expected_revenue: np.ndarray
    demand: np.ndarray
    k: int

    @property
    def eligible(self) -> np.ndarray:
        return ~np.isnan(self.expected_revenue)

    def problem(self, mode: DemandMode = "exact") -> AllocationProblem:
        return self.campaign(mode).problem()

    def campaign(self, mode: DemandMode = "exact") -> Campaign:
        funds = len(self.demand)
        keys, first, inverse = np.unique(set_keys(self.eligible), return_index=True, return_inverse=True)
        classes = Classes(
            self.eligible[first], np.bincount(inverse), np.ones(len(keys), np.int64), np.full(len(keys), 5)
        )
        ids = tuple(f"F{f:03d}" for f in range(funds))
        return Campaign("c", self.k, mode, Funds(ids, np.ones(funds, np.int64), self.demand), classes)

    def users(self, problem: AllocationProblem) -> UserBatch:
        index = class_index(self.eligible, problem.classes)
        return UserBatch(np.arange(len(self.expected_revenue)), index, self.expected_revenue)

    def is_feasible(self) -> bool:
        """By a maximum flow over single users: knows nothing of classes."""
        users, funds = self.expected_revenue.shape
        if self.demand.sum() != self.k * users:
            return False
        solver = max_flow.SimpleMaxFlow()
        rows, columns = np.nonzero(self.eligible)
        sink = users + funds + 1
        solver.add_arcs_with_capacity(np.zeros(users, int), 1 + np.arange(users), np.full(users, self.k))
        solver.add_arcs_with_capacity(1 + rows, 1 + users + columns, np.ones(len(rows), int))
        solver.add_arcs_with_capacity(1 + users + np.arange(funds), np.full(funds, sink), self.demand)
        assert solver.solve(0, sink) == solver.OPTIMAL
        return solver.optimal_flow() == self.k * users

    def optimum(self, scale: float = 1e6) -> float:
        """The highest objective."""
        return float(self.expected_revenue[self.best(scale)].sum())

    def best(self, scale: float = 1e6) -> np.ndarray:
        """Who sees what in an optimal allocation, (users, funds), by OR-Tools' min-cost flow over single users.

        scale: of the whole numbers that the flow counts in, a unit of revenue each.
        """
        users, funds = self.expected_revenue.shape
        rows, columns = np.nonzero(self.eligible)
        solver = min_cost_flow.SimpleMinCostFlow()
        cost = -np.rint(self.expected_revenue[rows, columns] * scale).astype(np.int64)
        arcs = solver.add_arcs_with_capacity_and_unit_cost(rows, users + columns, np.ones(len(rows), int), cost)
        solver.set_nodes_supplies(np.arange(users), np.full(users, self.k))
        solver.set_nodes_supplies(users + np.arange(funds), -self.demand)
        assert solver.solve() == solver.OPTIMAL
        shown = np.zeros((users, funds), bool)
        shown[rows, columns] = solver.flows(arcs) > 0
        return shown


def feasible_instance(
    rng: np.random.Generator, users: int, levels: np.ndarray, k: int, revenue: np.ndarray | None = None
) -> Instance:
    """Risk-nested eligibility, and demands counted from an arbitrary valid allocation: feasible, often only just."""
    lowest = np.sort(levels)[k - 1]
    tolerance = rng.integers(lowest, 6, users)
    eligible = tolerance[:, None] >= levels[None, :]
    if revenue is None:
        revenue = rng.lognormal(1.0, 1.0, (users, len(levels))) * rng.lognormal(0.0, 0.5, len(levels))
    taste = np.where(eligible, rng.gumbel(size=eligible.shape) + rng.normal(0, 1.5, len(levels)), -np.inf)
    chosen = np.argsort(-taste, axis=1)[:, :k]
    demand = np.bincount(chosen.ravel(), minlength=len(levels))
    return Instance(np.where(eligible, revenue, np.nan), demand, k)
