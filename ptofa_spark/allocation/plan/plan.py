"""The allocation plan: the steps of a sweep as JSON, and the allocation made of them by one map over the users."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from ptofa_spark.allocation.plan.step_json import step_from_json, step_to_json
from ptofa_spark.allocation.plan.steps import Step, replay
from ptofa_spark.allocation.problem.problem import AllocationProblem, UserBatch
from ptofa_spark.allocation.scores.marks import Clip
from ptofa_spark.allocation.scores.score_table import SparkScoreTable, clipped_users
from ptofa_spark.arrays import Ints
from ptofa_spark.running.whole_file import write_whole
from ptofa_spark.tables.contracts.schemas import ALLOCATION

PLAN_JSON = "plan.json"
ROWS = pa.schema(
    [
        pa.field("campaign_id", pa.string(), nullable=False),
        pa.field("user_id", pa.int64(), nullable=False),
        pa.field("slot", pa.int32(), nullable=False),
        pa.field("fund_id", pa.string(), nullable=False),
        pa.field("expected_revenue", pa.float64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class AllocationPlan:
    """Everything it takes to repeat an allocation on the same scores: funds sorted by id, K, and the steps.

    clip: what the steps see of the scores, where there are marks (see `marks`); the rows keep the scores as they are.
    """

    campaign_id: str
    k: int
    fund_ids: tuple[str, ...]
    steps: tuple[Step, ...]
    clip: Clip | None = None

    def write(self, directory: str) -> None:
        """Writes `directory/plan.json`; floats keep every bit."""
        path = Path(directory) / PLAN_JSON
        content = {
            "campaign_id": self.campaign_id,
            "k": self.k,
            "fund_ids": self.fund_ids,
            **({} if self.clip is None else {"clip": self.clip.to_json()}),
            "steps": [step_to_json(step) for step in self.steps],
        }
        write_whole(path, json.dumps(content, ensure_ascii=False, indent=1) + "\n")

    def taken(self, users: UserBatch) -> Ints:
        """What each user holds: (users, k) columns, negative where a slot is empty. users: revenues as they are."""
        return replay(self.steps, clipped_users(users, self.clip), self.k)

    def rows(self, users: UserBatch, taken: Ints) -> pa.RecordBatch:
        """The users' rows of the allocation, ROWS: slots by falling expected revenue, ties by fund.

        Args:
            users: revenues as they are.
            taken: what they hold.
        """
        held = (taken >= 0) & (taken < len(self.fund_ids))
        expected_revenue = np.take_along_axis(users.expected_revenue, np.where(held, taken, 0), axis=1)
        order = np.lexsort((taken, np.where(held, -expected_revenue, np.inf)), axis=1)
        taken, held = np.take_along_axis(taken, order, axis=1), np.take_along_axis(held, order, axis=1)
        expected_revenue = np.take_along_axis(expected_revenue, order, axis=1)
        rows, slots = np.nonzero(held)
        return pa.record_batch(
            [
                pa.array([self.campaign_id]).take(pa.array(np.zeros(len(rows), dtype=np.int64))),
                pa.array(users.user_id[rows]),
                pa.array((slots + 1).astype(np.int32)),
                pa.array(self.fund_ids, pa.string()).take(pa.array(taken[rows, slots])),
                pa.array(expected_revenue[rows, slots]),
            ],
            schema=ROWS,
        )

    @classmethod
    def read(cls, directory: str, step_types: Iterable[type[Step]]) -> AllocationPlan:
        """Reads `directory/plan.json`.

        Args:
            directory: a report of `allocate`.
            step_types: the classes that its steps may be of; `methods.STEPS` has all.

        Raises:
            FileNotFoundError: no plan was written there.
        """
        step_types = tuple(step_types)
        content = json.loads((Path(directory) / PLAN_JSON).read_text(encoding="utf-8"))
        steps = tuple(step_from_json(step, step_types) for step in content["steps"])
        clip = Clip.from_json(content["clip"]) if "clip" in content else None
        return cls(content["campaign_id"], content["k"], tuple(content["fund_ids"]), steps, clip)


def allocation(plan: AllocationPlan, score_table: SparkScoreTable) -> DataFrame:
    """The allocation table of a plan: ALLOCATION rows, each user's slots by falling expected revenue, ties by fund.

    Args:
        plan: the steps.
        score_table: the scores as they are; the plan knows how to clip them.
    """

    def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
        return (plan.rows(batch, plan.taken(batch)) for batch in batches)

    return score_table.map(kernel, ROWS).to(ALLOCATION)


def plan_of(problem: AllocationProblem, steps: Sequence[Step], clip: Clip | None = None) -> AllocationPlan:
    """The plan of a problem's steps, and of what they see of the scores."""
    return AllocationPlan(problem.campaign_id, problem.k, problem.funds.ids, tuple(steps), clip)
