"""The step of HA: a phase of the sweep, in which the set of open funds stays the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ptofa_spark.allocation.plan.steps import FREE, Cut, Ranked
from ptofa_spark.allocation.problem.choice import heuristic_scores, preference, top_k
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class Phase:
    """A phase of HA: users by heuristic score, each taking the top K of the funds open to his class.

    alpha, ranks: (columns,); open: (classes, columns). A column is a fund; in mode partial, K more stand for "nothing".
    reach: see `heuristic_scores`.
    exceptions: users whose own choice would have left others unserved, and what they take instead.
    """

    name: ClassVar[str] = "phase"
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
