"""The user features that are made of what users did before a campaign, each declared once. NumPy, no Spark.

Counts, money and days enter as log(1 + x), since their distributions have long tails.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.features.facts.past import DAY, Past

# From the past of some moments to a number per moment, (moments,); NaN is unknown.
UserFeature = Callable[[Past], Floats]

WINDOW_DAYS = (7, 30, 90, 365)
# Money is summed in whole 1e-4, its logarithm in whole 1e-8: no order of the rows changes a sum.
_MONEY, _LOG = 1e4, 1e8


def _in_windows(name: str, total: Callable[[Past, int], Ints | Floats]) -> dict[str, UserFeature]:
    """One feature per window. total: of the past and the window's days."""

    def over(days: int) -> UserFeature:
        return lambda past: np.log1p(total(past, days))

    return {f"u_{name}_{days}d": over(days) for days in WINDOW_DAYS}


def _money(past: Past, days: int) -> Floats:
    return past.purchases.sums(np.rint(past.activity.purchases.amount * _MONEY).astype(np.int64), days) / _MONEY


def _purchase_recency(past: Past) -> Floats:
    """Days since the last purchase."""
    bought, at = past.purchases.count() > 0, past.activity.purchases.at
    last = at[np.maximum(past.purchases.end - 1, 0)] if len(at) else np.zeros(len(bought), dtype=np.int64)
    return np.where(bought, np.log1p(np.where(bought, past.moments.at - last, 0) / DAY), np.nan)


def _log_amount_mean(past: Past) -> Floats:
    return _mean(past, np.log(past.activity.purchases.amount))


def _log_amount_sd(past: Past) -> Floats:
    """Standard deviation of log amount over the whole past; that of one purchase is 0."""
    log = np.log(past.activity.purchases.amount)
    mean = _mean(past, log)
    deviation: Floats = np.sqrt(np.maximum(_mean(past, log * log) - mean * mean, 0.0))
    return deviation


def _mean(past: Past, values: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = past.purchases.sums(np.rint(values * _LOG).astype(np.int64)) / _LOG / past.purchases.count()
    return mean


DECLARED_USER_FEATURES: dict[str, UserFeature] = {
    **_in_windows("purchases", lambda past, days: past.purchases.count(days)),
    **_in_windows("exposures", lambda past, days: past.exposures.count(days)),
    **_in_windows("clicks", lambda past, days: past.clicks.count(days)),
    **_in_windows("conversions", lambda past, days: past.conversions.count(days)),
    **_in_windows("amount", _money),
    "u_purchase_recency": _purchase_recency,
    "u_log_amount_mean": _log_amount_mean,
    "u_log_amount_sd": _log_amount_sd,
    "u_types_bought": lambda past: (past.purchases.by_type > 0).sum(axis=1).astype(np.float64),
}


def past_features(past: Past) -> dict[str, Floats]:
    """Every declared user feature of each moment: (moments,) each, NaN where it is unknown.

    Purchases of 50 on day 20 and of 80 on day 39, as of day 40:

    >>> from ptofa_spark.features.facts.past import Activity, Events, Moments
    >>> user, fund, fund_type = np.array([0, 0]), np.array([0, 1]), np.array([0, 0])
    >>> purchases = Events(user, DAY * np.array([20, 39]), fund, np.array([50.0, 80.0]))
    >>> never = purchases.where(np.zeros(2, dtype=bool))
    >>> activity = Activity(purchases, never, np.zeros(0, dtype=bool), np.zeros(0, dtype=bool), fund_type)
    >>> features = past_features(Past(activity, Moments(np.array([0]), DAY * np.array([40]))))
    >>> [round(float(np.expm1(features[name][0])), 6) for name in ("u_amount_7d", "u_amount_30d", "u_purchase_recency")]
    [80.0, 130.0, 1.0]
    """
    return {name: feature(past) for name, feature in DECLARED_USER_FEATURES.items()}
