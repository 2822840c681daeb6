"""Forecasts the phases of HA from a sample of the users: their structure, and windows for their alphas and their cuts.

Each user of the sample stands for some users of their class, so that what is left to serve is known exactly where the
forecast begins. How far a forecast may be off is told by the sampling error of what the phases take from tight sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ptofa_spark.allocation.heuristic.alphas import alphas_of
from ptofa_spark.allocation.heuristic.event_search import Tally, tally_of
from ptofa_spark.allocation.heuristic.phase import Phase, PhaseBetween
from ptofa_spark.allocation.heuristic.settled import Forecast, certainly_served, most_steps
from ptofa_spark.allocation.heuristic.sweep import Sweep
from ptofa_spark.allocation.plan.steps import FREE, Cut, fill
from ptofa_spark.allocation.problem.class_flow import NetworkState, nearest_feasible_demand
from ptofa_spark.allocation.problem.guard import residual
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.reproducible.exact_sums import off_grid

# Standard errors on either side.
_ERRORS = 3.0


def forecast_phases(
    sweep: Sweep, state: NetworkState, sample: UserBatch, units: Ints, grid: Ints, most_open: int
) -> tuple[Forecast[PhaseBetween], ...]:
    """Forecasts of the next phases, as many as leave no more users unsettled than `most_open`.

    Args:
        sweep: the driver's side of the sweep.
        state: what is left to serve.
        sample: of the users who are left.
        units: (classes, funds), sums of E on the grid over all users who are left.
        grid: (funds,), from `exact_sums.grid_exponents`.
        most_open: users that may come to the driver.
    """
    weight = _weights(sample.class_index, sweep.balanced.of_users(state.users))
    most = most_steps(*units.shape)
    settled = np.full((len(weight), sweep.k), FREE, dtype=np.int64)
    is_open = np.zeros(len(weight), dtype=bool)
    forecasts: list[Forecast[PhaseBetween]] = []
    for forecast in _Forecaster(sweep, sample, weight, units, grid).phases(state):
        is_open |= certainly_served([forecast], sample, settled)[1]
        if weight[is_open].sum() > most_open or len(forecasts) == most:
            break
        forecasts.append(forecast)
    return tuple(forecasts)


def _weights(class_index: Ints, users: Ints) -> Ints:
    """For how many users each of the sample stands: (sample,); for a class in the sample, `users` (classes,) in all."""
    counts = np.bincount(class_index, minlength=len(users))
    each, more = np.divmod(users, np.maximum(counts, 1))
    order = np.argsort(class_index, kind="stable")
    place = np.empty(len(class_index), dtype=np.int64)
    place[order] = np.arange(len(class_index)) - np.repeat(np.cumsum(counts) - counts, counts)
    weight: Ints = each[class_index] + (place < more[class_index])
    return weight


class _Forecaster:
    """The sweep over a weighted sample, from a state that is known.

    taken: (sample, k), what the sample holds by now.
    """

    def __init__(self, sweep: Sweep, sample: UserBatch, weight: Ints, units: Ints, grid: Ints) -> None:
        self._sweep, self._sample, self._weight, self._units, self._grid = sweep, sample, weight, units, grid
        self._heaviest = float(weight.max(initial=1))
        self._taken = np.full((len(weight), sweep.k), FREE, dtype=np.int64)

    def phases(self, known: NetworkState) -> Iterator[Forecast[PhaseBetween]]:
        """Forecasts until nobody is left, or until the end of a phase cannot be told."""
        sweep, state = self._sweep, known
        while sweep.balanced.users_left(state) > 0:
            ranks, opened = sweep.opened(state)
            phase, low, high = (sweep.phase(ranks, opened, a) for a in self._alphas(known, state, opened))
            if state is known:
                low = high = phase
            ranked = phase.rank(self._sample, self._taken)
            order = np.lexsort((self._sample.user_id[ranked.rows], -ranked.value))
            rows, chosen = ranked.rows[order], ranked.chosen[order]
            running = self._tally(rows, chosen).cumulative()
            index = sweep.first_event(running, state) if len(rows) else 0
            if index == len(rows):
                if len(rows):
                    yield Forecast(PhaseBetween(low, high), None, None)
                return
            after = self._mended(sweep.after(state, running.row(index)), opened)
            if after is None:
                return
            first, last = self._window(known, state, after, running)
            if first > last or (first == 0 and (last >= len(rows) or state is not known)):
                return
            yield Forecast(PhaseBetween(low, high), self._cut(high, first) if first else None, self._cut(low, last))
            fill(self._taken, rows[: index + 1], chosen[: index + 1])
            state = after

    def _alphas(self, known: NetworkState, state: NetworkState, opened: Bools) -> tuple[Floats, Floats, Floats]:
        """What alpha is expected to be, and between what: (funds,) each."""
        balanced = self._sweep.balanced
        demand = balanced.of_campaign(state.demand)
        open_pairs = balanced.of_campaign(opened)
        if state is known:
            alpha = alphas_of(np.where(open_pairs, self._units, 0).sum(axis=0), demand, self._grid)
            return alpha, alpha, alpha
        total, error = self._left_over(open_pairs)
        taken = np.maximum(balanced.of_campaign(known.demand) - demand, 0)
        off = _ERRORS * np.sqrt(2.0 * self._heaviest * taken)
        asked = np.maximum(demand, 1)
        corners = [(total + sign * error) / np.maximum(asked + side * off, 1.0) for sign in (-1, 1) for side in (-1, 1)]
        return tuple(  # type: ignore[return-value]
            np.where(demand > 0, each, 0.0)
            for each in (total / asked, np.min(corners, axis=0), np.max(corners, axis=0))
        )

    def _left_over(self, open_pairs: Bools) -> tuple[Floats, Floats]:
        """Sum of E over the users who wait and may take the fund, and how far it may be off: (funds,), money."""
        whole = off_grid(self._units, np.broadcast_to(self._grid, self._units.shape))
        waiting = self._taken[:, 0] == FREE
        revenue = self._weight[:, None] * np.nan_to_num(self._sample.expected_revenue)
        index = self._sample.class_index
        sums, squares = np.zeros((2, *whole.shape)), np.zeros((2, *whole.shape))
        for side, rows in enumerate((waiting, ~waiting)):
            np.add.at(sums[side], index[rows], revenue[rows])
            np.add.at(squares[side], index[rows], revenue[rows] ** 2)
        sampled = sums.sum(axis=0)
        ratio = np.divide(whole, sampled, out=np.ones_like(whole), where=sampled != 0)
        total = np.where(open_pairs, sums[0] * ratio, 0.0).sum(axis=0)
        error = np.sqrt(np.where(open_pairs, squares.min(axis=0), 0.0).sum(axis=0))
        return total, _ERRORS * error

    def _window(self, known: NetworkState, state: NetworkState, after: NetworkState, running: Tally) -> tuple[int, int]:
        """The rows at which the event may be: those where a set that is then tight may lose its last slack."""
        begin, end = len(running.users), 0
        for fund_set in self._tight_sets(after):
            now, at_first = self._slack(fund_set, state), self._slack(fund_set, known)
            if now == 0:
                continue
            slack = now - self._loss(fund_set, running)
            off = _ERRORS * np.sqrt(self._heaviest * float(at_first))
            begin = min(begin, int(np.searchsorted(-slack, -off)))
            end = max(end, int(np.searchsorted(-slack, off, side="right")))
        return begin, end

    def _tight_sets(self, state: NetworkState) -> Iterator[Bools]:
        """The chain of tight sets of funds, (funds,) each, without that of all funds."""
        ranks, _ = self._sweep.opened(state)
        for rank in range(int(ranks.max())):
            yield ranks <= rank

    def _slack(self, fund_set: Bools, state: NetworkState) -> int:
        network = self._sweep.network
        offered = (network.eligible * network.capacity(state.users))[:, fund_set].sum(axis=1)
        return int(np.minimum(network.slots * state.users, offered).sum() - state.demand[fund_set].sum())

    def _loss(self, fund_set: Bools, running: Tally) -> Ints:
        """By how much the users served so far have lowered the slack of the set: (rows,)."""
        network = self._sweep.network
        offered = (network.eligible * network.multiplicity)[:, fund_set].sum(axis=1)
        most = self._sweep.balanced.of_users(np.minimum(network.slots, offered))
        loss: Ints = running.users @ most - running.chosen @ fund_set[self._sweep.columns].astype(np.int64)
        return loss

    def _mended(self, state: NetworkState, opened: Bools) -> NetworkState | None:
        """The state, or the nearest that can be served: the last of the sample may stand for too many users.

        opened: (classes, network funds), what users could take until then, and nothing else: what was tight stays so.
        """
        network, balanced = self._sweep.network, self._sweep.balanced
        if residual(network, state) is not None:
            return state
        still = network.eligible.copy()
        balanced.of_users(still)[:] &= opened
        demand = np.maximum(state.demand, 0)
        counted = np.arange(len(demand)) < balanced.funds
        nearest = nearest_feasible_demand(replace(network, eligible=still), NetworkState(state.users, demand), counted)
        return None if nearest is None else NetworkState(state.users, nearest)

    def _cut(self, phase: Phase, place: int) -> Cut | None:
        """The user at a place in the order of a phase; None behind the last."""
        ranked = phase.rank(self._sample, self._taken)
        if place >= len(ranked.rows):
            return None
        user_id = self._sample.user_id[ranked.rows]
        at = np.lexsort((user_id, -ranked.value))[place]
        return Cut(float(ranked.value[at]), int(user_id[at]))

    def _tally(self, rows: Ints, chosen: Ints) -> Tally:
        classes = len(self._sweep.balanced.of_users(self._sweep.network.slots))
        tally = tally_of(self._sample.class_index[rows], chosen, classes, len(self._sweep.columns))
        weight = self._weight[rows][:, None]
        return Tally(tally.users * weight, tally.chosen * weight)
