"""What a sweep leaves behind: steps, each with the order of its users, their choice, and the cut where it ended.

A step is enough to repeat its part of the sweep for any user alone, so the list of steps is the allocation plan: the
final assignment is one map over the users that replays it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.arrays import Bools, Floats, Ints

FREE = -2  # a slot not yet filled
NOTHING = -1  # a slot left empty for good


@dataclass(frozen=True)
class Cut:
    """The last user that a step serves: users stand by falling `value`, ties by rising user_id."""

    value: float
    user_id: int


@dataclass(frozen=True)
class Ranked:
    """The users of a batch that a step is about.

    rows: (ranked,), their rows in the batch; value: (ranked,), what orders them; chosen: (ranked, taken), the columns
    of the funds they take.
    """

    rows: Ints
    value: Floats
    chosen: Ints


class Step(Protocol):
    """One part of a sweep, between two events; a frozen dataclass, in the module of the method that makes it."""

    name: ClassVar[str]  # in plan.json

    @property
    def cut(self) -> Cut | None:
        """Where the step ended; None if it serves everyone it ranks."""

    def rank(self, batch: UserBatch, taken: Ints) -> Ranked:
        """The users still to be served; taken: (users, k), what they hold already, FREE where nothing yet."""


def places_among(sorted_ids: Ints, user_id: Ints) -> tuple[Ints, Ints]:
    """Rows of `user_id` that stand among the sorted ids, and where."""
    if len(sorted_ids) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    place = np.minimum(np.searchsorted(sorted_ids, user_id), len(sorted_ids) - 1)
    rows = np.flatnonzero(sorted_ids[place] == user_id)
    return rows, place[rows]


def replay(steps: Sequence[Step], batch: UserBatch, k: int) -> Ints:
    """What each user holds after the steps: (users, k) columns, FREE or NOTHING where a slot is empty."""
    taken = np.full((len(batch.user_id), k), FREE, dtype=np.int64)
    for step in steps:
        advance(step, batch, taken)
    return taken


def advance(step: Step, batch: UserBatch, taken: Ints) -> None:
    """Puts what one more step gives the users into `taken`, (users, k)."""
    ranked = step.rank(batch, taken)
    served = at_or_before(step.cut, ranked.value, batch.user_id[ranked.rows])
    fill(taken, ranked.rows[served], ranked.chosen[served])


def fill(taken: Ints, rows: Ints, chosen: Ints) -> None:
    """Puts what users take, chosen (served, taken), into the first free slots of their rows in `taken`."""
    first_free = (taken[rows] != FREE).sum(axis=1)
    for place in range(chosen.shape[1]):
        taken[rows, first_free + place] = chosen[:, place]


def without_a_fund(steps: Sequence[Step], k: int) -> Callable[[UserBatch], Bools]:
    """Tells for each user of a batch whether the steps leave them without a single fund: (users,)."""
    done = tuple(steps)
    return lambda users: replay(done, users, k)[:, 0] == FREE


def at_or_before(cut: Cut | None, value: Floats, user_id: Ints) -> Bools:
    """Whether each user, with value (users,) and user_id (users,), stands at or before the cut: (users,)."""
    if cut is None:
        return np.ones(len(value), dtype=bool)
    before: Bools = (value > cut.value) | ((value == cut.value) & (user_id <= cut.user_id))
    return before
