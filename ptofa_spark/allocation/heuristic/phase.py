"""The step of HA: a phase of the sweep, in which the set of open funds stays the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ptofa_spark.allocation.plan.steps import FREE, Cut, Ranked
from ptofa_spark.allocation.problem.balanced_network import widened
from ptofa_spark.allocation.problem.choice import heuristic_scores, preference, top_k
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class Phase:
    """A phase of HA: users by heuristic score, each taking the top K of the funds open to their class.

    alpha, ranks: (columns,); open: (classes, columns), choice columns of the balanced network. funds: of the campaign,
    which are the first columns. reach: see `heuristic_scores`.
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
        expected_revenue = widened(batch.expected_revenue[rows], len(self.alpha))
        open_pairs = self.open[batch.class_index[rows]]
        order = preference(expected_revenue, open_pairs)
        chosen = top_k(order, open_pairs, self.ranks, self.k)
        for user_id, columns in self.exceptions:
            chosen[batch.user_id[rows] == user_id] = columns
        return Ranked(rows, heuristic_scores(expected_revenue, order, open_pairs, self.alpha, self.reach), chosen)
