"""The optimum: against solvers on the whole instance, on every kind of instance, from good and from bad prices."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ortools.graph.python import min_cost_flow
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, vstack

from ptofa_spark.allocation.baselines.integer_program import Assigned
from ptofa_spark.allocation.certificate.bound import certify
from ptofa_spark.allocation.exact.core import Core, solve_core
from ptofa_spark.allocation.exact.nudge import NO_NUDGE
from ptofa_spark.allocation.exact.price_loop import ExactSolution, PriceStart, exact_allocation
from ptofa_spark.allocation.exact.residual_prices import worst_cycle
from ptofa_spark.allocation.methods import all_steps
from ptofa_spark.allocation.plan.step_json import step_from_json, step_to_json
from ptofa_spark.allocation.plan.steps import replay
from ptofa_spark.allocation.problem.balanced_network import Filler
from ptofa_spark.allocation.problem.choice_rule import ChoiceRule, choice_rule
from ptofa_spark.allocation.scores.score_table import DriverScoreTable
from tests.allocation.instances import Instance, feasible_instance
from tests.allocation.test_guarded_sweep import any_instance, assert_exact

EVERYTHING, SAMPLED = 10**9, 30_000  # pairs that the driver may solve at once
LEVELS = np.array([1, 1, 2, 3, 3, 4, 5, 5])


def allocate_exactly(
    instance: Instance, pairs: int, mode: str = "exact", warm: PriceStart | None = None
) -> tuple[np.ndarray, ExactSolution, ChoiceRule]:
    problem = instance.problem(mode)
    users, rule = instance.users(problem), choice_rule(problem)
    score_table = DriverScoreTable(users, problem.classes)
    found = exact_allocation(rule, score_table, seed=1, max_core_pairs=pairs, warm=warm)
    assert found.step is not None
    return replay([found.step], users, instance.k), found, rule


def objective(instance: Instance, taken: np.ndarray) -> float:
    real = (taken >= 0) & (taken < len(instance.demand))
    return float(np.take_along_axis(instance.expected_revenue, np.where(real, taken, 0), axis=1)[real].sum())


def linear_optimum(instance: Instance, mode: str) -> float:
    """By HiGHS on the linear program, whose optimum is integral."""
    user, fund = np.nonzero(instance.eligible)
    ones, pairs = np.ones(len(user)), np.arange(len(user))
    by_user = coo_matrix((ones, (user, pairs)), shape=(len(instance.expected_revenue), len(user)))
    by_fund = coo_matrix((ones, (fund, pairs)), shape=(len(instance.demand), len(user)))
    slots = np.full(len(instance.expected_revenue), instance.k)
    cost = -instance.expected_revenue[user, fund]
    if mode == "at-most":
        rows = {"A_eq": by_user, "b_eq": slots, "A_ub": by_fund, "b_ub": instance.demand}
    elif mode == "partial":
        rows = {"A_eq": by_fund, "b_eq": instance.demand, "A_ub": by_user, "b_ub": slots}
    else:
        rows = {"A_eq": vstack([by_user, by_fund]), "b_eq": np.r_[slots, instance.demand]}
    result = linprog(cost, bounds=(0, 1), method="highs", **rows)
    assert result.status == 0
    return -result.fun


@settings(max_examples=300, deadline=None)
@given(any_instance())
def test_the_whole_instance_ends_at_the_optimum_with_the_constraints_kept(instance: Instance) -> None:
    assume(instance.is_feasible())
    taken, _, _ = allocate_exactly(instance, EVERYTHING)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(linear_optimum(instance, "exact"), rel=1e-9, abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(any_instance(), st.integers(0, 3))
def test_a_sample_and_a_core_end_there_too(instance: Instance, round_up: int) -> None:
    """A few dozen users with a sample of three: every step of the loop is at its worst, and rounds are needed."""
    assume(instance.is_feasible())
    assume(len(instance.expected_revenue) >= 4)
    problem = instance.problem()
    score_table = DriverScoreTable(instance.users(problem), problem.classes)
    found = exact_allocation(choice_rule(problem), score_table, round_up, 3 * len(instance.demand))
    if found.step is None:  # the rounds ran out, and it says so
        return
    taken = replay([found.step], score_table.users, instance.k)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(linear_optimum(instance, "exact"), rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("pairs", [EVERYTHING, SAMPLED])
def test_twenty_thousand_users_end_at_the_optimum_of_or_tools(k: int, pairs: int) -> None:
    instance = feasible_instance(np.random.default_rng(k), 20_000, LEVELS, k)
    taken, found, _ = allocate_exactly(instance, pairs)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(instance.optimum(1e8), rel=1e-9)
    if pairs == SAMPLED:
        assert found.core_users < 8_000  # the rest was settled by prices alone


@pytest.mark.parametrize("pairs", [EVERYTHING, SAMPLED])
@pytest.mark.parametrize("kind", ["equal", "few values", "zero", "negative", "cents"])
def test_ties_do_not_swell_the_core(kind: str, pairs: int) -> None:
    rng = np.random.default_rng(9)
    shape = (20_000, 8)
    revenue = {
        "equal": np.full(shape, 2.5),
        "few values": rng.integers(0, 3, shape).astype(float),
        "zero": np.zeros(shape),
        "negative": rng.normal(-3, 1, shape),
        "cents": rng.lognormal(0, 0.2, shape).round(2),
    }[kind]
    instance = feasible_instance(rng, 20_000, LEVELS, 1, revenue)
    taken, found, _ = allocate_exactly(instance, pairs)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(instance.optimum(), rel=1e-7, abs=1e-6)
    if pairs == SAMPLED:
        assert found.core_users < 8_000


@pytest.mark.parametrize("pairs", [EVERYTHING, 8_000])
@pytest.mark.parametrize("shift", [0.0, -1.5])
@pytest.mark.parametrize("mode", ["at-most", "partial"])
def test_demand_modes_end_at_their_own_optimum(mode: str, shift: float, pairs: int) -> None:
    made = feasible_instance(np.random.default_rng(3), 5_000, np.array([1, 1, 2, 4, 5]), k=2)
    change = np.array([400, 0, 70, 900, 0]) if mode == "at-most" else -np.minimum(made.demand, 250)
    instance = Instance(made.expected_revenue + shift, made.demand + change, 2)
    taken, found, _ = allocate_exactly(instance, pairs, mode)
    delivered = np.bincount(taken[(taken >= 0) & (taken < 5)], minlength=5)
    assert (delivered <= instance.demand).all() if mode == "at-most" else (delivered == instance.demand).all()
    assert objective(instance, taken) == pytest.approx(linear_optimum(instance, mode), rel=1e-9)
    if mode == "at-most":  # one more exposure of a fund that has some left over brings nothing
        assert found.prices[delivered < instance.demand] == pytest.approx(0.0, abs=1e-6)
        assert (found.prices >= -1e-9).all()


def test_scarce_funds_and_heavy_tails() -> None:
    rng = np.random.default_rng(4)
    revenue = rng.lognormal(0, 3, (50_000, 6))
    instance = Instance(revenue, np.array([5, 0, 1, 20_000, 20_000, 9_994]), 1)
    taken, _, _ = allocate_exactly(instance, 20_000)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(instance.optimum(), rel=1e-9)


@pytest.mark.parametrize("slack", [0, 3, 100])
def test_low_risk_funds_that_are_only_just_enough(slack: int) -> None:
    rng = np.random.default_rng(slack)
    levels = np.array([1, 1, 3, 3, 5])
    tolerance = rng.choice([1, 3, 5], 30_000, p=[0.5, 0.2, 0.3])
    eligible = tolerance[:, None] >= levels[None, :]
    revenue = np.where(eligible, rng.lognormal(0, 2, (30_000, 5)) * np.array([5, 4, 1, 1, 1]), np.nan)
    low, bold = int((tolerance == 1).sum()), int((tolerance == 5).sum())
    rest = 30_000 - low - slack
    instance = Instance(revenue, np.array([low // 2, low - low // 2 + slack, rest - bold // 2 - 99, 99, bold // 2]), 1)
    taken, _, _ = allocate_exactly(instance, 25_000)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(instance.optimum(), rel=1e-9)


def test_a_fund_with_the_demand_of_all_its_users_and_one_of_none() -> None:
    rng = np.random.default_rng(8)
    revenue = rng.lognormal(0, 1, (9_000, 4))
    revenue[3_000:, 0] = np.nan
    instance = Instance(revenue, np.array([3_000, 0, 2_500, 3_500]), 1)
    taken, _, _ = allocate_exactly(instance, 8_000)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(instance.optimum(), rel=1e-9)


def test_bad_prices_to_start_with_are_found_out() -> None:
    instance = feasible_instance(np.random.default_rng(12), 20_000, LEVELS, 1)
    rng = np.random.default_rng(1)
    narrow = np.full((8, 8), 0.01)
    for prices in (np.zeros(8), rng.normal(0, 100, 8)):
        taken, _, _ = allocate_exactly(instance, SAMPLED, warm=PriceStart(prices, narrow, NO_NUDGE))
        assert_exact(instance, taken)
        assert objective(instance, taken) == pytest.approx(instance.optimum(1e8), rel=1e-9)


class CountedPasses(DriverScoreTable):
    """The same passes, counted."""

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


@pytest.mark.parametrize("mode", ["exact", "at-most", "partial"])
def test_the_certificate_bounds_every_allocation_and_closes_at_the_optimum(mode: str) -> None:
    made = feasible_instance(np.random.default_rng(21), 2_000, LEVELS, k=2)
    change = {"exact": 0, "at-most": 130, "partial": -np.minimum(made.demand, 90)}[mode]
    instance = replace(made, demand=made.demand + change)
    taken, found, rule = allocate_exactly(instance, 6_000, mode)
    problem = instance.problem(mode)
    score_table = DriverScoreTable(instance.users(problem), problem.classes)
    largest = float(np.nanmax(np.abs(instance.expected_revenue)))
    value, optimum = objective(instance, taken), linear_optimum(instance, mode)
    assert found.step is not None
    closed = certify(rule, score_table, [found.step], found.prices, largest)
    assert optimum <= closed.upper_bound * (1 + 1e-12)
    assert closed.upper_bound == pytest.approx(value, rel=1e-9)
    assert closed.worst_cycle >= -1e-6
    anywhere = certify(rule, score_table, [found.step], found.prices + np.arange(rule.funds), largest)
    assert anywhere.upper_bound >= optimum * (1 - 1e-12)


def test_the_certificate_sees_an_exchange_that_would_gain() -> None:
    """Two users hold each other's better fund: exchanging gains 3 for two exposures."""
    instance = Instance(np.array([[5.0, 3.0], [4.0, 3.0]]), np.array([1, 1]), 1)
    problem = instance.problem()
    score_table, rule = DriverScoreTable(instance.users(problem), problem.classes), choice_rule(problem)
    found = exact_allocation(rule, score_table, 1, EVERYTHING)
    assert found.step is not None
    swapped = replace(found.step, undecided=np.array([0, 1]), columns=np.array([[1], [0]]))
    good = certify(rule, score_table, [found.step], found.prices, 5.0)
    bad = certify(rule, score_table, [swapped], found.prices, 5.0)
    assert good.worst_cycle == pytest.approx(0.5)
    assert bad.worst_cycle == pytest.approx(-0.5)
    assert good.upper_bound == pytest.approx(8.0)


def test_worst_cycle_equals_the_cheapest_of_all_simple_cycles() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        losses = np.where(rng.random((5, 5)) < 0.7, rng.normal(0.3, 1, (5, 5)), np.inf)
        np.fill_diagonal(losses, np.inf)
        means = [
            np.mean([losses[a, b] for a, b in zip(cycle, (*cycle[1:], cycle[0]), strict=True)])
            for size in range(2, 6)
            for cycle in permutations(range(5), size)
        ]
        assert worst_cycle(losses) == pytest.approx(min(means))


@pytest.mark.parametrize("spread", [1e-9, 1.0, 1e12])
def test_costs_stay_within_the_solver_at_any_spread(spread: float) -> None:
    """OR-Tools answers BAD_COST_RANGE to costs that overflow once scaled by the nodes; none of these is."""
    instance = feasible_instance(np.random.default_rng(2), 60_000, LEVELS, 1)
    instance = replace(instance, expected_revenue=instance.expected_revenue * spread)
    taken, _, _ = allocate_exactly(instance, EVERYTHING)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(instance.optimum(1e5 / spread), rel=1e-7)


def test_a_core_that_cannot_meet_its_demand_says_so_and_moves_the_prices_to_the_edge_of_their_room() -> None:
    values = np.array([[1.0, 0.9], [1.0, 0.8]])
    once = np.ones((2, 2), np.int64)
    core = Core.of(values, once, np.ones(2, np.int64), np.array([-1, 3]), Filler(0, funds=2), np.zeros(2))
    solution = solve_core(core, np.full((2, 2), 0.5))
    assert solution.missed > 0
    assert solution.change[0] - solution.change[1] == pytest.approx(0.5, rel=1e-5)


def test_or_tools_reports_bad_costs_as_a_status() -> None:
    solver = min_cost_flow.SimpleMinCostFlow()
    solver.add_arcs_with_capacity_and_unit_cost(np.array([0]), np.array([1]), np.array([1]), np.array([2**61]))
    solver.set_nodes_supplies(np.array([0, 1]), np.array([1, -1]))
    assert solver.solve() == solver.BAD_COST_RANGE


def test_a_plan_of_any_step_reads_back_as_it_was_written() -> None:
    instance = feasible_instance(np.random.default_rng(3), 200, LEVELS, 2)
    problem = instance.problem("partial")
    users = instance.users(problem)
    _, found, rule = allocate_exactly(instance, EVERYTHING, "partial")
    assert found.step is not None
    none_undecided = replace(found.step, undecided=np.zeros(0, np.int64), columns=np.zeros((0, 2), np.int64))
    some = replace(found.step, undecided=np.array([7, 9]), columns=np.array([[0, 1], [8, 9]]))
    assigned = Assigned(users.user_id, replay([found.step], users, 2))
    for step in (found.step, none_undecided, some, assigned):
        read = step_from_json(json.loads(json.dumps(step_to_json(step))), all_steps())
        np.testing.assert_array_equal(replay([read], users, 2), replay([step], users, 2))
    assert rule.funds == len(LEVELS) + 1


def test_when_the_rounds_run_out_there_is_no_allocation_but_there_are_prices() -> None:
    instance = feasible_instance(np.random.default_rng(14), 20_000, LEVELS, 1)
    problem = instance.problem()
    score_table = DriverScoreTable(instance.users(problem), problem.classes)
    rule = choice_rule(problem)
    found = exact_allocation(rule, score_table, 1, SAMPLED, max_rounds=0)
    assert found.step is None
    bound = certify(rule, score_table, [], found.prices, float(np.nanmax(instance.expected_revenue))).upper_bound
    assert instance.optimum(1e8) <= bound <= instance.optimum(1e8) * 1.001


def test_two_hundred_funds_and_ten_slots_through_a_sample() -> None:
    rng = np.random.default_rng(15)
    instance = feasible_instance(rng, 3_000, np.sort(rng.integers(1, 6, 200)), 10)
    taken, _, _ = allocate_exactly(instance, 10**6)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(instance.optimum(), rel=1e-7)


@pytest.mark.parametrize("revenue", [-3.5, 0.0, 1e-12, 1e12])
def test_one_user_and_one_fund(revenue: float) -> None:
    taken, found, _ = allocate_exactly(Instance(np.array([[revenue]]), np.array([1]), 1), EVERYTHING)
    np.testing.assert_array_equal(taken, [[0]])
    assert found.prices.tolist() == [0.0]
