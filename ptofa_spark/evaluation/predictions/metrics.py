"""Metrics of predictions: the columns of Table 1 of the paper, and errors in money.

Table 1 measures log10(1 + R), where R is the revenue of an exposure. A model predicts its mean, with exposures that do
not convert included. Most labels are zero, so predicting zero has the lowest mean absolute error (MAE). For comparison
every table has the predictors zero and mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import mean_absolute_error, mean_squared_error, roc_auc_score

from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.evaluation.predictions.calibration import calibration, expected_calibration_error
from ptofa_spark.models.parts.units import Unit


@dataclass(frozen=True)
class Outcomes:
    """The outcome of each exposure; each array is (exposures,).

    conversion: 0 or 1; revenue: money, 0 without a conversion; user: number of the user, from 0 to users - 1; fund:
    index in `fund_ids`.
    """

    conversion: Floats
    revenue: Floats
    user: Ints
    fund: Ints
    fund_ids: tuple[str, ...]


@dataclass(frozen=True)
class Predicted:
    """The predictions of a predictor; each array is (exposures,).

    p_c: probability of conversion; log10_revenue: mean of log10(1 + R); either is None if the model does not predict
    it; revenue: what the allocator gets; unit: of revenue, as the model declares it.
    """

    name: str
    p_c: Floats | None
    log10_revenue: Floats | None
    revenue: Floats
    unit: Unit = "money"

    @property
    def of_money(self) -> bool:
        """Whether `revenue` is money."""
        return self.unit == "money"


@dataclass(frozen=True)
class Metrics:
    """One row of the table of models.

    auc: area under the ROC curve of conversion, None with one class only; mse, mae: mean squared and mean absolute
    error of log10(1 + R); mae_money: money; mse_money: money squared; gini: normalised, of revenue ordered by
    prediction; conversion_ratio, revenue_ratio: sum(predicted) / sum(actual), None if sum(actual) is 0; less 1, it is
    the label-mean bias; calibration_error: of p_c, over ten groups of equal size.

    A figure is None if the model does not predict its quantity. A model whose unit is conversions predicts no money.
    """

    name: str
    auc: float | None
    mse: float | None
    mae: float | None
    mae_money: float | None
    gini: float | None
    conversion_ratio: float | None
    revenue_ratio: float | None
    calibration_error: float | None
    mse_money: float | None = None


@dataclass(frozen=True)
class FundCalibration:
    """One fund's test exposures: sums of predictions and of outcomes. A prediction that the model lacks is None.

    Conversions are counts, revenue is money.
    """

    fund_id: str
    exposures: int
    predicted_conversions: float | None
    conversions: float
    predicted_revenue: float | None
    revenue: float


def metrics(predicted: Predicted, outcomes: Outcomes) -> Metrics:
    """The figures of one predictor: those of the paper's Table 1, and errors in money."""
    label = np.log10(1.0 + outcomes.revenue)
    both = 0 < outcomes.conversion.sum() < len(outcomes.conversion)
    p_c, log10 = predicted.p_c, predicted.log10_revenue
    return Metrics(
        name=predicted.name,
        auc=float(roc_auc_score(outcomes.conversion, p_c)) if both and p_c is not None else None,
        mse=None if log10 is None else float(mean_squared_error(label, log10)),
        mae=None if log10 is None else float(mean_absolute_error(label, log10)),
        mae_money=float(mean_absolute_error(outcomes.revenue, predicted.revenue)) if predicted.of_money else None,
        gini=normalised_gini(outcomes.revenue, predicted.revenue),
        conversion_ratio=None if p_c is None else _ratio(p_c, outcomes.conversion),
        revenue_ratio=_ratio(predicted.revenue, outcomes.revenue) if predicted.of_money else None,
        calibration_error=None if p_c is None else expected_calibration_error(calibration(p_c, outcomes.conversion)),
        mse_money=float(mean_squared_error(outcomes.revenue, predicted.revenue)) if predicted.of_money else None,
    )


def by_fund(predicted: Predicted, outcomes: Outcomes) -> tuple[FundCalibration, ...]:
    """Sums per fund, for every fund that was shown."""

    def sums(values: Floats | None) -> list[float | None]:
        funds = len(outcomes.fund_ids)
        return [None] * funds if values is None else [*np.bincount(outcomes.fund, values, funds).tolist()]

    shown = np.bincount(outcomes.fund, minlength=len(outcomes.fund_ids))
    of_money = predicted.revenue if predicted.of_money else None
    columns = (sums(predicted.p_c), sums(outcomes.conversion), sums(of_money), sums(outcomes.revenue))
    rows = zip(outcomes.fund_ids, shown.tolist(), *columns, strict=True)
    return tuple(FundCalibration(*row) for row in rows if row[1])


def yardsticks(outcomes: Outcomes) -> tuple[Predicted, Predicted]:
    """Two constant predictors: zero, and the means of the test set, the constants of the least squared error."""
    size = len(outcomes.revenue)
    zero = np.zeros(size)
    means = (outcomes.conversion.mean(), np.log10(1.0 + outcomes.revenue).mean(), outcomes.revenue.mean())
    p_c, log10_revenue, revenue = (np.full(size, mean) for mean in means)
    return Predicted("zero", zero, zero, zero), Predicted("mean", p_c, log10_revenue, revenue)


def normalised_gini(actual: Floats, predicted: Floats) -> float | None:
    """Gini coefficient of revenue ordered by prediction, divided by that of revenue ordered by itself.

    It is 1 for a perfect order, 0 for none, and None without revenue. Equal predictions share their revenue evenly, so
    their order does not matter.

    Args:
        actual: (exposures,), money.
        predicted: (exposures,), in any unit that orders them.

    >>> revenue = np.array([0.0, 0.0, 10.0, 2.0])
    >>> [normalised_gini(revenue, np.array(guess)) for guess in ([1, 2, 9, 8], [5, 5, 5, 5])]
    [1.0, 0.0]
    """
    best = _gini(actual, actual)
    return None if best == 0.0 else _gini(actual, predicted) / best + 0.0  # no -0.0


def _gini(actual: Floats, by: Floats) -> float:
    total = float(actual.sum())
    if total == 0.0:
        return 0.0
    _, group = np.unique(-by, return_inverse=True)
    size = np.bincount(group)
    shared = (np.bincount(group, weights=actual) / size)[np.sort(group)]
    share = np.cumsum(shared) / total
    return float(share.mean() - (len(actual) + 1) / (2 * len(actual)))


def _ratio(predicted: Floats, actual: Floats) -> float | None:
    total = float(actual.sum())
    return None if total == 0.0 else float(predicted.sum()) / total
