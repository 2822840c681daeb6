"""The certificate: its upper bound, and the exchange that would gain most."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from ptofa_spark.allocation.certificate.bound import Account, certify
from ptofa_spark.allocation.exact.price_loop import exact_allocation
from ptofa_spark.allocation.exact.residual_prices import worst_cycle
from ptofa_spark.allocation.problem.choice_rule import choice_rule
from ptofa_spark.allocation.scores.score_table import DriverScoreTable
from tests.allocation.instances import Instance, feasible_instance
from tests.allocation.solving import EVERYTHING, LEVELS, allocate_exactly, linear_optimum, objective


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["exact", "at-most", "partial"])
def test_the_upper_bound_is_the_optimum_at_optimal_prices(mode: str) -> None:
    """At any other prices it is a bound too."""
    made = feasible_instance(np.random.default_rng(21), 2_000, LEVELS, k=2)
    change = {"exact": 0, "at-most": 130, "partial": -np.minimum(made.demand, 90)}[mode]
    instance = replace(made, demand=made.demand + change)
    taken, found, rule = allocate_exactly(instance, 6_000, mode)
    problem = instance.problem(mode)
    score_table = DriverScoreTable(instance.users(problem), problem.classes)
    largest = float(np.nanmax(np.abs(instance.expected_revenue)))
    value, optimum = objective(instance, taken), linear_optimum(instance, mode)
    assert found.step is not None
    closed = certify(Account.of(rule, problem.users, found.prices, largest), score_table, [found.step])
    assert optimum <= closed.upper_bound * (1 + 1e-12)
    assert closed.upper_bound == pytest.approx(value, rel=1e-9)
    assert closed.worst_cycle >= -1e-6
    elsewhere = Account.of(rule, problem.users, found.prices + np.arange(rule.funds), largest)
    anywhere = certify(elsewhere, score_table, [found.step])
    assert anywhere.upper_bound >= optimum * (1 - 1e-12)


def test_an_exchange_that_would_gain_is_a_negative_cycle() -> None:
    """In the swapped allocation an exchange of the two funds gains 1 for two exposures."""
    instance = Instance(np.array([[5.0, 3.0], [4.0, 3.0]]), np.array([1, 1]), 1)
    problem = instance.problem()
    score_table, rule = DriverScoreTable(instance.users(problem), problem.classes), choice_rule(problem)
    found = exact_allocation(rule, score_table, 1, EVERYTHING)
    assert found.step is not None
    swapped = replace(found.step, undecided=np.array([0, 1]), columns=np.array([[1], [0]]))
    account = Account.of(rule, problem.users, found.prices, 5.0)
    good, bad = (certify(account, score_table, [step]) for step in (found.step, swapped))
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
