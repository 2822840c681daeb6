"""The figures of a predictor, against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ptofa_spark.evaluation.predictions.calibration import calibration, expected_calibration_error
from ptofa_spark.evaluation.predictions.intervals import Ends, Ordered, metric_intervals
from ptofa_spark.evaluation.predictions.metrics import (
    Outcomes,
    Predicted,
    by_fund,
    metrics,
    normalised_gini,
    yardsticks,
)


def outcomes(seed: int = 0, size: int = 400) -> tuple[Outcomes, Predicted]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 9, size).round(2)  # rounding makes ties
    converted = (rng.random(size) < p).astype(float)
    revenue = converted * rng.lognormal(5, 1, size)
    return logged(converted, revenue), Predicted("model", p, p * 2.0, p * 150.0)


def logged(conversion: np.ndarray, revenue: np.ndarray, exposures_a_user: int = 1) -> Outcomes:
    """The outcomes, as if users had seen so many each, the last fewer, of two funds in turn."""
    row = np.arange(len(revenue))
    return Outcomes(conversion, revenue, row // exposures_a_user, row % 2, ("bond", "équité"))


def test_auc_counts_pairs_and_half_of_ties() -> None:
    seen, predicted = outcomes()
    positive, negative = predicted.p_c[seen.conversion == 1], predicted.p_c[seen.conversion == 0]
    won = (positive[:, None] > negative[None, :]).mean() + 0.5 * (positive[:, None] == negative[None, :]).mean()
    assert metrics(predicted, seen).auc == pytest.approx(won)


def test_errors_and_ratios_by_hand() -> None:
    seen = logged(np.array([1.0, 0.0, 0.0, 1.0]), np.array([99.0, 0.0, 0.0, 9.0]))
    said = Predicted(
        "m", np.array([0.5, 0.5, 0.0, 0.5]), np.array([1.0, 1.0, 0.0, 1.0]), np.array([50.0, 0.0, 0.0, 4.0])
    )
    found = metrics(said, seen)
    assert found.mse == pytest.approx((1 + 1 + 0 + 0) / 4)
    assert found.mae == pytest.approx(2 / 4)
    assert found.mse_money == pytest.approx((49**2 + 0 + 0 + 5**2) / 4)
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
    seen = logged(np.zeros(5), np.zeros(5))
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


def test_weighted_auc_and_gini_are_those_of_rows_repeated_so_often() -> None:
    seen, predicted = outcomes()
    seen = logged(seen.conversion, seen.revenue, exposures_a_user=3)
    weight = np.random.default_rng(4).poisson(1.0, int(seen.user.max()) + 1).astype(float)
    times = weight[seen.user].astype(int)
    total = times.sum()
    by_p = Ordered.by(predicted.p_c, seen.user, seen.conversion)
    assert by_p.auc(weight, total) == pytest.approx(roc_auc_score(seen.conversion, predicted.p_c, sample_weight=times))
    repeated = [np.repeat(values, times) for values in (seen.revenue, predicted.revenue)]
    by_e, by_r = (Ordered.by(score, seen.user, seen.revenue) for score in (predicted.revenue, seen.revenue))
    assert by_e.gini(weight, times.sum()) / by_r.gini(weight, total) == pytest.approx(normalised_gini(*repeated))


def intervals(predicted: Predicted, seen: Outcomes, resamples: int, seed: int) -> dict[str, Ends]:
    return metric_intervals([predicted], seen, resamples, seed)[predicted.name]


def test_intervals_hold_the_figure_are_seeded_and_widen_where_users_repeat_themselves() -> None:
    seen, predicted = outcomes(size=2_000)
    found, point = intervals(predicted, seen, 200, 1), metrics(predicted, seen)
    assert set(found) == {"auc", "mse", "mae", "mse_money", "mae_money", "gini", "conversion_ratio", "revenue_ratio"}
    for name, ends in found.items():
        assert ends.low < getattr(point, name) < ends.high, name
    assert intervals(predicted, seen, 200, 1) == found
    assert intervals(predicted, seen, 200, 2) != found
    # Every user's exposure four times over: the same figures, and intervals no narrower than of the users alone.
    four = [np.repeat(values, 4) for values in (seen.conversion, seen.revenue)]
    often = Predicted(
        "m", *(np.repeat(values, 4) for values in (predicted.p_c, predicted.log10_revenue, predicted.revenue))
    )
    wide = intervals(often, logged(*four, exposures_a_user=4), 200, 1)
    assert wide["mse"].high - wide["mse"].low == pytest.approx(found["mse"].high - found["mse"].low, rel=1e-6)


@pytest.mark.thorough
def test_an_interval_of_the_mean_covers_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(100):
        seen, predicted = outcomes(seed, 600)
        ends = intervals(predicted, seen, 100, seed)["conversion_ratio"]
        covered += ends.low <= 1.0 <= ends.high  # conversions are drawn from the prediction
    assert 88 <= covered <= 100


def test_a_predictor_without_heads_has_intervals_of_what_it_says_alone() -> None:
    seen, predicted = outcomes()
    found = intervals(Predicted("esmm", predicted.p_c, None, predicted.p_c, "conversions"), seen, 50, 1)
    assert set(found) == {"auc", "gini", "conversion_ratio"}
    nothing = logged(np.zeros(6), np.zeros(6))
    assert "revenue_ratio" not in intervals(Predicted("zero", *(np.zeros(6) for _ in range(3))), nothing, 20, 1)


def test_a_model_of_money_is_compared_with_money_whatever_heads_it_has() -> None:
    seen, said = outcomes()
    alone = Predicted("m", None, None, said.revenue)
    found, whole = metrics(alone, seen), metrics(said, seen)
    assert (found.mae_money, found.mse_money) == (whole.mae_money, whole.mse_money)
    assert found.revenue_ratio == whole.revenue_ratio
    assert (found.mse, found.auc, found.conversion_ratio) == (None, None, None)
    assert set(intervals(alone, seen, 20, 1)) == {"gini", "mse_money", "mae_money", "revenue_ratio"}


def test_sums_by_fund() -> None:
    seen = logged(np.array([1.0, 0.0, 0.0]), np.array([80.0, 0.0, 0.0]))
    said = Predicted("m", np.array([0.5, 0.25, 0.25]), np.zeros(3), np.array([50.0, 7.0, 3.0]))
    bond, equity = by_fund(said, seen)
    assert (bond.fund_id, bond.exposures, bond.predicted_conversions, bond.predicted_revenue) == ("bond", 2, 0.75, 53.0)
    assert (equity.conversions, equity.revenue, equity.predicted_revenue) == (0.0, 0.0, 7.0)
    assert by_fund(Predicted("esmm", said.p_c, None, said.p_c, "conversions"), seen)[0].predicted_revenue is None


def test_calibration_does_not_depend_on_the_order_of_equal_predictions() -> None:
    rng = np.random.default_rng(8)
    predicted, actual = rng.choice([0.1, 0.2], 400), (rng.random(400) < 0.15).astype(float)
    order = rng.permutation(400)
    shown, again = calibration(predicted, actual), calibration(predicted[order], actual[order])
    assert [group.actual for group in shown] == pytest.approx([group.actual for group in again])
    constant = calibration(np.full(400, actual.mean()), actual)
    assert expected_calibration_error(constant) == pytest.approx(0.0, abs=1e-12)
    assert expected_calibration_error(shown) > 0.0
