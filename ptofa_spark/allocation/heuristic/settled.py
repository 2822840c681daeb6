"""One pass in which most users settle for several steps at once, and the few others come to the driver.

A forecast says of a step how it may begin and within which window it will end. A user is settled if that tells in each
step whether they are served there. Of settled users the pass leaves counts and exact sums. The driver runs the steps
themselves over the others, with the settled ones added, and requires that each step keeps to its forecast. So the steps
are those that the search over all users finds, to the last bit, however the forecasts were made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from ptofa_spark.allocation.heuristic.event_search import EventUser, Tally, count_columns, tally_of
from ptofa_spark.allocation.plan.steps import FREE, Cut, Ranked, Step, advance, at_or_before, fill, replay
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.allocation.scores.sums_and_users import SUMS_AND_USERS, sums_and_users, sums_batch, users_batch
from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.reproducible.exact_sums import on_grid

_TALLIES, _SUMS = 20_000_000, 2_000_000


class UnforeseenError(Exception):
    """A step does not keep to its forecast."""


class Foretold(Protocol):
    """A step that is not known exactly."""

    def bounds(self, batch: UserBatch, taken: Ints) -> tuple[Ranked, Ranked]:
        """As `Step.rank`, with the lowest and with the highest value that each user may have; the rest is the same."""


@dataclass(frozen=True)
class KnownStep:
    """A step of which only the cut is not known."""

    step: Step

    def bounds(self, batch: UserBatch, taken: Ints) -> tuple[Ranked, Ranked]:
        """See `Foretold`."""
        ranked = self.step.rank(batch, taken)
        return ranked, ranked


AnyForetold = TypeVar("AnyForetold", bound=Foretold, covariant=True)


@dataclass(frozen=True)
class Forecast(Generic[AnyForetold]):
    """What is expected of a step.

    step: what is known of it. first, last: its cut is at one of them or between; None for `first` where it may begin
    with anybody, None for `last` where it may serve everyone, both where it will serve everyone.
    """

    step: AnyForetold
    first: Cut | None
    last: Cut | None

    def served(self, ranked: Ranked, user_id: Ints) -> Bools:
        """Who stands before the window, with their lowest values: (ranked,)."""
        if self.first is None:
            return np.full(len(ranked.rows), self.last is None)
        return ~at_or_after(self.first, ranked.value, user_id[ranked.rows])

    def missed(self, ranked: Ranked, user_id: Ints) -> Bools:
        """Who stands after the window, with their highest values: (ranked,)."""
        if self.last is None:
            return np.zeros(len(ranked.rows), dtype=bool)
        return ~at_or_before(self.last, ranked.value, user_id[ranked.rows])


def at_or_after(cut: Cut, value: Floats, user_id: Ints) -> Bools:
    """Whether each user stands at or after the cut: (users,)."""
    after: Bools = (value < cut.value) | ((value == cut.value) & (user_id >= cut.user_id))
    return after


def certainly_served(
    forecasts: Sequence[Forecast[Foretold]], batch: UserBatch, taken: Ints
) -> tuple[list[tuple[Ints, Ints]], Bools]:
    """Rows that each forecast serves, with what they choose, and who is not settled: (users,).

    Args:
        forecasts: of steps that follow one another.
        batch: the users.
        taken: (users, k), what they hold before; it is filled.
    """
    open_still = np.zeros(len(batch.user_id), dtype=bool)
    served = []
    for forecast in forecasts:
        low, high = forecast.step.bounds(batch, taken)
        certain = forecast.served(low, batch.user_id)
        open_still[low.rows] |= ~(certain | forecast.missed(high, batch.user_id))
        fill(taken, low.rows[certain], low.chosen[certain])
        served.append((low.rows[certain], low.chosen[certain]))
    return served, open_still


class Settled:
    """All users as of some forecasts: the settled ones added up, the others one by one.

    tally: one row per forecast; units: (forecasts + 1, classes, funds), E on the grid of the settled users whose first
    fund is of each forecast, the last row of those whom none serves.
    """

    def __init__(
        self, forecasts: Sequence[Forecast[Foretold]], tally: Tally, units: Ints, users: UserBatch, taken: Ints
    ) -> None:
        self.forecasts, self._tally, self._units = forecasts, tally, units
        self._users, self._taken = users, taken

    def waiting_units(self, number: int, grid: Ints) -> Ints:
        """Sums of E on the grid over the users without a fund before a step: (classes, funds)."""
        units: Ints = self._units[number:].sum(axis=0)
        waiting = self._taken[:, 0] == FREE
        add_units(units, self._users.class_index[waiting], self._users.expected_revenue[waiting], grid)
        return units

    def event(self, number: int, step: Step, happened: Callable[[Tally], int]) -> EventUser | None:
        """As `Search.first`, for a step that keeps to what its forecast knows of it.

        Raises:
            UnforeseenError: the event falls outside the forecast's window.
        """
        forecast, users = self.forecasts[number], self._users
        ranked = step.rank(users, self._taken)
        user_id = users.user_id[ranked.rows]
        before = forecast.served(ranked, users.user_id)
        within = np.flatnonzero(~before & ~forecast.missed(ranked, users.user_id))
        start = self._tally.row(number).plus(self._sum(ranked, before))
        if happened(start) == 0:
            raise UnforeseenError("it ends before its window")
        order = within[np.lexsort((user_id[within], -ranked.value[within]))]
        running = self._rows(ranked, order).cumulative().plus(start)
        index = happened(running)
        if index == len(order):
            if forecast.last is not None:
                raise UnforeseenError("it ends after its window")
            return None
        row = ranked.rows[order[index]]
        return EventUser.at(float(ranked.value[order[index]]), users, row, running, index, start)

    def advance(self, step: Step) -> None:
        """The step has ended: its users are served."""
        advance(step, self._users, self._taken)

    def _rows(self, ranked: Ranked, chosen: Ints) -> Tally:
        user_class = self._users.class_index[ranked.rows[chosen]]
        return tally_of(user_class, ranked.chosen[chosen], self._tally.users.shape[1], self._tally.chosen.shape[1])

    def _sum(self, ranked: Ranked, chosen: Bools) -> Tally:
        rows = self._rows(ranked, np.flatnonzero(chosen))
        return Tally(rows.users.sum(axis=0, keepdims=True), rows.chosen.sum(axis=0, keepdims=True))


def settle(
    score_table: ScoreTable,
    done: Sequence[Step],
    forecasts: Sequence[Forecast[Foretold]],
    k: int,
    columns: int,
    grid: Ints,
) -> Settled:
    """One pass over all users.

    Args:
        score_table: the score table.
        done: the steps so far.
        forecasts: of the steps that follow.
        k: funds that a user takes.
        columns: number of choice columns.
        grid: (funds,), from `exact_sums.grid_exponents`.
    """
    classes = len(score_table.classes)
    table = score_table.collect(_settling(tuple(done), tuple(forecasts), k, columns, classes, grid), SUMS_AND_USERS)
    sums, users = sums_and_users(table, len(grid))
    shapes = _shapes(len(forecasts), classes, columns, len(grid))
    counts = [part.reshape(shape) for part, shape in zip(np.split(sums, _ends(shapes)), shapes, strict=True)]
    return Settled(forecasts, Tally(counts[0], counts[1]), counts[2], users, replay(done, users, k))


def most_users(classes: int, columns: int) -> int:
    """Users whose tallies the driver holds at once, at most: some 160 MB."""
    return _TALLIES // (classes + columns)


def most_steps(classes: int, funds: int) -> int:
    """Steps whose sums a partition holds, at most: some 16 MB."""
    return max(1, _SUMS // (classes * funds))


def add_units(units: Ints, class_index: Ints, expected_revenue: Floats, grid: Ints) -> None:
    """Adds users' E on the grid to the sums of their class, (classes, funds); an ineligible pair adds nothing."""
    np.add.at(units, class_index, on_grid(np.nan_to_num(expected_revenue), grid[None, :]))


def _shapes(steps: int, classes: int, columns: int, funds: int) -> tuple[tuple[int, ...], ...]:
    """Of users and chosen in `Tally`, and of the sums of revenue."""
    return (steps, classes), (steps, columns), (steps + 1, classes, funds)


def _ends(shapes: tuple[tuple[int, ...], ...]) -> Ints:
    return np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]


def _settling(
    done: tuple[Step, ...], forecasts: tuple[Forecast[Foretold], ...], k: int, columns: int, classes: int, grid: Ints
) -> Callable[[Iterator[UserBatch]], Iterator[pa.RecordBatch]]:
    def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
        users, chosen, units = (np.zeros(s, np.int64) for s in _shapes(len(forecasts), classes, columns, len(grid)))
        for batch in batches:
            taken = replay(done, batch, k)
            waiting = taken[:, 0] == FREE
            served, unsettled = certainly_served(forecasts, batch, taken)
            first = np.full(len(batch.user_id), len(forecasts), dtype=np.int64)
            for number in reversed(range(len(forecasts))):
                rows, funds = served[number]
                first[rows] = number
                settled = ~unsettled[rows]
                users[number] += np.bincount(batch.class_index[rows[settled]], minlength=classes)
                chosen[number] += count_columns(funds[settled], columns).sum(axis=0)
            added = np.flatnonzero(waiting & ~unsettled)
            flat = units.reshape(-1, len(grid))
            add_units(flat, first[added] * classes + batch.class_index[added], batch.expected_revenue[added], grid)
            yield users_batch(batch, np.flatnonzero(unsettled))
        yield sums_batch(users, chosen, units)

    return kernel
