"""95 % intervals of a predictor's figures, by a bootstrap over users."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.evaluation.bootstrap import percentiles, user_weights
from ptofa_spark.evaluation.predictions.metrics import Outcomes, Predicted

Places = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Weights = Bytes | Floats
# Resamples that are counted at once; NumPy lets other threads run meanwhile.
_THREADS = 4


@dataclass(frozen=True)
class Ends:
    """The ends of a 95 % interval."""

    low: float
    high: float


def metric_intervals(
    predictors: Sequence[Predicted], outcomes: Outcomes, resamples: int, seed: int
) -> dict[str, dict[str, Ends]]:
    """The intervals of the figures of `Metrics`, by predictor and figure. All predictors get the same resamples.

    calibration_error has no interval, since a bootstrap of it is biased upwards.

    Args:
        predictors: with distinct names.
        outcomes: of the test exposures.
        resamples: of the users.
        seed: of the resamples.
    """
    users = int(outcomes.user.max()) + 1
    shared = _Sums.by_user(
        {
            "exposures": np.ones(len(outcomes.user)),
            "conversions": outcomes.conversion,
            "revenue": outcomes.revenue,
        },
        outcomes.user,
        users,
    )
    by_r = Ordered.by(outcomes.revenue, outcomes.user, outcomes.revenue)
    bench = [_OnePredictor.of(each, outcomes, users) for each in predictors]
    rows: dict[str, list[dict[str, float]]] = {each.name: [] for each in predictors}
    with ThreadPoolExecutor(_THREADS) as threads:
        for weights in user_weights(users, resamples, seed):
            totals = shared.totals(weights)
            # One byte per user: exposures read their users' weights, which should fit the processor's cache.
            small = weights.astype(np.uint8)
            best = list(threads.map(by_r.gini, small, totals["exposures"]))
            for predictor, own in zip(predictors, bench, strict=True):
                rows[predictor.name] += own.figures(weights, small, totals, best, threads)
    return {name: _ends(found) for name, found in rows.items()}


def _ends(rows: list[dict[str, float]]) -> dict[str, Ends]:
    """The interval of each figure that is a number in at least one resample."""
    found = {}
    for name in rows[0]:
        values = np.array([[row[name]] for row in rows])
        if not np.isnan(values).all():
            low, high = percentiles(values)
            found[name] = Ends(float(low[0]), float(high[0]))
    return found


@dataclass(frozen=True)
class _Sums:
    """The sums by user whose totals make the figures. values: (users, names)."""

    names: tuple[str, ...]
    values: Floats

    @classmethod
    def by_user(cls, columns: dict[str, Floats], user: Ints, users: int) -> _Sums:
        sums = [np.bincount(user, values, users) for values in columns.values()]
        return cls(tuple(columns), np.column_stack(sums) if sums else np.empty((users, 0)))

    def totals(self, weights: Floats) -> dict[str, Floats]:
        """The total of each sum in each resample: (resamples,). weights: (resamples, users)."""
        return dict(zip(self.names, (weights @ self.values).T, strict=True))


@dataclass(frozen=True)
class _OnePredictor:
    """What the figures of one predictor are computed from in a resample."""

    sums: _Sums
    by_p: Ordered | None
    by_e: Ordered

    @classmethod
    def of(cls, predicted: Predicted, outcomes: Outcomes, users: int) -> _OnePredictor:
        columns = {}
        if predicted.p_c is not None:
            columns["p_c"] = predicted.p_c
        if predicted.log10_revenue is not None:
            error = predicted.log10_revenue - np.log10(1.0 + outcomes.revenue)
            columns |= {"squared": error**2, "absolute": np.abs(error)}
        if predicted.of_money:
            of_money = predicted.revenue - outcomes.revenue
            columns["e"] = predicted.revenue
            columns |= {"squared_money": of_money**2, "absolute_money": np.abs(of_money)}
        return cls(
            _Sums.by_user(columns, outcomes.user, users),
            None if predicted.p_c is None else Ordered.by(predicted.p_c, outcomes.user, outcomes.conversion),
            Ordered.by(predicted.revenue, outcomes.user, outcomes.revenue),
        )

    def figures(
        self, weights: Floats, small: Bytes, totals: dict[str, Floats], best: list[float], threads: Executor
    ) -> list[dict[str, float]]:
        """The figures of each resample. best: per resample, the Gini coefficient of revenue ordered by itself."""
        found = {name: values.tolist() for name, values in _ratios(totals | self.sums.totals(weights)).items()}
        if self.by_p is not None:
            found["auc"] = list(threads.map(self.by_p.auc, small, totals["exposures"]))
        ginis = threads.map(self.by_e.gini, small, totals["exposures"])
        found["gini"] = [own / perfect if perfect else math.nan for own, perfect in zip(ginis, best, strict=True)]
        return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


def _ratios(of: dict[str, Floats]) -> dict[str, Floats]:
    ratios = {
        "mse": ("squared", "exposures"),
        "mae": ("absolute", "exposures"),
        "mse_money": ("squared_money", "exposures"),
        "mae_money": ("absolute_money", "exposures"),
        "conversion_ratio": ("p_c", "conversions"),
        "revenue_ratio": ("e", "revenue"),
    }
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {name: of[over] / of[under] for name, (over, under) in ratios.items() if over in of}
    return {name: np.where(np.isfinite(values), values, np.nan) for name, values in found.items()}


@dataclass(frozen=True)
class Ordered:
    """Exposures in ascending order of a score, sorted once for all resamples.

    The exposures with one score are a group. Consecutive groups without a label are merged, since only their number
    counts. The largest group is what the others leave of all, so no exposure of it is looked at.

    user: of the exposures outside the largest group, in that order; starts: first place of each of the other groups
    among them; largest: which group is the largest; groups: how many there are; labelled_user, label, group: of the
    exposures with a label other than 0. They are few if few exposures convert.
    """

    user: Places
    starts: Ints
    largest: int
    groups: int
    labelled_user: Places
    label: Floats
    group: Ints

    @classmethod
    def by(cls, score: Floats, user: Ints, label: Floats) -> Ordered:
        """Sorts the exposures by their scores. score, user, label: (exposures,)."""
        order = np.argsort(score, kind="stable")
        rising, label = score[order], label[order]
        in_order: Places = user[order].astype(np.int32)
        starts = np.flatnonzero(np.concatenate([[True], rising[1:] != rising[:-1]]))
        labelled = np.logical_or.reduceat(label != 0.0, starts)
        starts = starts[labelled | np.concatenate([[True], labelled[:-1]])]
        places = np.flatnonzero(label)
        group = np.searchsorted(starts, places, side="right") - 1
        sizes = np.diff(starts, append=len(in_order))
        largest = int(np.argmax(sizes))
        others = np.delete(sizes, largest)
        outside = np.delete(in_order, slice(starts[largest], starts[largest] + sizes[largest]))
        first = np.cumsum(others) - others
        return cls(outside, first, largest, len(starts), in_order[places], label[places], group)

    def auc(self, weight: Weights, total: float) -> float:
        """The weighted share of positive-negative pairs that the score sorts correctly. A tie counts by half.

        Args:
            weight: (users,), whole numbers.
            total: weight of all exposures.
        """
        positive = self._labels(weight)
        negative = self._mass(weight, total) - positive
        below = np.cumsum(negative) - negative
        pairs = positive.sum() * negative.sum()
        return float(positive @ (below + negative / 2) / pairs) if pairs else math.nan

    def gini(self, weight: Weights, total: float) -> float:
        """Twice the area between the diagonal and the label's cumulative share, by ascending score. Ties share.

        Arguments as in `auc`.
        """
        mass, label = self._mass(weight, total), self._labels(weight)
        labels = label.sum()
        if labels == 0.0:
            return 0.0
        held = np.cumsum(label) / labels
        area = float((mass * (held - label / labels / 2)).sum() / mass.sum())
        return 1.0 - 2.0 * area

    def _mass(self, weight: Weights, total: float) -> Floats:
        """The weight of each group's exposures: whole numbers, so exact."""
        others = np.zeros(0)
        if len(self.starts):
            others = np.add.reduceat(weight[self.user], self.starts, dtype=np.float64)
        mass: Floats = np.insert(others, self.largest, total - others.sum())
        return mass

    def _labels(self, weight: Weights) -> Floats:
        """The weighted sum of each group's labels."""
        labels = np.bincount(self.group, weight[self.labelled_user] * self.label, self.groups)
        return labels.astype(np.float64, copy=False)
