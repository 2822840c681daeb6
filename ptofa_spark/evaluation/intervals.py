"""95 % intervals of a predictor's figures, by a bootstrap over users."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptofa_spark.evaluation.bootstrap import percentiles, user_weights
from ptofa_spark.evaluation.metrics import Outcomes, Predicted

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Ends:
    """The ends of a 95 % interval."""

    low: float
    high: float


def metric_intervals(predicted: Predicted, outcomes: Outcomes, resamples: int, seed: int) -> dict[str, Ends]:
    """The interval of each figure of `Metrics` that has one, by its name; calibration_error, biased upwards, has none.

    Args:
        predicted: the predictor.
        outcomes: what happened.
        resamples: of the users.
        seed: of the resamples; the same for two predictors, so that their resamples are the same.
    """
    users = int(outcomes.user.max()) + 1
    names, sums = _sums(predicted, outcomes, users)
    by_p = None if predicted.p_c is None else _Ordered.by(predicted.p_c, outcomes.user, outcomes.conversion)
    by_e = _Ordered.by(predicted.revenue, outcomes.user, outcomes.revenue)
    by_r = _Ordered.by(outcomes.revenue, outcomes.user, outcomes.revenue)
    rows = []
    for weights in user_weights(users, resamples, seed):
        means = _figures(names, weights @ sums)
        for place, weight in enumerate(weights):
            row = {name: float(values[place]) for name, values in means.items()}
            if by_p is not None:
                row["auc"] = by_p.auc(weight)
            best = by_r.gini(weight)
            row["gini"] = by_e.gini(weight) / best if best else math.nan
            rows.append(row)
    found = {}
    for name in rows[0]:
        values = np.array([[row[name]] for row in rows])
        if not np.isnan(values).all():
            low, high = percentiles(values)
            found[name] = Ends(float(low[0]), float(high[0]))
    return found


def _sums(predicted: Predicted, outcomes: Outcomes, users: int) -> tuple[list[str], Floats]:
    """By user, the sums that the figures are ratios of: (users, sums)."""
    columns = {
        "exposures": np.ones(len(outcomes.user)),
        "conversions": outcomes.conversion,
        "revenue": outcomes.revenue,
    }
    if predicted.p_c is not None:
        columns["p_c"] = predicted.p_c
    if predicted.log10_revenue is not None:
        error = predicted.log10_revenue - np.log10(1.0 + outcomes.revenue)
        columns |= {"squared": error**2, "absolute": np.abs(error), "e": predicted.revenue}
        columns["absolute_money"] = np.abs(predicted.revenue - outcomes.revenue)
    sums = [np.bincount(outcomes.user, values, users) for values in columns.values()]
    return list(columns), np.column_stack(sums)


def _figures(names: list[str], totals: Floats) -> dict[str, Floats]:
    """The ratios of each row of (resamples, sums)."""
    of = dict(zip(names, totals.T, strict=True))
    ratios = {
        "mse": ("squared", "exposures"),
        "mae": ("absolute", "exposures"),
        "mae_money": ("absolute_money", "exposures"),
        "conversion_ratio": ("p_c", "conversions"),
        "revenue_ratio": ("e", "revenue"),
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {name: of[over] / of[under] for name, (over, under) in ratios.items() if over in of}
    return {name: np.where(np.isfinite(values), values, np.nan) for name, values in found.items()}


@dataclass(frozen=True)
class _Ordered:
    """Exposures in rising order of a score, sorted once for all resamples.

    user, label: (exposures,) in that order; starts: where each group of equal scores begins.
    """

    user: Ints
    label: Floats
    starts: Ints

    @classmethod
    def by(cls, score: Floats, user: Ints, label: Floats) -> _Ordered:
        order = np.argsort(score, kind="stable")
        rising = score[order]
        starts = np.flatnonzero(np.concatenate([[True], rising[1:] != rising[:-1]]))
        return cls(user[order], label[order], starts)

    def auc(self, weight: Floats) -> float:
        """The weighted share of pairs of a positive and a negative that the score orders, ties by half."""
        each = weight[self.user]
        positive = np.add.reduceat(each * self.label, self.starts)
        negative = np.add.reduceat(each * (1.0 - self.label), self.starts)
        below = np.cumsum(negative) - negative
        pairs = positive.sum() * negative.sum()
        return float(positive @ (below + negative / 2) / pairs) if pairs else math.nan

    def gini(self, weight: Floats) -> float:
        """Twice the area between the diagonal and the share of the label that the lowest scores hold; ties share."""
        each = weight[self.user]
        mass = np.add.reduceat(each, self.starts)
        label = np.add.reduceat(each * self.label, self.starts)
        total = label.sum()
        if total == 0.0:
            return 0.0
        held = np.cumsum(label) / total
        area = float((mass * (held - label / total / 2)).sum() / mass.sum())
        return 1.0 - 2.0 * area
