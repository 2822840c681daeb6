"""What HA foresees of its next phases, and the phases that then stand."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ptofa_spark.allocation.heuristic.alphas import alphas_of
from ptofa_spark.allocation.heuristic.forecast import forecast_phases
from ptofa_spark.allocation.heuristic.phase import Phase, PhaseBetween
from ptofa_spark.allocation.heuristic.settled import (
    Forecast,
    Settled,
    UnforeseenError,
    add_units,
    most_users,
    settle,
)
from ptofa_spark.allocation.heuristic.sweep import Sweep
from ptofa_spark.allocation.heuristic.waiting import Waiting
from ptofa_spark.allocation.plan.steps import without_a_fund
from ptofa_spark.allocation.problem.class_flow import NetworkState
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.allocation.scores.score_rows import SAMPLE_USERS, Draw
from ptofa_spark.allocation.scores.sums_and_users import SUMS_AND_USERS, sums_and_users, sums_batch, users_batch
from ptofa_spark.arrays import Bools, Floats, Ints

logger = logging.getLogger(__name__)

_PASSES_A_PHASE = 3


@dataclass(frozen=True)
class _Known:
    """Of the users who are left: a sample, and the sums of E on the grid, (classes, funds)."""

    sample: UserBatch
    units: Ints


class Foresight:
    """Several phases of HA by one pass over the users, where a sample foretells them.

    Without it a phase takes three passes. A phase that was foretold wrongly costs one pass, and no more than one in all
    is risked beyond what was saved before.
    """

    def __init__(self, sweep: Sweep, grid: Ints, most_open: int, sample_users: int = SAMPLE_USERS) -> None:
        """most_open: users that may come to the driver at once; sample_users: size of the sample."""
        room = most_users(len(sweep.network.slots), len(sweep.columns))
        self._sweep, self._grid = sweep, grid
        self._most_open, self._sample_users = min(most_open, room), min(sample_users, room)
        self._known: _Known | None = None
        self._spare = 1

    def phases(self, waiting: Waiting[Phase], state: NetworkState) -> NetworkState:
        """Adds the phases that follow a state, as far as they were foretold. Returns the state that they leave."""
        sweep, grid = self._sweep, self._grid
        known = self._known = self._known or self._look(waiting, state)
        forecasts = forecast_phases(sweep, state, known.sample, known.units, grid, self._most_open)
        if not forecasts or self._spare < 1:
            return state
        settled = settle(waiting.score_table, waiting.done, forecasts, sweep.k, len(sweep.columns), grid)
        self._spare -= 1
        added: list[Phase] = []
        for number, forecast in enumerate(forecasts):
            try:
                phase, after = self._phase(settled, number, forecast, state)
            except UnforeseenError as why:
                logger.info("phase=%d unforeseen=%s", len(waiting.steps) + 1, why)
                break
            settled.advance(phase)
            waiting.add(phase)
            added.append(phase)
            state = after
            logger.info("phase=%d users_left=%d", len(waiting.steps), sweep.balanced.users_left(state))
        self._spare += _PASSES_A_PHASE * len(added)
        left = without_a_fund(added, sweep.k)(known.sample)
        self._known = _Known(known.sample.some(left), settled.waiting_units(len(added), grid))
        return state

    def alpha(self, open_pairs: Bools, demand: Ints) -> Floats | None:
        """Alpha (funds,) without a pass, where the sums of the users who are left are known. They are then forgotten.

        Args:
            open_pairs: (classes, funds), what users may still take.
            demand: (funds,), exposures each fund still is to get.
        """
        known, self._known = self._known, None
        return None if known is None else alphas_of(_open_sums(known.units, open_pairs), demand, self._grid)

    def _phase(
        self, settled: Settled, number: int, forecast: Forecast[PhaseBetween], state: NetworkState
    ) -> tuple[Phase, NetworkState]:
        """The phase of a state, among settled users, and the state that it leaves."""
        sweep, balanced = self._sweep, self._sweep.balanced
        ranks, opened = sweep.opened(state)
        sums = _open_sums(settled.waiting_units(number, self._grid), balanced.of_campaign(opened))
        phase = sweep.phase(ranks, opened, alphas_of(sums, balanced.of_campaign(state.demand), self._grid))
        forecast.step.require(phase)
        event = settled.event(number, phase, lambda running: sweep.first_event(running, state))
        return sweep.closed(phase, state, event)

    def _look(self, waiting: Waiting[Phase], state: NetworkState) -> _Known:
        """One pass over the users who are left."""
        score_table, left = waiting.score_table, self._sweep.balanced.users_left(state)
        kernel = _looking(
            tuple(waiting.done), self._sweep.k, self._sample_users / left, len(score_table.classes), self._grid
        )
        sums, sample = sums_and_users(score_table.collect(kernel, SUMS_AND_USERS), len(self._grid))
        return _Known(sample, sums.reshape(-1, len(self._grid)))


def _open_sums(units: Ints, open_pairs: Bools) -> Ints:
    """Sums over the users to whom each fund is open: (funds,), from (classes, funds)."""
    sums: Ints = np.where(open_pairs, units, 0).sum(axis=0)
    return sums


def _looking(
    done: tuple[Phase, ...], k: int, share: float, classes: int, grid: Ints
) -> Callable[[Iterator[UserBatch]], Iterator[pa.RecordBatch]]:
    draw = Draw(0, share)  # whichever users are drawn, the phases are the same
    waiting = without_a_fund(done, k)

    def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
        units = np.zeros((classes, len(grid)), dtype=np.int64)
        for batch in batches:
            left = np.flatnonzero(waiting(batch))
            add_units(units, batch.class_index[left], batch.expected_revenue[left], grid)
            yield users_batch(batch, left[draw.of(batch.user_id[left])])
        yield sums_batch(units)

    return kernel
