"""The figures of a predictor, against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ptofa_spark.evaluation.calibration import calibration, expected_calibration_error
from ptofa_spark.evaluation.metrics import Outcomes, Predicted, metrics, normalised_gini, yardsticks


def outcomes(seed: int = 0, size: int = 400) -> tuple[Outcomes, Predicted]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 9, size).round(2)  # rounding makes ties
    converted = (rng.random(size) < p).astype(float)
    revenue = converted * rng.lognormal(5, 1, size)
    return Outcomes(converted, revenue), Predicted("model", p, p * 2.0, p * 150.0)


def test_auc_counts_pairs_and_half_of_ties() -> None:
    seen, predicted = outcomes()
    positive, negative = predicted.p_c[seen.conversion == 1], predicted.p_c[seen.conversion == 0]
    won = (positive[:, None] > negative[None, :]).mean() + 0.5 * (positive[:, None] == negative[None, :]).mean()
    assert metrics(predicted, seen).auc == pytest.approx(won)


def test_errors_and_ratios_by_hand() -> None:
    seen = Outcomes(np.array([1.0, 0.0, 0.0, 1.0]), np.array([99.0, 0.0, 0.0, 9.0]))
    said = Predicted(
        "m", np.array([0.5, 0.5, 0.0, 0.5]), np.array([1.0, 1.0, 0.0, 1.0]), np.array([50.0, 0.0, 0.0, 4.0])
    )
    found = metrics(said, seen)
    assert found.mse == pytest.approx((1 + 1 + 0 + 0) / 4)
    assert found.mae == pytest.approx(2 / 4)
    assert found.mae_money == pytest.approx((49 + 0 + 0 + 5) / 4)
    assert found.conversion_ratio == pytest.approx(1.5 / 2)
    assert found.revenue_ratio == pytest.approx(54 / 108)


def test_gini_is_one_for_the_true_order_and_nought_for_a_constant_in_any_order_of_rows() -> None:
    seen, predicted = outcomes()
    assert normalised_gini(seen.revenue, seen.revenue) == pytest.approx(1.0)
    assert normalised_gini(seen.revenue, np.full(400, 3.0)) == pytest.approx(0.0)
    assert normalised_gini(seen.revenue, -seen.revenue) < -0.5
    shuffle = np.random.default_rng(1).permutation(400)
    assert normalised_gini(seen.revenue[shuffle], predicted.revenue[shuffle]) == pytest.approx(
        normalised_gini(seen.revenue, predicted.revenue)
    )


def test_nothing_to_order_gives_none() -> None:
    seen = Outcomes(np.zeros(5), np.zeros(5))
    found = metrics(Predicted("m", *(np.full(5, 0.1) for _ in range(3))), seen)
    assert (found.auc, found.gini, found.conversion_ratio, found.revenue_ratio) == (None, None, None, None)


def test_zero_wins_the_mae_of_mostly_zero_labels_and_so_stands_beside_the_model() -> None:
    seen, predicted = outcomes()
    zero, mean = (metrics(each, seen) for each in yardsticks(seen))
    assert (zero.name, mean.name) == ("zero", "mean")
    assert zero.mae < mean.mae
    assert mean.mse < zero.mse
    assert mean.conversion_ratio == pytest.approx(1.0)
    assert metrics(predicted, seen).auc > 0.6


def test_calibration_groups_are_of_equal_mass_and_their_error_is_weighted() -> None:
    predicted = np.array([0.1, 0.9, 0.2, 0.8, 0.3])
    actual = np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    groups = calibration(predicted, actual, groups=2)
    assert [group.exposures for group in groups] == [3, 2]
    assert [group.predicted for group in groups] == pytest.approx([0.2, 0.85])
    assert [group.actual for group in groups] == pytest.approx([1 / 3, 1.0])
    assert expected_calibration_error(groups) == pytest.approx((3 * (1 / 3 - 0.2) + 2 * 0.15) / 5)
    assert len(calibration(predicted[:3], actual[:3])) == 3  # fewer exposures than groups
