"""CPME and RPME of an arm, lifts between arms, and their 95 % intervals by a bootstrap over users.

CPME and RPME are conversions and revenue per mille exposures. In a resample each user has a Poisson weight of mean 1.
Only the few users who convert need weights of their own. The sum of the other users' weights is one Poisson draw, with
their number as its mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ptofa_spark.arrays import Floats
from ptofa_spark.evaluation.bootstrap import Interval, user_weights
from ptofa_spark.evaluation.logged.off_policy import PER_MILLE

_LOW, _HIGH = 2.5, 97.5


@dataclass(frozen=True)
class ArmOutcome:
    """The outcomes of an arm's users.

    exposures: of all users, the same number for each served user; users: number of served users; conversions, revenue:
    of the users who converted, each (converting users,), sorted by user.
    """

    exposures: int
    users: int
    conversions: Floats
    revenue: Floats


@dataclass(frozen=True)
class Rates:
    """CPME and RPME of an arm (paper, eq. 8), as drawn, with 95 % intervals."""

    cpme: Interval
    rpme: Interval


@dataclass(frozen=True)
class Lift:
    """Relative difference to another arm: .1 is 10 % more. It is infinite if the other arm has no conversion."""

    cpme: Interval
    rpme: Interval


@dataclass(frozen=True)
class Resampled:
    """CPME and RPME of one arm. point: the estimate, (2,); resamples: (resamples, 2)."""

    point: Floats
    resamples: Floats

    def rates(self) -> Rates:
        """The arm's rates and their intervals."""
        return Rates(*_intervals(self.point, self.resamples))

    def lift_over(self, other: Resampled) -> Lift:
        """The lift over an arm of other users. The resamples of the two arms are independent."""
        return Lift(*_intervals(_ratio(self.point, other.point) - 1.0, _ratio(self.resamples, other.resamples) - 1.0))


def resampled(outcome: ArmOutcome, resamples: int, seed: int) -> Resampled:
    """The arm's rates in each resample.

    Args:
        outcome: of the arm.
        resamples: number of them.
        seed: a different one for each arm, so that the arms' resamples are independent.
    """
    sums = np.column_stack([outcome.conversions, outcome.revenue])
    each = outcome.exposures / max(1, outcome.users)
    others = np.random.default_rng([seed, 1]).poisson(outcome.users - len(sums), resamples)
    drawn = [(weights @ sums, weights.sum(axis=1)) for weights in user_weights(len(sums), resamples, seed)]
    totals, converting = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    exposures = each * (converting + others)[:, None]
    rates = PER_MILLE * totals / np.where(exposures > 0, exposures, np.inf)
    return Resampled(PER_MILLE * sums.sum(axis=0) / max(1, outcome.exposures), rates)


def _ratio(upper: Floats, lower: Floats) -> Floats:
    """Upper / lower. It is infinite where lower is 0, since no finite ratio exists."""
    ratio: Floats = np.divide(upper, lower, out=np.full_like(upper, np.inf), where=lower != 0)
    return ratio


def _intervals(point: Floats, resamples: Floats) -> list[Interval]:
    # The ends are resamples, not interpolated between two of them, since one of the two may be infinite.
    low = np.percentile(resamples, _LOW, axis=0, method="lower")
    high = np.percentile(resamples, _HIGH, axis=0, method="higher")
    return [Interval(*(float(x) for x in row)) for row in zip(point, low, high, strict=True)]
