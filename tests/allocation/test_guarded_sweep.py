"""HA (heuristic allocation) on the driver: it keeps every constraint, and equals the paper's loop with a guard."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from ptofa_spark.allocation.heuristic.phase_loop import heuristic_allocation
from ptofa_spark.allocation.plan.steps import replay
from ptofa_spark.allocation.problem.balanced_network import balanced_network
from ptofa_spark.allocation.problem.choice import Falling, heuristic_scores, losses
from ptofa_spark.allocation.problem.feasibility import explain
from ptofa_spark.allocation.scores.score_table import DriverScoreTable
from ptofa_spark.reproducible.exact_sums import grid_exponents
from tests.allocation.instances import Instance, any_instance, assert_exact, feasible_instance


def allocate_on_driver(instance: Instance, mode: str = "exact", max_rows: int = 7) -> np.ndarray:
    problem = instance.problem(mode)
    users = instance.users(problem)
    largest = np.nan_to_num(np.abs(instance.expected_revenue)).max(axis=0)
    grid = grid_exponents(largest, len(users.user_id))
    phases, _ = heuristic_allocation(problem, DriverScoreTable(users, problem.classes), grid, max_rows)
    return replay(phases, users, instance.k)


@pytest.mark.thorough
@settings(max_examples=1000, deadline=None)
@given(any_instance())
def test_the_guarded_sweep_allocates_every_feasible_instance(instance: Instance) -> None:
    feasible = balanced_network(instance.problem()).is_feasible()
    assert feasible == instance.is_feasible()
    if feasible:
        assert_exact(instance, allocate_on_driver(instance))


@pytest.mark.parametrize("seed", range(20))
def test_guarded_sweep_is_close_to_the_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    levels = rng.integers(1, 6, 8)
    levels[0] = 1
    instance = feasible_instance(rng, 3_000, levels, k=1)
    taken = allocate_on_driver(instance, max_rows=200)
    assert_exact(instance, taken)
    objective = instance.expected_revenue[np.arange(3_000), taken[:, 0]].sum()
    optimum = instance.optimum()
    assert objective <= optimum * (1 + 1e-9)
    assert objective >= 0.97 * optimum


@pytest.mark.parametrize("k", [2, 3])
def test_guarded_sweep_holds_for_several_slots(k: int) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        instance = feasible_instance(rng, 800, np.array([1, 1, 1, 2, 3, 4, 5, 5]), k)
        taken = allocate_on_driver(instance, max_rows=50)
        assert_exact(instance, taken)
        objective = np.take_along_axis(instance.expected_revenue, taken, axis=1).sum()
        assert 0.9 * instance.optimum() <= objective <= instance.optimum() * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_phases_equal_the_papers_loop_over_users(seed: int) -> None:
    """Algorithm 1 user by user, in fractions, guarded by one slack per tolerance level, gives the same allocation."""
    rng = np.random.default_rng(100 + seed)
    levels = np.array([1, 2, 2, 3, 5])
    revenue = rng.integers(0, 12, (60, 5)).astype(float) if seed % 2 else rng.lognormal(0, 1, (60, 5)).round(3)
    instance = feasible_instance(rng, 60, levels, k=1, revenue=revenue)
    np.testing.assert_array_equal(allocate_on_driver(instance)[:, 0], loop_over_users(instance, levels))


def loop_over_users(instance: Instance, levels: np.ndarray) -> np.ndarray:
    """Algorithm 1 for K = 1 with a guard, as the paper writes it, in exact arithmetic."""
    users, funds = instance.expected_revenue.shape
    tolerance = np.array([levels[row].max(initial=0) for row in instance.eligible])
    demand = [int(d) for d in instance.demand]
    taken = np.full(users, -1)

    def slack(level: int) -> int:
        waiting = sum(1 for u in range(users) if taken[u] < 0 and tolerance[u] <= level)
        return sum(demand[f] for f in range(funds) if levels[f] <= level) - waiting

    def open_funds(u: int) -> list[int]:
        closed = {f for f in range(funds) for t in set(levels) if slack(t) == 0 and levels[f] <= t < tolerance[u]}
        return [f for f in range(funds) if instance.eligible[u, f] and demand[f] > 0 and f not in closed]

    def event_state() -> tuple[tuple[bool, ...], ...]:
        gone = tuple(d == 0 for d in demand)
        tight = tuple(slack(t) == 0 for t in sorted(set(levels)))
        return gone, tight

    while (taken < 0).any():
        before = event_state()
        left = [u for u in range(users) if taken[u] < 0]
        choices = {u: open_funds(u) for u in left}
        value = [[Fraction(float(e)) if e == e else None for e in row] for row in instance.expected_revenue]
        alpha = [
            sum((value[u][f] for u in left if f in choices[u]), Fraction(0)) / demand[f] if demand[f] else Fraction(0)
            for f in range(funds)
        ]
        score = {}
        for u in left:
            ranked = sorted(choices[u], key=lambda f: (-value[u][f], f))
            score[u] = sum((alpha[a] * (value[u][a] - value[u][b]) for a, b in pairwise(ranked)), Fraction(0))
        for u in sorted(left, key=lambda u: (-score[u], u)):
            taken[u] = min(choices[u], key=lambda f: (-value[u][f], f))
            demand[taken[u]] -= 1
            if event_state() != before:
                break
    return taken


def test_guarded_sweep_serves_everyone_when_low_risk_funds_are_scarce() -> None:
    """The paper's own sweep gives the only fund of the cautious users to others, and leaves these two without one."""
    revenue = np.array([[9.0, 1.0], [8.0, 1.0], [7.0, np.nan], [6.0, np.nan]])
    instance = Instance(revenue, np.array([2, 2]), 1)
    taken = allocate_on_driver(instance)
    np.testing.assert_array_equal(taken[:, 0], [1, 1, 0, 0])


def test_at_most_serves_every_user() -> None:
    rng = np.random.default_rng(5)
    instance = feasible_instance(rng, 300, np.array([1, 1, 2, 4]), k=2)
    generous = Instance(instance.expected_revenue, instance.demand + np.array([40, 0, 7, 90]), 2)
    taken = allocate_on_driver(generous, mode="at-most")
    assert (taken >= 0).all()
    assert (np.bincount(taken.ravel(), minlength=4) <= generous.demand).all()
    assert generous.eligible[np.repeat(np.arange(300), 2), taken.ravel()].all()


def test_partial_meets_every_demand() -> None:
    rng = np.random.default_rng(6)
    instance = feasible_instance(rng, 300, np.array([1, 1, 2, 4]), k=2)
    modest = Instance(instance.expected_revenue, np.maximum(instance.demand - 25, 0), 2)
    taken = allocate_on_driver(modest, mode="partial")
    real = (taken >= 0) & (taken < 4)
    np.testing.assert_array_equal(np.bincount(taken[real], minlength=4), modest.demand)
    rows, places = np.nonzero(real)
    assert modest.eligible[rows, taken[rows, places]].all()
    assert all(len(set(row[held])) == held.sum() for row, held in zip(taken, real, strict=True))


def test_a_demand_beyond_its_eligible_users_is_named() -> None:
    """100 users may see the first fund alone, 50 both; the second is to be shown 80 times."""
    revenue = np.where(np.arange(150)[:, None] < 100, [1.0, np.nan], [1.0, 1.0])
    why = explain(Instance(revenue, np.array([20, 80]), 2).problem("partial"))
    assert why.reason == (
        "fund(s) F001 are to be shown 80 times, but the 50 users who may see them can take 50: 30 short; "
        "the smallest change of demands that mends it: F001 -30"
    )
    assert (why.repair, why.funds, why.users, why.offered) == ({"F001": -30}, ("F001",), 50, 50)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_heuristic_score_is_equation_7(k: int) -> None:
    """What a user loses if the k-th next fund replaces each fund that they hold, weighted by alpha."""
    rng = np.random.default_rng(k)
    revenue, is_open = rng.normal(size=(40, 5)), rng.random((40, 5)) < 0.7
    alpha = rng.random(5)
    falling = Falling.of(revenue)
    open_places = falling.is_open(is_open, np.arange(40))
    score = heuristic_scores(falling, losses(falling, open_places, k), alpha)
    for user in range(40):
        funds = sorted(np.flatnonzero(is_open[user]), key=lambda f, u=user: -revenue[u, f])
        loss = [revenue[user, f] - revenue[user, funds[min(j + k, len(funds) - 1)]] for j, f in enumerate(funds)]
        assert score[user] == pytest.approx(sum(alpha[f] * lost for f, lost in zip(funds, loss, strict=True)))


@pytest.mark.thorough
def test_two_hundred_funds_keep_every_constraint() -> None:
    rng = np.random.default_rng(7)
    instance = feasible_instance(rng, 400, np.sort(rng.integers(1, 6, 200)), k=10)
    assert_exact(instance, allocate_on_driver(instance, max_rows=100))


def test_one_user_gets_the_only_fund() -> None:
    instance = Instance(np.array([[-3.5]]), np.array([1]), 1)
    np.testing.assert_array_equal(allocate_on_driver(instance), [[0]])
