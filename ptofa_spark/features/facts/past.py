"""What users did, and what of it came before a moment: the facts that features are made of. NumPy, no Spark.

An event at the moment itself, or later, does not count. Counts are whole numbers. Sums of money are whole numbers of
1e-4. The order of the rows therefore does not change them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ptofa_spark.arrays import Bools, Floats, Ints

DAY = 86_400
_SPAN = 2**33  # seconds from 1970 to 2242: with it, a group and a time are sorted as one number


@dataclass(frozen=True)
class Events:
    """Events of one sort, sorted by user and time: each (events,).

    user: number of the user; at: seconds since 1970; fund: its place among the platform's funds; amount: money that a
    purchase invested, or revenue of an exposure.
    """

    user: Ints
    at: Ints
    fund: Ints
    amount: Floats

    def where(self, chosen: Bools) -> Events:
        """The chosen events. chosen: (events,)."""
        return Events(self.user[chosen], self.at[chosen], self.fund[chosen], self.amount[chosen])


@dataclass(frozen=True)
class Activity:
    """What some users did.

    clicked, converted: (exposures,); fund_type: (funds,), number of each fund's type, -1 if it has none.
    A further sort of events, say large purchases, is a function of the activity that calls `purchases.where`.
    """

    purchases: Events
    exposures: Events
    clicked: Bools
    converted: Bools
    fund_type: Ints

    @cached_property
    def clicks(self) -> Events:
        """The exposures that were clicked."""
        return self.exposures.where(self.clicked)

    @cached_property
    def conversions(self) -> Events:
        """The exposures that converted."""
        return self.exposures.where(self.converted)


@dataclass(frozen=True)
class Moments:
    """Users and times: each (moments,). at: seconds since 1970; only earlier events count."""

    user: Ints
    at: Ints


class Past:
    """What each moment's user had done before the moment."""

    def __init__(self, activity: Activity, moments: Moments) -> None:
        self.activity, self.moments = activity, moments

    @cached_property
    def purchases(self) -> EarlierEvents:
        """The purchases before each moment."""
        return self.earlier(self.activity.purchases)

    @cached_property
    def exposures(self) -> EarlierEvents:
        """The exposures before each moment."""
        return self.earlier(self.activity.exposures)

    @cached_property
    def clicks(self) -> EarlierEvents:
        """The clicks before each moment."""
        return self.earlier(self.activity.clicks)

    @cached_property
    def conversions(self) -> EarlierEvents:
        """The conversions before each moment."""
        return self.earlier(self.activity.conversions)

    def earlier(self, events: Events) -> EarlierEvents:
        """The events that come before each moment."""
        return EarlierEvents(events, self.moments, self.activity.fund_type)


class EarlierEvents:
    """The events of one sort that each moment's user had before it: from place `first` up to, not including, `end`.

    Purchases of funds 0 and 1 at seconds 10 and 20, as of seconds 20 and 21:

    >>> user, fund, fund_type = np.array([0, 0]), np.array([0, 1]), np.array([0, 0])
    >>> purchases = Events(user, np.array([10, 20]), fund, np.array([50.0, 80.0]))
    >>> earlier = EarlierEvents(purchases, Moments(user=np.array([0, 0]), at=np.array([20, 21])), fund_type)
    >>> earlier.count().tolist(), earlier.by_fund.tolist(), earlier.by_type.tolist()
    ([1, 2], [[1, 0], [1, 1]], [[1], [2]])
    """

    def __init__(self, events: Events, moments: Moments, fund_type: Ints) -> None:
        self.events, self.moments, self._fund_type = events, moments, fund_type
        self._starts: dict[int, Ints] = {}

    def count(self, days: int | None = None) -> Ints:
        """How many there are in the `days` before each moment, or in the whole past if None: (moments,)."""
        counts: Ints = self.end - self._start(days)
        return counts

    def sums(self, values: Ints, days: int | None = None) -> Ints:
        """Sums of `values`, one whole number per event (events,), over the same days as `count`: (moments,)."""
        total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values)])
        difference: Ints = total[self.end] - total[self._start(days)]
        return difference

    @cached_property
    def first(self) -> Ints:
        """Place of the user's first event: (moments,)."""
        return np.searchsorted(self._keys, self.moments.user * _SPAN)

    @cached_property
    def end(self) -> Ints:
        """Place after the user's last event before the moment: (moments,)."""
        return np.searchsorted(self._keys, _keys(self.moments.user, self.moments.at))

    @cached_property
    def by_fund(self) -> Ints:
        """How many there are of each fund: (moments, funds)."""
        return _table(self.events, self.moments, self.events.fund, len(self._fund_type))

    @cached_property
    def by_type(self) -> Ints:
        """How many there are of each type of fund: (moments, types)."""
        of_event = self._fund_type[self.events.fund]
        typed = of_event >= 0
        return _table(self.events.where(typed), self.moments, of_event[typed], int(self._fund_type.max(initial=-1)) + 1)

    def of_fund(self, fund: Ints) -> Ints:
        """How many there are of one fund per moment, `fund` (moments,): (moments,)."""
        funds = len(self._fund_type)
        asked = self.moments.user * funds + fund
        return _times(self.events.user * funds + self.events.fund, self.events.at, asked, self.moments.at)

    def of_type(self, fund: Ints) -> Ints:
        """How many there are of the type of one fund per moment, `fund` (moments,): (moments,); 0 if it has no type."""
        of_moment = self._fund_type[fund]
        typed = np.flatnonzero(of_moment >= 0)
        counts = np.zeros(len(fund), dtype=np.int64)
        counts[typed] = self.by_type[typed, of_moment[typed]]
        return counts

    @cached_property
    def _keys(self) -> Ints:
        return _keys(self.events.user, self.events.at)

    def _start(self, days: int | None) -> Ints:
        if days is None:
            return self.first
        if days not in self._starts:
            earliest = _keys(self.moments.user, self.moments.at - days * DAY)
            self._starts[days] = np.searchsorted(self._keys, earliest)
        return self._starts[days]


def _keys(group: Ints, at: Ints) -> Ints:
    keys: Ints = group * _SPAN + np.clip(at, 0, _SPAN - 1)
    return keys


def _table(events: Events, moments: Moments, column: Ints, columns: int) -> Ints:
    """How many of the events each moment's user had in each column, `column` (events,): (moments, columns)."""
    cells = moments.user[:, None] * columns + np.arange(columns)
    at = np.broadcast_to(moments.at[:, None], cells.shape)
    return _times(events.user * columns + column, events.at, cells.ravel(), at.ravel()).reshape(cells.shape)


def _times(group: Ints, at: Ints, asked: Ints, asked_at: Ints) -> Ints:
    """Events of the asked group before the asked time."""
    keys = np.sort(_keys(group, at))
    counts: Ints = np.searchsorted(keys, _keys(asked, asked_at)) - np.searchsorted(keys, asked * _SPAN)
    return counts
