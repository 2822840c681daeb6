"""The steps of a plan, written as JSON and read back."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from ptofa_spark.allocation.methods import all_steps
from ptofa_spark.allocation.plan.assigned import Assigned
from ptofa_spark.allocation.plan.step_json import step_from_json, step_to_json
from ptofa_spark.allocation.plan.steps import replay
from tests.allocation.instances import feasible_instance
from tests.allocation.solving import EVERYTHING, LEVELS, allocate_exactly


def test_any_step_is_read_back_as_it_was_written() -> None:
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
