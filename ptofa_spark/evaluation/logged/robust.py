"""The terms of the doubly robust estimate. NumPy, no Spark.

The outcome model is a straight line in the expected revenue E, fitted on the users of the other fold. So no user's
outcome influences the line that predicts it. `off_policy` explains w, q and s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptofa_spark.arrays import Floats

FOLDS = 2


@dataclass(frozen=True)
class Predicted:
    """Sums over each user's exposures that need no outcome: each (users,), sorted by user.

    exposures: their number; fold: 0 .. FOLDS - 1; e_held: mean E of the user's allocated funds, NaN without one;
    served: number of these funds divided by K; weight, weighted_e: sums of w and w * e; e, squared_e: sums of e, the E
    of the fund shown, and of e**2.
    """

    exposures: Floats
    fold: Floats
    e_held: Floats
    served: Floats
    weight: Floats
    weighted_e: Floats
    e: Floats
    squared_e: Floats


def robust_sums(users: Predicted, outcome: Floats, e_outcome: Floats, weighted_outcome: Floats) -> Floats:
    """Sum over each user's exposures of s * q(allocated funds) + w * (outcome - q(fund shown)): (users,).

    Args:
        users: the sums that need no outcome.
        outcome: sums of y, the outcome, (users,).
        e_outcome: sums of e * y, (users,).
        weighted_outcome: sums of w * y, (users,).
    """
    sums = np.zeros(len(outcome))
    for fold in range(FOLDS):
        own = users.fold == fold
        intercept, slope = _line(users, outcome, e_outcome, ~own)
        # A slot that the allocation leaves empty brings 0. So its prediction is 0, and so is its weight w.
        held = np.where(np.isnan(users.e_held), 0.0, users.served * (intercept + slope * users.e_held))
        of_fold = users.exposures * held + weighted_outcome - intercept * users.weight - slope * users.weighted_e
        sums = np.where(own, of_fold, sums)
    return sums


def _line(users: Predicted, outcome: Floats, e_outcome: Floats, rows: NDArray[np.bool_]) -> tuple[float, float]:
    """Intercept and slope of the least-squares line of an exposure's outcome in E. rows: the users of the fit."""
    n = float(users.exposures[rows].sum())
    if n == 0:
        return 0.0, 0.0
    mean_e, mean_y = float(users.e[rows].sum()) / n, float(outcome[rows].sum()) / n
    spread = float(users.squared_e[rows].sum()) / n - mean_e * mean_e
    if spread <= 1e-12 * (1.0 + mean_e * mean_e):
        return mean_y, 0.0
    slope = (float(e_outcome[rows].sum()) / n - mean_e * mean_y) / spread
    return mean_y - slope * mean_e, slope
