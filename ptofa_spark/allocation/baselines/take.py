"""The step of the manual strategy: one fund takes its demand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ptofa_spark.allocation.heuristic.event_search import EventUser, Tally
from ptofa_spark.allocation.plan.steps import FREE, Cut, Ranked
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.arrays import Ints


@dataclass(frozen=True)
class Take:
    """A step of the manual strategy: one fund, users by expected revenue, each with a free slot takes it."""

    name: ClassVar[str] = "take"
    fund: int
    cut: Cut | None = None

    def rank(self, batch: UserBatch, taken: Ints) -> Ranked:
        """See `Step`."""
        expected_revenue = batch.expected_revenue[:, self.fund]
        rows = np.flatnonzero((taken == FREE).any(axis=1) & ~np.isnan(expected_revenue))
        return Ranked(rows, expected_revenue[rows], np.full((len(rows), 1), self.fund, dtype=np.int64))

    def closed(self, event: EventUser | None) -> Take:
        """The step with its cut, if the fund was filled."""
        return self if event is None else replace(self, cut=Cut(event.value, event.user_id))

    def filled(self, demand: Ints) -> Callable[[Tally], int]:
        """The event that the fund has its demand, of (funds,)."""
        return lambda running: int(np.searchsorted(running.chosen[:, self.fund], demand[self.fund], side="left"))
