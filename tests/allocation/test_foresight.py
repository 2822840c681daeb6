"""The steps of HA and of the manual strategy are the same, foretold from a sample or searched one by one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptofa_spark.allocation.baselines.manual import manual_allocation
from ptofa_spark.allocation.heuristic.phase_loop import heuristic_allocation
from ptofa_spark.allocation.plan.step_json import step_to_json
from ptofa_spark.allocation.plan.steps import Step
from ptofa_spark.allocation.problem.balanced_network import balanced_network
from ptofa_spark.allocation.scores.score_table import DriverScoreTable, Kept, Kernel
from ptofa_spark.reproducible.exact_sums import grid_exponents
from tests.allocation.instances import Instance, any_instance, feasible_instance

LEVELS = np.array([1, 1, 2, 3, 3, 4, 5, 5])


class CountedTable(DriverScoreTable):
    """Counts the passes, over all tables."""

    passes = 0
    trim_after = 8  # as on Spark

    def collect(self, kernel: Kernel, schema: pa.Schema) -> pa.Table:
        CountedTable.passes += 1
        return super().collect(kernel, schema)

    def only(self, kept: Kept) -> CountedTable:
        left = super().only(kept)
        return CountedTable(left.users, left.classes)


def steps(method: str, instance: Instance, max_rows: int, sample: int, mode: str = "exact") -> tuple[Step, ...]:
    problem = instance.problem(mode)
    users = instance.users(problem)
    grid = grid_exponents(np.nan_to_num(np.abs(instance.expected_revenue)).max(axis=0), len(users.user_id))
    table = CountedTable(users, problem.classes)
    CountedTable.passes = 0
    if method == "ha":
        return heuristic_allocation(problem, table, grid, max_rows, sample)[0]
    return manual_allocation(problem, table, np.arange(len(instance.demand))[::-1], grid, max_rows, sample)


def assert_same(method: str, instance: Instance, max_rows: int, sample: int, mode: str = "exact") -> None:
    foretold = steps(method, instance, max_rows, sample, mode)
    searched = steps(method, instance, 10**9, 1, mode)
    assert [step_to_json(step) for step in foretold] == [step_to_json(step) for step in searched]


@pytest.mark.thorough
@settings(max_examples=500, deadline=None)
@given(any_instance(), st.integers(1, 40), st.integers(1, 80), st.sampled_from(["exact", "at-most", "partial"]))
def test_any_sample_gives_the_steps_that_a_search_finds(
    instance: Instance, max_rows: int, sample: int, mode: str
) -> None:
    assert_same("manual", instance, max_rows, sample, mode)
    if balanced_network(instance.problem(mode)).is_feasible():
        assert_same("ha", instance, max_rows, sample, mode)


@pytest.mark.parametrize("method", ["ha", "manual"])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("sample", [50, 2_000, 20_000])
def test_steps_are_foretold(method: str, k: int, sample: int) -> None:
    instance = feasible_instance(np.random.default_rng(k), 20_000, LEVELS, k)
    assert_same(method, instance, 6_000, sample)


@pytest.mark.parametrize("method", ["ha", "manual"])
def test_foretelling_saves_passes(method: str) -> None:
    instance = feasible_instance(np.random.default_rng(5), 30_000, LEVELS, k=1)
    foretold = steps(method, instance, 8_000, 20_000)
    with_sample = CountedTable.passes
    steps(method, instance, 8_000, sample=0)
    assert len(foretold) >= 6
    assert CountedTable.passes >= 3 * with_sample
