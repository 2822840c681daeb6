"""Small allocation problems that a seed makes, and their feasibility and optimum by independent solvers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
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
        """By a maximum flow over single users, without classes."""
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

        scale: whole numbers of the flow per unit of revenue.
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
    """A feasible instance, often only just: its demands are those of an arbitrary valid allocation.

    A user may see each fund whose risk level, one of `levels`, is at most their tolerance.
    """
    lowest = np.sort(levels)[k - 1]
    tolerance = rng.integers(lowest, 6, users)
    eligible = tolerance[:, None] >= levels[None, :]
    if revenue is None:
        revenue = rng.lognormal(1.0, 1.0, (users, len(levels))) * rng.lognormal(0.0, 0.5, len(levels))
    taste = np.where(eligible, rng.gumbel(size=eligible.shape) + rng.normal(0, 1.5, len(levels)), -np.inf)
    chosen = np.argsort(-taste, axis=1)[:, :k]
    demand = np.bincount(chosen.ravel(), minlength=len(levels))
    return Instance(np.where(eligible, revenue, np.nan), demand, k)


def assert_exact(instance: Instance, taken: np.ndarray) -> None:
    rows = np.repeat(np.arange(len(taken)), instance.k)
    assert (taken >= 0).all()  # C1: every slot filled
    assert all(len(set(row)) == instance.k for row in taken.tolist())  # C1: by distinct funds
    np.testing.assert_array_equal(np.bincount(taken.ravel(), minlength=len(instance.demand)), instance.demand)  # C2
    assert instance.eligible[rows, taken.ravel()].all()  # C3


@st.composite
def any_instance(draw: st.DrawFn) -> Instance:
    """1-60 users, 1-8 funds, K 1-4, arbitrary eligible sets, and revenues with ties, zeros and negatives."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    users, funds = draw(st.integers(1, 60)), draw(st.integers(1, 8))
    k = draw(st.integers(1, min(4, funds)))
    eligible = rng.random((users, funds)) < draw(st.sampled_from([0.4, 0.7, 1.0]))
    if draw(st.booleans()):  # few classes: users share a handful of eligible sets
        eligible = eligible[rng.integers(0, min(users, 3), users)]
    kind = draw(st.sampled_from(["spread", "ties", "equal", "negative", "zero"]))
    revenue = {
        "spread": rng.lognormal(0, 3, (users, funds)),
        "ties": rng.integers(0, 3, (users, funds)).astype(float),
        "equal": np.full((users, funds), 2.5),
        "negative": rng.normal(-1, 2, (users, funds)),
        "zero": np.zeros((users, funds)),
    }[kind]
    if draw(st.integers(0, 3)) == 0:  # demands that need not be feasible
        demand = rng.multinomial(k * users, rng.dirichlet(np.ones(funds)))
    else:
        taste = np.where(eligible, rng.gumbel(size=eligible.shape) + rng.normal(0, 2, funds), -np.inf)
        chosen = np.argsort(-taste, axis=1)[:, :k]
        demand = np.bincount(chosen.ravel(), minlength=funds)
    return Instance(np.where(eligible, revenue, np.nan), demand, k)
