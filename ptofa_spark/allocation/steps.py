"""What a sweep leaves behind: steps, each with the order of its users, their choice, and the cut where it ended.

A step is enough to repeat its part of the sweep for any user alone, so the list of steps is the allocation plan: the
final assignment is one map over the users that replays it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ptofa_spark.allocation.choice import heuristic_scores, preference, top_k
from ptofa_spark.allocation.choice_rule import ChoiceRule
from ptofa_spark.allocation.nudge import Nudge
from ptofa_spark.allocation.problem import Bools, Floats, Ints, UserBatch

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
    """One part of a sweep, between two events."""

    @property
    def cut(self) -> Cut | None:
        """Where the step ended; None if it serves everyone it ranks."""

    def rank(self, batch: UserBatch, taken: Ints) -> Ranked:
        """The users still to be served; taken: (users, k), what they hold already, FREE where nothing yet."""


@dataclass(frozen=True)
class Phase:
    """A phase of HA: users by heuristic score, each taking the top K of the funds open to his class.

    alpha, ranks: (columns,); open: (classes, columns). A column is a fund; in mode partial, K more stand for "nothing".
    reach: see `heuristic_scores`.
    exceptions: users whose own choice would have left others unserved, and what they take instead.
    """

    k: int
    funds: int
    alpha: Floats
    ranks: Ints
    open: Bools
    reach: int
    cut: Cut | None = None
    exceptions: tuple[tuple[int, tuple[int, ...]], ...] = ()

    def rank(self, batch: UserBatch, taken: Ints) -> Ranked:
        """See `Step`."""
        rows = np.flatnonzero(taken[:, 0] == FREE)
        revenue = batch.expected_revenue[rows]
        nothing = len(self.alpha) - self.funds
        if nothing:
            revenue = np.hstack([revenue, np.zeros((len(rows), nothing))])
        open_pairs = self.open[batch.class_index[rows]]
        order = preference(revenue, open_pairs)
        chosen = top_k(order, open_pairs, self.ranks, self.k)
        for user_id, columns in self.exceptions:
            chosen[batch.user_id[rows] == user_id] = columns
        return Ranked(rows, heuristic_scores(revenue, order, open_pairs, self.alpha, self.reach), chosen)


@dataclass(frozen=True)
class Take:
    """A step of the manual strategy: one fund, users by expected revenue, each with a free slot takes it."""

    fund: int
    cut: Cut | None = None

    def rank(self, batch: UserBatch, taken: Ints) -> Ranked:
        """See `Step`."""
        revenue = batch.expected_revenue[:, self.fund]
        rows = np.flatnonzero((taken == FREE).any(axis=1) & ~np.isnan(revenue))
        return Ranked(rows, revenue[rows], np.full((len(rows), 1), self.fund, dtype=np.int64))


@dataclass(frozen=True)
class Priced:
    """The one step of an optimum: each user takes the top K of E - price, but for a few whom prices leave undecided.

    prices: (funds,) of the rule, money; undecided: (users,), sorted user ids; columns: (users, k), what these take.
    """

    rule: ChoiceRule
    prices: Floats
    nudge: Nudge
    undecided: Ints
    columns: Ints
    cut: Cut | None = None

    def rank(self, batch: UserBatch, taken: Ints) -> Ranked:
        """See `Step`; nothing orders the users, since all of them are served."""
        rows = np.flatnonzero(taken[:, 0] == FREE)
        nudge = self.nudge.of(batch.user_id[rows], self.rule.funds)
        values = self.rule.values(batch.expected_revenue[rows], self.prices) + nudge
        chosen = self.rule.choose(values, batch.class_index[rows])
        told, place = _found(self.undecided, batch.user_id[rows])
        if len(told):
            chosen[told] = self.columns[place]
        return Ranked(rows, np.zeros(len(rows)), chosen)


@dataclass(frozen=True)
class Assigned:
    """A step that names each user's funds, as solvers of small instances do.

    user_ids: (users,), sorted; columns: (users, k), NOTHING for an empty slot.
    """

    user_ids: Ints
    columns: Ints
    cut: Cut | None = None

    def rank(self, batch: UserBatch, taken: Ints) -> Ranked:
        """See `Step`."""
        rows, place = _found(self.user_ids, batch.user_id)
        return Ranked(rows, np.zeros(len(rows)), self.columns[place])


def _found(sorted_ids: Ints, user_id: Ints) -> tuple[Ints, Ints]:
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
        ranked = step.rank(batch, taken)
        served = at_or_before(step.cut, ranked.value, batch.user_id[ranked.rows])
        rows, chosen = ranked.rows[served], ranked.chosen[served]
        first_free = (taken[rows] != FREE).sum(axis=1)
        for place in range(chosen.shape[1]):
            taken[rows, first_free + place] = chosen[:, place]
    return taken


def at_or_before(cut: Cut | None, value: Floats, user_id: Ints) -> Bools:
    """Whether each user, with value (users,) and user_id (users,), stands at or before the cut: (users,)."""
    if cut is None:
        return np.ones(len(value), dtype=bool)
    before: Bools = (value > cut.value) | ((value == cut.value) & (user_id <= cut.user_id))
    return before
