"""The price loop of `exact`: the prices it starts with, its core, its rounds, and its solver."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ortools.graph.python import min_cost_flow

from ptofa_spark.allocation.certificate.bound import Account, certify
from ptofa_spark.allocation.exact.core import Core, solve_core
from ptofa_spark.allocation.exact.nudge import NO_NUDGE
from ptofa_spark.allocation.exact.price_loop import PriceStart, exact_allocation
from ptofa_spark.allocation.plan.steps import replay
from ptofa_spark.allocation.problem.balanced_network import Filler
from ptofa_spark.allocation.problem.choice_rule import choice_rule
from ptofa_spark.allocation.scores.score_table import DriverScoreTable
from tests.allocation.instances import assert_exact, feasible_instance
from tests.allocation.solving import EVERYTHING, LEVELS, SAMPLED, allocate_exactly, objective


def test_bad_prices_at_the_start_do_not_change_the_optimum() -> None:
    instance = feasible_instance(np.random.default_rng(12), 20_000, LEVELS, 1)
    rng = np.random.default_rng(1)
    narrow = np.full((8, 8), 0.01)
    for prices in (np.zeros(8), rng.normal(0, 100, 8)):
        taken, _, _ = allocate_exactly(instance, SAMPLED, warm=PriceStart(prices, narrow, NO_NUDGE))
        assert_exact(instance, taken)
        assert objective(instance, taken) == pytest.approx(instance.optimum(1e8), rel=1e-9)


class CountedPasses(DriverScoreTable):
    """A score table that counts its passes."""

    made = 0

    def collect(self, kernel, schema):  # type: ignore[no-untyped-def]
        CountedPasses.made += 1
        return super().collect(kernel, schema)


def test_prices_of_an_earlier_run_save_passes() -> None:
    instance = feasible_instance(np.random.default_rng(13), 20_000, LEVELS, 1)
    problem = instance.problem()
    score_table = CountedPasses(instance.users(problem), problem.classes)
    rule = choice_rule(problem)
    passes_made, objectives = [], []
    start = None
    for _ in range(2):
        CountedPasses.made = 0
        found = exact_allocation(rule, score_table, 1, 80_000, start)
        assert found.step is not None
        passes_made.append(CountedPasses.made)
        objectives.append(objective(instance, replay([found.step], score_table.users, 1)))
        start = found.start
    assert passes_made == [2, 1]
    assert objectives[0] == pytest.approx(objectives[1], rel=1e-12)


def test_prices_bound_the_optimum_when_the_rounds_run_out() -> None:
    instance = feasible_instance(np.random.default_rng(14), 20_000, LEVELS, 1)
    problem = instance.problem()
    score_table = DriverScoreTable(instance.users(problem), problem.classes)
    rule = choice_rule(problem)
    found = exact_allocation(rule, score_table, 1, SAMPLED, max_rounds=0)
    assert found.step is None
    account = Account.of(rule, problem.users, found.prices, float(np.nanmax(instance.expected_revenue)))
    bound = certify(account, score_table, []).upper_bound
    assert instance.optimum(1e8) <= bound <= instance.optimum(1e8) * 1.001


def test_a_core_short_of_its_demand_moves_the_prices_as_far_as_allowed() -> None:
    values = np.array([[1.0, 0.9], [1.0, 0.8]])
    once = np.ones((2, 2), np.int64)
    core = Core.of(values, once, np.ones(2, np.int64), np.array([-1, 3]), Filler(0, funds=2), np.zeros(2))
    solution = solve_core(core, np.full((2, 2), 0.5))
    assert solution.missed > 0
    assert solution.change[0] - solution.change[1] == pytest.approx(0.5, rel=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("spread", [1e-9, 1.0, 1e12])
def test_costs_stay_within_the_solver_at_any_spread(spread: float) -> None:
    """OR-Tools answers BAD_COST_RANGE to costs that overflow when it multiplies them by the number of nodes."""
    instance = feasible_instance(np.random.default_rng(2), 60_000, LEVELS, 1)
    instance = replace(instance, expected_revenue=instance.expected_revenue * spread)
    taken, _, _ = allocate_exactly(instance, EVERYTHING)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(instance.optimum(1e5 / spread), rel=1e-7)


def test_costs_too_large_for_or_tools_are_a_status() -> None:
    solver = min_cost_flow.SimpleMinCostFlow()
    solver.add_arcs_with_capacity_and_unit_cost(np.array([0]), np.array([1]), np.array([1]), np.array([2**61]))
    solver.set_nodes_supplies(np.array([0, 1]), np.array([1, -1]))
    assert solver.solve() == solver.BAD_COST_RANGE
