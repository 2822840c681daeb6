"""Calibration: sorts exposures by prediction into ten equal groups, and compares prediction and outcome in each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ptofa_spark.arrays import Floats

GROUPS = 10


@dataclass(frozen=True)
class CalibrationGroup:
    """One group: exposures, mean predicted and mean actual, in the predicted quantity's unit."""

    exposures: int
    predicted: float
    actual: float


def calibration(predicted: Floats, actual: Floats, groups: int = GROUPS) -> tuple[CalibrationGroup, ...]:
    """Groups of equal size in ascending order of prediction; fewer groups if there are fewer exposures than groups.

    Exposures with equal predictions share their outcomes evenly, so their order does not matter.

    Args:
        predicted: (exposures,), a probability or money.
        actual: (exposures,), in the same unit.
        groups: number of groups.
    """
    _, prediction, exposures = np.unique(predicted, return_inverse=True, return_counts=True)
    shared = (np.bincount(prediction, weights=actual) / exposures)[prediction]
    order = np.argsort(predicted, kind="stable")
    parts = [part for part in np.array_split(order, groups) if len(part)]
    return tuple(
        CalibrationGroup(len(part), float(predicted[part].mean()), float(shared[part].mean())) for part in parts
    )


def expected_calibration_error(groups: tuple[CalibrationGroup, ...]) -> float:
    """Mean of |predicted - actual| over the groups, weighted by exposures, in the predicted quantity's unit."""
    weights = [group.exposures for group in groups]
    return float(np.average([abs(group.predicted - group.actual) for group in groups], weights=weights))
