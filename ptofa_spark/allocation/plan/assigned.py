"""The step of methods that name the funds of each user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ptofa_spark.allocation.plan.steps import Cut, Ranked, places_among
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.arrays import Ints


@dataclass(frozen=True)
class Assigned:
    """A step that names each user's funds, as solvers of small instances do.

    user_ids: (users,), sorted; columns: (users, k), NOTHING for an empty slot.
    """

    name: ClassVar[str] = "assigned"
    user_ids: Ints
    columns: Ints
    cut: Cut | None = None

    def rank(self, batch: UserBatch, taken: Ints) -> Ranked:
        """See `Step`."""
        rows, place = places_among(self.user_ids, batch.user_id)
        return Ranked(rows, np.zeros(len(rows)), self.columns[place])
