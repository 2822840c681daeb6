"""`exact` on an instance that the driver holds, and the optimum that it must reach."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, vstack

from ptofa_spark.allocation.exact.price_loop import ExactSolution, PriceStart, exact_allocation
from ptofa_spark.allocation.plan.steps import replay
from ptofa_spark.allocation.problem.choice_rule import ChoiceRule, choice_rule
from ptofa_spark.allocation.scores.score_table import DriverScoreTable
from tests.allocation.instances import Instance

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
