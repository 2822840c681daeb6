"""The paper's sweep as printed equals a loop over users in exact arithmetic. It may leave users without a fund."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from ptofa_spark.allocation.heuristic.literal import literal_allocation
from ptofa_spark.allocation.plan.steps import replay
from ptofa_spark.allocation.scores.score_table import DriverScoreTable
from ptofa_spark.reproducible.exact_sums import grid_exponents
from tests.allocation.instances import Instance, feasible_instance


def allocate_literally(instance: Instance) -> np.ndarray:
    problem = instance.problem()
    users = instance.users(problem)
    largest = np.nan_to_num(np.abs(instance.expected_revenue)).max(axis=0)
    score_table = DriverScoreTable(users, problem.classes)
    phases, _ = literal_allocation(problem, score_table, grid_exponents(largest, len(users.user_id)), 7)
    return replay(phases, users, instance.k)


def loop_over_users(instance: Instance) -> list[set[int]]:
    """Algorithm 1, lines 2 to 10, user by user, in fractions. The sum in h is over finite steps only."""
    users, funds = instance.expected_revenue.shape
    demand = [int(d) for d in instance.demand]
    value = [[Fraction(float(e)) if e == e else None for e in row] for row in instance.expected_revenue]
    taken: list[set[int]] = [set() for _ in range(users)]
    left = list(range(users))
    while left:
        open_funds = {u: [f for f in range(funds) if value[u][f] is not None and demand[f] > 0] for u in left}
        alpha = [
            sum((value[u][f] for u in left if f in open_funds[u]), Fraction(0)) / demand[f]
            if demand[f]
            else Fraction(0)
            for f in range(funds)
        ]
        ranked = {u: sorted(open_funds[u], key=lambda f, u=u: (-value[u][f], f)) for u in left}
        score = {
            u: sum((alpha[a] * (value[u][a] - value[u][b]) for a, b in pairwise(ranked[u])), Fraction(0)) for u in left
        }
        served = []
        for u in sorted(left, key=lambda u: (-score[u], u)):
            taken[u] = set(ranked[u][: instance.k])
            served.append(u)
            for f in taken[u]:
                demand[f] -= 1
            if any(demand[f] == 0 for f in taken[u]):
                break
        left = [u for u in left if u not in served]
    return taken


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_the_sweep_equals_the_papers_loop_over_users(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    revenue = rng.integers(0, 12, (60, 5)).astype(float) if seed % 2 else rng.lognormal(0, 1, (60, 5)).round(3)
    instance = feasible_instance(rng, 60, np.array([1, 1, 2, 3, 5]), k, revenue)
    taken = allocate_literally(instance)
    assert [{int(f) for f in row if f >= 0} for row in taken] == loop_over_users(instance)


def test_it_leaves_cautious_users_without_a_fund() -> None:
    """The guarded sweep serves these four users (see test_guarded_sweep). The printed one leaves two without a fund."""
    revenue = np.array([[9.0, 1.0], [8.0, 1.0], [7.0, np.nan], [6.0, np.nan]])
    taken = allocate_literally(Instance(revenue, np.array([2, 2]), 1))
    np.testing.assert_array_equal(taken[:, 0], [0, 0, -1, -1])
