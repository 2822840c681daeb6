"""The step of an optimum: every user at once, by prices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ptofa_spark.allocation.exact.nudge import Nudge
from ptofa_spark.allocation.plan.steps import FREE, Cut, Ranked, places_among
from ptofa_spark.allocation.problem.choice_rule import ChoiceRule
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.arrays import Floats, Ints


@dataclass(frozen=True)
class Priced:
    """The one step of an optimum: each user takes the top K of E - price, but for a few whom prices leave undecided.

    prices: (funds,) of the rule, money; undecided: (users,), sorted user ids; columns: (users, k), what these take.
    """

    name: ClassVar[str] = "priced"
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
        told, place = places_among(self.undecided, batch.user_id[rows])
        if len(told):
            chosen[told] = self.columns[place]
        return Ranked(rows, np.zeros(len(rows)), chosen)
