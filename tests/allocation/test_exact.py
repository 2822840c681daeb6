"""`exact` ends at the optimum that a solver finds on the whole instance, for every kind of instance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ptofa_spark.allocation.exact.price_loop import exact_allocation
from ptofa_spark.allocation.plan.steps import replay
from ptofa_spark.allocation.problem.choice_rule import choice_rule
from ptofa_spark.allocation.scores.score_table import DriverScoreTable
from tests.allocation.instances import Instance, any_instance, assert_exact, feasible_instance
from tests.allocation.solving import EVERYTHING, LEVELS, SAMPLED, allocate_exactly, linear_optimum, objective


@pytest.mark.thorough
@settings(max_examples=300, deadline=None)
@given(any_instance())
def test_the_whole_instance_ends_at_the_optimum(instance: Instance) -> None:
    assume(instance.is_feasible())
    taken, _, _ = allocate_exactly(instance, EVERYTHING)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(linear_optimum(instance, "exact"), rel=1e-9, abs=1e-9)


@pytest.mark.thorough
@settings(max_examples=150, deadline=None)
@given(any_instance(), st.integers(0, 3))
def test_a_sample_and_a_core_end_at_the_optimum(instance: Instance, round_up: int) -> None:
    """A few dozen users with a sample of three: the hardest case for every step of the loop. It needs rounds."""
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
        assert found.core_users < 8_000  # prices alone decide the others


@pytest.mark.parametrize("pairs", [EVERYTHING, SAMPLED])
@pytest.mark.parametrize("kind", ["equal", "few values", "zero", "negative", "cents"])
def test_ties_do_not_enlarge_the_core(kind: str, pairs: int) -> None:
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
    if mode == "at-most":  # a fund with demand left over has the price 0
        assert found.prices[delivered < instance.demand] == pytest.approx(0.0, abs=1e-6)
        assert (found.prices >= -1e-9).all()


def test_scarce_funds_with_heavy_tails_end_at_the_optimum() -> None:
    rng = np.random.default_rng(4)
    revenue = rng.lognormal(0, 3, (50_000, 6))
    instance = Instance(revenue, np.array([5, 0, 1, 20_000, 20_000, 9_994]), 1)
    taken, _, _ = allocate_exactly(instance, 20_000)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(instance.optimum(), rel=1e-9)


@pytest.mark.parametrize("slack", [0, 3, 100])
def test_low_risk_funds_that_just_suffice_end_at_the_optimum(slack: int) -> None:
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


def test_a_demand_for_all_eligible_users_ends_at_the_optimum() -> None:
    rng = np.random.default_rng(8)
    revenue = rng.lognormal(0, 1, (9_000, 4))
    revenue[3_000:, 0] = np.nan
    instance = Instance(revenue, np.array([3_000, 0, 2_500, 3_500]), 1)
    taken, _, _ = allocate_exactly(instance, 8_000)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(instance.optimum(), rel=1e-9)


def test_two_hundred_funds_through_a_sample_end_at_the_optimum() -> None:
    rng = np.random.default_rng(15)
    instance = feasible_instance(rng, 3_000, np.sort(rng.integers(1, 6, 200)), 10)
    taken, _, _ = allocate_exactly(instance, 10**6)
    assert_exact(instance, taken)
    assert objective(instance, taken) == pytest.approx(instance.optimum(), rel=1e-7)


@pytest.mark.parametrize("revenue", [-3.5, 0.0, 1e-12, 1e12])
def test_one_user_gets_the_only_fund(revenue: float) -> None:
    taken, found, _ = allocate_exactly(Instance(np.array([[revenue]]), np.array([1]), 1), EVERYTHING)
    np.testing.assert_array_equal(taken, [[0]])
    assert found.prices.tolist() == [0.0]
