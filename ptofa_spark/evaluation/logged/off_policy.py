"""Estimates of an allocation's outcomes from exposures that a randomised policy logged.

Each logged exposure has the weight w = 1[the allocation gives the user this fund] / (K * propensity), with K slots per
user. There are three estimates:

- Inverse propensity: mean(w * outcome). It is unbiased for the outcome per slot. A slot that is left empty brings 0.
- Self-normalised: mean(w * outcome) / mean(w). It is an outcome per exposure shown.
- Doubly robust: mean(s * q of the allocated funds + w * (outcome - q of the fund shown)). It is unbiased too. Its
  variance is the smaller, the better q is.

q is a prediction of the outcome, made without the user's own outcome. s is the share of the user's slots that are
filled. Intervals are by a bootstrap over users.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ptofa_spark.arrays import Floats
from ptofa_spark.evaluation.bootstrap import Interval, percentiles, user_weights

PER_MILLE = 1_000.0


@dataclass(frozen=True)
class LoggedUsers:
    """Sums of the logged test exposures by user: each (users,), sorted by user.

    exposures: their number; weight: sum of w; squared_weight: sum of w**2; conversions, revenue: sums of the outcomes;
    weighted_conversions, weighted_revenue: sums of w * outcome; robust_conversions, robust_revenue: sums of the doubly
    robust terms; matched: conversions at exposures with w > 0.
    """

    exposures: Floats
    conversions: Floats
    revenue: Floats
    weight: Floats
    squared_weight: Floats
    weighted_conversions: Floats
    weighted_revenue: Floats
    robust_conversions: Floats
    robust_revenue: Floats
    matched: Floats


@dataclass(frozen=True)
class OffPolicy:
    """CPME and RPME of an allocation, estimated from the logged exposures (paper, eq. 8), and of the logged policy.

    cpme, rpme: conversions and revenue per mille exposures; self_normalised_*: the same divided by the mean weight;
    robust_*: doubly robust; logged_*: of the logged policy; *_difference: allocation minus logged policy;
    effective_exposures: (sum w)^2 / sum w^2; conversions: their number at exposures with w > 0.
    """

    cpme: Interval
    rpme: Interval
    self_normalised_cpme: Interval
    self_normalised_rpme: Interval
    robust_cpme: Interval
    robust_rpme: Interval
    logged_cpme: Interval
    logged_rpme: Interval
    cpme_difference: Interval
    rpme_difference: Interval
    effective_exposures: float
    exposures: int
    conversions: int


# The figures of `OffPolicy` with an interval, in the order of `_estimates`.
_FIGURES = (
    "cpme",
    "rpme",
    "self_normalised_cpme",
    "self_normalised_rpme",
    "robust_cpme",
    "robust_rpme",
    "logged_cpme",
    "logged_rpme",
    "cpme_difference",
    "rpme_difference",
)


def off_policy(logged: LoggedUsers, resamples: int, seed: int) -> OffPolicy:
    """The estimates with their intervals, conversions and money per mille exposures (paper, eq. 8).

    Args:
        logged: sums by user.
        resamples: bootstrap resamples, by Poisson weights on users.
        seed: of the resamples.

    Each of two users was shown one of two funds, by a coin. The first saw the fund that the allocation gives them, and
    brought 30. They have the weight 2 and count for both users.

    >>> none = np.zeros(2)
    >>> logged = LoggedUsers(
    ...     exposures=np.ones(2), conversions=np.array([1.0, 0.0]), revenue=np.array([30.0, 0.0]),
    ...     weight=np.array([2.0, 0.0]), squared_weight=np.array([4.0, 0.0]),
    ...     weighted_conversions=np.array([2.0, 0.0]), weighted_revenue=np.array([60.0, 0.0]),
    ...     robust_conversions=none, robust_revenue=none, matched=np.array([1.0, 0.0]),
    ... )
    >>> found = off_policy(logged, resamples=100, seed=7)
    >>> found.rpme.estimate, found.logged_rpme.estimate, found.effective_exposures
    (30000.0, 15000.0, 1.0)
    """
    sums = np.column_stack(
        [
            logged.exposures,
            logged.weight,
            logged.weighted_conversions,
            logged.weighted_revenue,
            logged.robust_conversions,
            logged.robust_revenue,
            logged.conversions,
            logged.revenue,
        ]
    )
    point = _estimates(sums.sum(axis=0)[None, :])[0]
    resampled = np.concatenate([weights @ sums for weights in user_weights(len(sums), resamples, seed)])
    low, high = percentiles(_estimates(resampled))
    intervals = [Interval(*(float(x) for x in row)) for row in zip(point, low, high, strict=True)]
    squares = float(logged.squared_weight.sum())
    named = dict(zip(_FIGURES, intervals, strict=True))
    return OffPolicy(
        **named,
        effective_exposures=float(logged.weight.sum()) ** 2 / squares if squares else 0.0,
        exposures=int(logged.exposures.sum()),
        conversions=int(logged.matched.sum()),
    )


def _estimates(totals: Floats) -> Floats:
    """The figures from totals (rows, 8): (rows, 10)."""
    exposures, weight, conversions, revenue, *robust_sums, logged_conversions, logged_revenue = totals.T
    with np.errstate(divide="ignore", invalid="ignore"):
        cpme, rpme = conversions / exposures, revenue / exposures
        logged_cpme, logged_rpme = logged_conversions / exposures, logged_revenue / exposures
        robust = [total / exposures for total in robust_sums]
        normalised = (conversions / weight, revenue / weight)
    rows = (cpme, rpme, *normalised, *robust, logged_cpme, logged_rpme, cpme - logged_cpme, rpme - logged_rpme)
    return PER_MILLE * np.column_stack(rows)
