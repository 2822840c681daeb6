"""The step of HA: a phase of the sweep, in which the set of open funds stays the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ptofa_spark.allocation.heuristic.settled import UnforeseenError
from ptofa_spark.allocation.plan.steps import FREE, Cut, Ranked
from ptofa_spark.allocation.problem.choice import heuristic_scores, losses, top_k
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class Phase:
    """A phase of HA: users by heuristic score, each taking the top K of the funds open to their class.

    alpha, ranks: (columns,); open: (classes, columns), choice columns of the balanced network. funds: of the campaign,
    which are the first columns. reach: see `losses`.
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
        return self.rank_by(batch, taken, self.alpha)[0]

    def rank_by(self, batch: UserBatch, taken: Ints, *alphas: Floats) -> list[Ranked]:
        """The same users and choices in several orders, one for each alpha (columns,)."""
        rows = np.flatnonzero(taken[:, 0] == FREE)
        falling = batch.falling(len(self.alpha)).users(rows)
        is_open = falling.is_open(self.open, batch.class_index[rows])
        chosen = top_k(falling, is_open, self.ranks, self.k)
        for user_id, columns in self.exceptions:
            chosen[batch.user_id[rows] == user_id] = columns
        loss = losses(falling, is_open, self.reach)
        return [Ranked(rows, heuristic_scores(falling, loss, alpha), chosen) for alpha in alphas]


@dataclass(frozen=True)
class PhaseBetween:
    """A phase whose alpha is not known, but that it is between those of two phases, which are the same otherwise."""

    low: Phase
    high: Phase

    @property
    def is_known(self) -> bool:
        """Whether both are the same."""
        return bool((self.low.alpha == self.high.alpha).all())

    def bounds(self, batch: UserBatch, taken: Ints) -> tuple[Ranked, Ranked]:
        """See `Foretold`: a user loses nothing by their best fund, so the scores rise with each alpha."""
        alphas = (self.low.alpha,) if self.is_known else (self.low.alpha, self.high.alpha)
        ranked = self.low.rank_by(batch, taken, *alphas)
        return ranked[0], ranked[-1]

    def require(self, phase: Phase) -> None:
        """Requires that a phase is between.

        Raises:
            UnforeseenError: other funds are open to some users, or an alpha is not between.
        """
        if not (np.array_equal(phase.ranks, self.low.ranks) and np.array_equal(phase.open, self.low.open)):
            raise UnforeseenError("other funds are open")
        if not ((self.low.alpha <= phase.alpha) & (phase.alpha <= self.high.alpha)).all():
            raise UnforeseenError("an alpha is not where it was expected")
