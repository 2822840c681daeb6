"""Bounds of any kind: the balanced network knows which can be met, and the guarded sweep meets them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, vstack

from ptofa_spark.allocation.heuristic.phase_loop import heuristic_allocation
from ptofa_spark.allocation.plan.steps import replay
from ptofa_spark.allocation.problem.balanced_network import balanced_network
from ptofa_spark.allocation.problem.demand_modes import at_most, exact, partial
from ptofa_spark.allocation.problem.problem import Bounds
from ptofa_spark.allocation.scores.score_table import DriverScoreTable
from ptofa_spark.reproducible.exact_sums import grid_exponents
from tests.allocation.instances import Instance


@st.composite
def any_bounds(draw: st.DrawFn) -> tuple[Instance, Bounds]:
    """A few users, and bounds around an arbitrary demand."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    funds, users = draw(st.integers(1, 5)), draw(st.integers(1, 12))
    eligible = rng.random((users, funds)) < draw(st.sampled_from([0.4, 0.8, 1.0]))
    slots_high = draw(st.integers(1, 3))
    slots_low = draw(st.integers(0, slots_high))
    middle = rng.integers(0, users + 1, funds)
    low = np.maximum(middle - rng.integers(0, 3, funds), 0)
    high = middle + rng.integers(0, 3, funds)
    revenue = np.where(eligible, rng.lognormal(0.0, 1.0, (users, funds)).round(1), np.nan)
    return Instance(revenue, high, slots_high), Bounds(low, high, slots_low, slots_high)


def can_be_met(instance: Instance, bounds: Bounds) -> bool:
    """By a linear program over single users, whose corners are whole."""
    users, funds = np.nonzero(instance.eligible)
    pairs = np.arange(len(users))
    ones = np.ones(len(pairs))
    rows = vstack(
        [
            csr_matrix((ones, (users, pairs)), shape=(len(instance.expected_revenue), len(pairs))),
            csr_matrix((ones, (funds, pairs)), shape=(len(instance.demand), len(pairs))),
        ]
    )
    n_users = len(instance.expected_revenue)
    low = np.concatenate([np.full(n_users, bounds.slots_low), bounds.demand_low])
    high = np.concatenate([np.full(n_users, bounds.slots_high), bounds.demand_high])
    if not len(pairs):
        return bool((low <= 0).all())
    found = linprog(np.zeros(len(pairs)), A_ub=vstack([rows, -rows]), b_ub=np.concatenate([high, -low]), bounds=(0, 1))
    return bool(found.status == 0)


# Nobodies may take two exposures of fund 0, three of fund 2 and none of fund 3. The user who ended the first phase once
# left them more.
LIMITED = (
    Instance(
        np.array(
            [
                [0.5, 0.6, 1.0, 0.4, 0.5],
                [0.5, 0.6, 0.9, 0.5, 0.6],
                [0.3, 1.9, 0.4, 1.6, 2.1],
                [0.2, 0.5, 0.2, 4.2, 0.5],
                [1.2, 0.6, 0.6, 1.4, 0.4],
            ]
        ),
        np.array([4, 4, 6, 3, 3]),
        2,
    ),
    Bounds(np.array([2, 0, 3, 3, 0]), np.array([4, 4, 6, 3, 3]), 0, 2),
)


@pytest.mark.thorough
@settings(max_examples=400, deadline=None)
@example(LIMITED)
@given(any_bounds())
def test_bounds_that_can_be_met_are_met_by_the_guarded_sweep(case: tuple[Instance, Bounds]) -> None:
    instance, bounds = case
    problem = replace(instance.problem(), bounds=bounds)
    feasible = balanced_network(problem).is_feasible()
    assert feasible == can_be_met(instance, bounds)
    if not feasible:
        return
    users = instance.users(problem)
    grid = grid_exponents(np.nan_to_num(np.abs(instance.expected_revenue)).max(axis=0), len(users.user_id))
    phases, _ = heuristic_allocation(problem, DriverScoreTable(users, problem.classes), grid, 100)
    columns = replay(phases, users, problem.k)
    shown = np.zeros(instance.expected_revenue.shape, dtype=np.int64)
    rows, slots = np.nonzero((columns >= 0) & (columns < len(problem.funds)))
    np.add.at(shown, (rows, columns[rows, slots]), 1)
    assert shown.max(initial=0) <= 1
    assert not shown[~instance.eligible].any()
    assert ((bounds.slots_low <= shown.sum(axis=1)) & (shown.sum(axis=1) <= bounds.slots_high)).all()
    assert ((bounds.demand_low <= shown.sum(axis=0)) & (shown.sum(axis=0) <= bounds.demand_high)).all()


def test_each_mode_makes_the_bounds_of_its_name() -> None:
    demand = np.array([3, 1])
    for mode, made in {"exact": exact, "scale": exact, "at-most": at_most, "partial": partial}.items():
        instance = Instance(np.ones((4, 2)), demand, 1)
        found, wanted = instance.problem(mode).bounds, made(demand, 1)
        assert (found.slots_low, found.slots_high) == (wanted.slots_low, wanted.slots_high)
        assert found.demand_low.tolist() == wanted.demand_low.tolist()
        assert found.demand_high.tolist() == wanted.demand_high.tolist()
    assert at_most(demand, 1).demand_low.tolist() == [0, 0]
    assert partial(demand, 2).slots_low == 0
    assert exact(demand, 2).slots_low == 2
