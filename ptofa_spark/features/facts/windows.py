"""What a user did before a moment: counts and sums over windows, by kind of event. NumPy, no Spark.

An event at the moment itself, or later, counts nothing. Counts and sums enter as log(1 + x), since their tails are
long. Sums are of whole 1e-4 of money and whole 1e-8 of log money, so that no order of the rows changes them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ptofa_spark.arrays import Bools, Floats, Ints

WINDOW_DAYS = (7, 30, 90, 365)
DAY = 86_400
_SPAN = 2**33  # seconds from 1970 to 2242: a user's events, and a user's and fund's, are sorted as one number
_MONEY, _LOG = 1e4, 1e8


@dataclass(frozen=True)
class Shown:
    """Exposures of some users, sorted by user and time: each (exposures,). at: seconds since 1970."""

    user: Ints
    at: Ints
    click: Bools
    conversion: Bools


@dataclass(frozen=True)
class Bought:
    """Purchases of some users, sorted by user and time: each (purchases,). at: seconds since 1970; amount: money.

    fund: its place among the platform's funds; kind: (funds,), the type of each fund, -1 where it has none.
    """

    user: Ints
    at: Ints
    fund: Ints
    amount: Floats
    kind: Ints

    @property
    def kinds(self) -> int:
        """How many types there are."""
        return int(self.kind.max(initial=-1)) + 1


@dataclass(frozen=True)
class Moments:
    """What is asked: each (moments,), a user and the seconds since 1970 before which events count."""

    user: Ints
    at: Ints


def window_features(shown: Shown, bought: Bought, moments: Moments) -> dict[str, Floats]:
    """The u_* columns of each moment, (moments,) each, NaN where a column is null.

    u_purchases_7d ... u_conversions_365d, u_amount_7d ... u_amount_365d, u_purchase_recency (days),
    u_log_amount_mean, u_log_amount_sd, u_types_bought. Money and days enter as log(1 + x).

    Purchases of 50 on day 20 and of 80 on day 39, as of day 40:

    >>> user, fund, kind = np.array([0, 0]), np.array([0, 1]), np.array([0, 0])
    >>> bought = Bought(user, DAY * np.array([20, 39]), fund, np.array([50.0, 80.0]), kind)
    >>> never = Shown(*np.zeros((4, 0), dtype=int))
    >>> columns = window_features(never, bought, Moments(np.array([0]), DAY * np.array([40])))
    >>> [round(float(np.expm1(columns[name][0])), 6) for name in ("u_amount_7d", "u_amount_30d", "u_purchase_recency")]
    [80.0, 130.0, 1.0]
    """
    one = np.ones(len(shown.user), dtype=np.int64)
    purchases = _Past(bought.user, bought.at, moments)
    exposures = _Past(shown.user, shown.at, moments)
    columns: dict[str, Floats] = {}
    columns |= _by_window("purchases", purchases, np.ones(len(bought.user), dtype=np.int64), 1.0)
    columns |= _by_window("exposures", exposures, one, 1.0)
    columns |= _by_window("clicks", exposures, shown.click.astype(np.int64), 1.0)
    columns |= _by_window("conversions", exposures, shown.conversion.astype(np.int64), 1.0)
    columns |= _by_window("amount", purchases, np.rint(bought.amount * _MONEY).astype(np.int64), _MONEY)
    columns["u_purchase_recency"] = _recency(bought, purchases, moments)
    columns |= _log_moments(bought, purchases)
    counts = times_by_kind(bought, moments)
    columns["u_types_bought"] = (counts > 0).sum(axis=1).astype(np.float64)
    return columns


def times_of_fund(bought: Bought, moments: Moments, fund: Ints) -> Ints:
    """How often each moment's user had bought a fund, one `fund` a moment (moments,): (moments,)."""
    funds = len(bought.kind)
    return _times(bought.user * funds + bought.fund, bought.at, moments.user * funds + fund, moments.at)


def times_by_fund(bought: Bought, moments: Moments) -> Ints:
    """How often each moment's user had bought each fund: (moments, funds).

    The purchase at second 20 is no past of that second:

    >>> user, fund, kind = np.array([0, 0]), np.array([0, 1]), np.array([0, 0])
    >>> bought = Bought(user, np.array([10, 20]), fund, np.array([50.0, 80.0]), kind)
    >>> times_by_fund(bought, Moments(user=np.array([0, 0]), at=np.array([20, 21]))).tolist()
    [[1, 0], [1, 1]]
    """
    funds = len(bought.kind)
    cells = moments.user[:, None] * funds + np.arange(funds)
    at = np.broadcast_to(moments.at[:, None], cells.shape)
    return _times(bought.user * funds + bought.fund, bought.at, cells.ravel(), at.ravel()).reshape(cells.shape)


def times_by_kind(bought: Bought, moments: Moments) -> Ints:
    """How often each moment's user had bought each type of fund: (moments, types)."""
    typed = bought.kind[bought.fund] >= 0 if len(bought.fund) else np.zeros(0, dtype=bool)
    kind = bought.kind[bought.fund[typed]]
    cells = moments.user[:, None] * bought.kinds + np.arange(bought.kinds)
    at = np.broadcast_to(moments.at[:, None], cells.shape)
    keys = bought.user[typed] * bought.kinds + kind
    return _times(keys, bought.at[typed], cells.ravel(), at.ravel()).reshape(cells.shape)


def times_bought(bought: Bought, moments: Moments) -> Ints:
    """How many purchases each moment's user had made: (moments,)."""
    past = _Past(bought.user, bought.at, moments)
    return past.end - past.first


class _Past:
    """Where each moment's past lies among events sorted by user and time: from `first`, before `end`."""

    def __init__(self, user: Ints, at: Ints, moments: Moments) -> None:
        self._keys = _keys(user, at)
        self._moments = moments
        self.first = np.searchsorted(self._keys, moments.user * _SPAN)
        self.end = np.searchsorted(self._keys, _keys(moments.user, moments.at))

    def since(self, days: int) -> Ints:
        """The first event of the window."""
        start: Ints = np.searchsorted(self._keys, _keys(self._moments.user, self._moments.at - days * DAY))
        return start

    def sums(self, values: Ints, first: Ints) -> Ints:
        """Sum of the values of the events from `first` on; whole numbers, so that no rounding adds up."""
        total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values)])
        difference: Ints = total[self.end] - total[first]
        return difference


def _keys(group: Ints, at: Ints) -> Ints:
    keys: Ints = group * _SPAN + np.clip(at, 0, _SPAN - 1)
    return keys


def _times(group: Ints, at: Ints, asked: Ints, asked_at: Ints) -> Ints:
    """Events of the asked group before the asked time."""
    keys = np.sort(_keys(group, at))
    counts: Ints = np.searchsorted(keys, _keys(asked, asked_at)) - np.searchsorted(keys, asked * _SPAN)
    return counts


def _by_window(name: str, past: _Past, values: Ints, unit: float) -> dict[str, Floats]:
    return {f"u_{name}_{days}d": np.log1p(past.sums(values, past.since(days)) / unit) for days in WINDOW_DAYS}


def _recency(bought: Bought, past: _Past, moments: Moments) -> Floats:
    has = past.end > past.first
    last = bought.at[np.maximum(past.end - 1, 0)] if len(bought.at) else np.zeros(len(moments.at), dtype=np.int64)
    return np.where(has, np.log1p(np.where(has, moments.at - last, 0) / DAY), np.nan)


def _log_moments(bought: Bought, past: _Past) -> dict[str, Floats]:
    """Mean and standard deviation of log amount over the whole past; the deviation of one purchase is 0."""
    log = np.log(bought.amount)
    count = past.end - past.first
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = past.sums(np.rint(log * _LOG).astype(np.int64), past.first) / _LOG / count
        square = past.sums(np.rint(log * log * _LOG).astype(np.int64), past.first) / _LOG / count
    return {"u_log_amount_mean": mean, "u_log_amount_sd": np.sqrt(np.maximum(square - mean * mean, 0.0))}
