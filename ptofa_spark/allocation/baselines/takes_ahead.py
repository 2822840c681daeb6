"""Several steps of the manual strategy by one pass over the users, where a sample foretells their cuts."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from ptofa_spark.allocation.baselines.take import Take
from ptofa_spark.allocation.heuristic.settled import (
    Forecast,
    KnownStep,
    UnforeseenError,
    certainly_served,
    most_steps,
    most_users,
    settle,
)
from ptofa_spark.allocation.plan.steps import Cut, Ranked, fill, replay
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.allocation.scores.sample import sampled_users
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.arrays import Ints

logger = logging.getLogger(__name__)

_ERRORS = 3.0  # standard errors on either side of a cut


class TakesAhead:
    """The steps that a sample foretells.

    Without it a step takes two passes. If nothing is foretold, the sample and the one pass that failed are lost.
    """

    def __init__(
        self,
        problem: AllocationProblem,
        score_table: ScoreTable,
        grid: Ints,
        most_open: int,
        sample_users: int,
        seed: int,
    ) -> None:
        """most_open: users that may come to the driver at once; sample_users, seed: of the sample."""
        classes, funds = problem.classes.eligible.shape
        room = most_users(classes, funds)
        self._problem, self._score_table, self._grid = problem, score_table, grid
        self._most_open, self._most_steps = min(most_open, room), most_steps(classes, funds)
        self._sample = sampled_users(score_table, min(sample_users, room) / problem.users, seed)
        self._failed = False

    def steps(self, done: Sequence[Take], left: Sequence[Take]) -> list[Take]:
        """The next steps, with their cuts, as far as they were foretold.

        Args:
            done: the steps so far.
            left: those that are to follow, without their cuts.
        """
        forecasts = [] if self._failed else self._forecasts(done, left)
        if not forecasts:
            return []
        k, demand = self._problem.k, self._problem.bounds.demand_high
        settled = settle(self._score_table, done, forecasts, k, len(demand), self._grid)
        steps: list[Take] = []
        for number, take in enumerate(left[: len(forecasts)]):
            try:
                step = take.closed(settled.event(number, take, take.filled(demand)))
            except UnforeseenError as why:
                logger.info("step=%d unforeseen=%s", len(done) + number + 1, why)
                break
            settled.advance(step)
            steps.append(step)
        self._failed = not steps
        return steps

    def _forecasts(self, done: Sequence[Take], left: Sequence[Take]) -> list[Forecast[KnownStep]]:
        """Forecasts of the next steps, as many as leave few enough users unsettled."""
        sample, each = self._sample, self._problem.users / max(len(self._sample.user_id), 1)
        taken = replay(done, sample, self._problem.k)
        settled, is_open = taken.copy(), np.zeros(len(taken), dtype=bool)
        forecasts: list[Forecast[KnownStep]] = []
        for take in left[: self._most_steps]:
            ranked = take.rank(sample, taken)
            order = np.lexsort((sample.user_id[ranked.rows], -ranked.value))
            places = self._problem.bounds.demand_high[take.fund] / each
            off = _ERRORS * np.sqrt(2.0 * places)
            first, last = int(np.floor(places - off)), int(np.ceil(places + off))
            if first <= 0 and last >= len(order):
                break
            forecast = Forecast(KnownStep(take), self._cut(ranked, order, first), self._cut(ranked, order, last))
            is_open |= certainly_served([forecast], sample, settled)[1]
            if is_open.sum() * each > self._most_open:
                break
            forecasts.append(forecast)
            served = order[: round(places)]
            fill(taken, ranked.rows[served], ranked.chosen[served])
        return forecasts

    def _cut(self, ranked: Ranked, order: Ints, place: int) -> Cut | None:
        """The user at a place of the order; None before its first and behind its last."""
        if not 0 < place < len(order):
            return None
        return Cut(float(ranked.value[order[place]]), int(self._sample.user_id[ranked.rows[order[place]]]))
