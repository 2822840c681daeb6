"""The simulator's truth: its calibration, its distributions, and the log that its policy leaves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from ptofa_spark.simulator.behaviour import chosen, make_purchases
from ptofa_spark.simulator.exposures import outcomes, propensities, show
from ptofa_spark.simulator.population import FAR_TRANS_PROFILES, make_people
from ptofa_spark.simulator.settings import SCENARIOS, GeneratePlatformSettings
from ptofa_spark.simulator.truth import expected_auc, expected_revenue, make_truth
from ptofa_spark.simulator.world import make_world

USERS = np.arange(200_000)


@pytest.fixture(scope="module", params=["promotion", "recommendation"])
def campaign(request):
    """200,000 users of a scenario, their truth, and two campaigns of outcomes under the logging policy."""
    world = make_world(GeneratePlatformSettings(scenario=request.param, seed=11))
    people = make_people(world.seed, USERS, 4)
    truth = make_truth(people, world.funds, 4, world.calibration)
    shown = [show(world.funds, USERS, people.risk_tolerance, week) for week in (0, 1)]
    pairs = [(USERS, each.fund) for each in shown]
    came = [
        outcomes(world.seed, USERS, week, truth.p_c[pair], truth.mu[pair], truth.sigma[pair])
        for week, pair in enumerate(pairs)
    ]
    return world, people, truth, shown, came


def test_the_conversion_rate_meets_the_calibration(campaign):
    world, _, _, _, came = campaign
    converted = np.concatenate([each.conversion for each in came])
    assert converted.mean() == pytest.approx(world.scenario.conversion_rate, rel=0.15)


def test_revenue_meets_the_calibration(campaign):
    _, _, _, _, came = campaign
    converted = np.concatenate([each.conversion for each in came])
    revenue = np.concatenate([each.revenue for each in came])
    assert revenue.sum() / converted.sum() == pytest.approx(5_500, rel=0.15)
    assert ((revenue > 0) == converted).all()


def test_oracle_auc_meets_the_calibration(campaign):
    world, _, truth, shown, came = campaign
    p_c = np.concatenate([truth.p_c[USERS, each.fund] for each in shown])
    converted = np.concatenate([each.conversion for each in came])
    assert roc_auc_score(converted, p_c) == pytest.approx(world.scenario.oracle_auc, abs=0.02)


def test_conversions_follow_p_c_within_binomial_error_in_every_decile(campaign):
    _, _, truth, shown, came = campaign
    p_c = np.concatenate([truth.p_c[USERS, each.fund] for each in shown])
    converted = np.concatenate([each.conversion for each in came])
    for decile in np.array_split(np.argsort(p_c), 10):
        error = (converted[decile].sum() - p_c[decile].sum()) / np.sqrt((p_c[decile] * (1 - p_c[decile])).sum())
        assert abs(error) < 4


def test_a_conversion_has_a_click(campaign):
    _, _, _, _, came = campaign
    assert not (came[0].conversion & ~came[0].click).any()


def test_clicks_follow_the_root_of_p_c(campaign):
    _, _, truth, shown, came = campaign
    clicked = came[0].click
    expected = np.sqrt(truth.p_c[USERS, shown[0].fund])
    assert abs(clicked.sum() - expected.sum()) < 4 * np.sqrt((expected * (1 - expected)).sum())


def test_log_revenue_is_normal_with_the_pairs_own_mu_and_sigma(campaign):
    _, _, truth, shown, came = campaign
    row = np.flatnonzero(came[0].conversion)
    fund = shown[0].fund[row]
    scaled = (np.log(came[0].revenue[row]) - truth.mu[row, fund]) / truth.sigma[row, fund]
    assert stats.kstest(scaled, "norm").pvalue > 0.001


def test_funds_differ_for_the_same_user(campaign):
    world, people, truth, _, _ = campaign
    eligible = world.funds.eligible(people.risk_tolerance)
    revenue = np.where(eligible, expected_revenue(truth), np.nan)
    several = eligible.sum(axis=1) > 1
    gain = np.nanmax(revenue[several], axis=1) / np.nanmean(revenue[several], axis=1)
    assert np.median(gain) > 1.3
    best = np.nanargmax(np.where(eligible, revenue, -1.0), axis=1)
    assert np.bincount(best, minlength=len(world.funds.fund_id)).max() < 0.7 * len(USERS)


def test_expected_auc_is_the_probability_that_a_positive_outranks_a_negative():
    p_c, weight = np.array([0.1, 0.2, 0.2, 0.7]), np.array([0.4, 0.1, 0.3, 0.2])
    wins = total = 0.0
    for i in range(4):
        for j in range(4):
            mass = weight[i] * p_c[i] * weight[j] * (1 - p_c[j])
            total += mass
            wins += mass * (1.0 if i > j else 0.5 if i == j else 0.0)
    assert expected_auc(p_c, weight) == pytest.approx(wins / total)


def test_tolerances_have_the_shares_of_the_real_bank():
    tolerance = make_people(5, USERS, 4).risk_tolerance
    count = np.bincount(tolerance, minlength=6)
    total = sum(FAR_TRANS_PROFILES.values())
    found = [count[1], count[2], count[3] + count[4], count[5]]
    for share, profile in zip(found, (2_857, 9_179, 7_194, 2_399), strict=True):
        assert share / len(USERS) == pytest.approx(profile / total, abs=0.005)
    assert count[3] == pytest.approx(count[4], rel=0.05)


def test_amounts_are_log_normal_with_the_users_own_parameters():
    world = make_world(GeneratePlatformSettings(seed=3))
    people = make_people(3, USERS, 4)
    bought = make_purchases(people, world.funds, 4)
    scaled = (np.log(bought.amount) - people.log_amount_mean[bought.user]) / people.log_amount_sd[bought.user]
    assert stats.kstest(scaled[:50_000], "norm").pvalue > 0.001
    for user in np.argsort(-people.purchases)[:20]:
        logs = np.log(bought.amount[bought.user == user])
        error = people.log_amount_sd[user] / np.sqrt(len(logs))
        assert abs(logs.mean() - people.log_amount_mean[user]) < 4 * error


def test_the_number_of_purchases_has_a_long_tail():
    people = make_people(3, USERS, 4)
    assert np.quantile(people.purchases, 0.99) > 8 * people.purchases.mean() > 8 * np.median(people.purchases)


def test_purchases_respect_the_risk_limit():
    world = make_world(GeneratePlatformSettings(seed=3))
    people = make_people(3, USERS, 4)
    bought = make_purchases(people, world.funds, 4)
    assert (world.funds.risk_level[bought.fund] <= people.risk_tolerance[bought.user]).all()
    assert bought.seconds_before.min() > 0


def test_history_predicts_conversion():
    """Users who bought a type convert on it more often than users who bought another type instead."""
    world = make_world(GeneratePlatformSettings(seed=3))
    people = make_people(3, USERS[:50_000], 4)
    bought = make_purchases(people, world.funds, 4)
    truth = make_truth(people, world.funds, 4, world.calibration)
    bonds = np.isin(world.funds.type[bought.fund], world.funds.type[1])
    share = np.bincount(bought.user, weights=bonds, minlength=50_000) / np.maximum(people.purchases, 1)
    active = people.purchases >= 2
    with_bonds, without = active & (share > 0.5), active & (share == 0)
    assert truth.p_c[with_bonds, 1].mean() > 1.5 * truth.p_c[without, 1].mean()


@pytest.mark.thorough
@pytest.mark.parametrize("funds", [1, 2, 200])
def test_any_number_of_funds_meets_the_calibration(funds):
    world = make_world(GeneratePlatformSettings(funds=funds, seed=2))
    people = make_people(2, USERS[:20_000], 4)
    truth = make_truth(people, world.funds, 4, world.calibration)
    weight = propensities(world.funds, people.risk_tolerance, 0)
    assert weight.shape == (20_000, funds)
    assert (weight * truth.p_c).sum(axis=1).mean() == pytest.approx(0.003, rel=0.15)
    assert world.funds.risk_level.min() == 1
    assert set(world.funds.risk_level) <= {1, 2, 3, 4, 5}


def test_recommendation_has_one_fund_of_each_type():
    world = make_world(GeneratePlatformSettings(scenario="recommendation"))
    assert len(world.funds.fund_id) == 4
    assert len(set(world.funds.type)) == 4
    ratio = SCENARIOS["recommendation"].conversion_rate / SCENARIOS["promotion"].conversion_rate
    assert ratio == pytest.approx(10)


def test_propensity_is_the_share_with_which_a_fund_is_shown():
    world = make_world(GeneratePlatformSettings(seed=3))
    tolerance = np.full(len(USERS), 3)
    shown = show(world.funds, USERS, tolerance, 0)
    chance = propensities(world.funds, tolerance, 0)[0]
    count = np.bincount(shown.fund, minlength=8)
    assert (np.abs(count - len(USERS) * chance) <= 4 * np.sqrt(len(USERS) * chance * (1 - chance))).all()
    assert (shown.propensity == chance[shown.fund]).all()
    assert (chance[world.funds.risk_level > 3] == 0).all()


@pytest.fixture(scope="module")
def selecting():
    """A world whose policy selects, its users and their truth, and the log of that policy."""
    world = make_world(GeneratePlatformSettings(seed=3, exposure_policy="selected"))
    people = make_people(world.seed, USERS, 4)
    truth = make_truth(people, world.funds, 4, world.calibration)
    return world, people, truth, show(world.funds, USERS, people.risk_tolerance, 0, truth.p_c)


def test_a_selecting_policy_shows_more_often_what_converts(selecting):
    world, people, truth, selected = selecting
    fair = show(world.funds, USERS, people.risk_tolerance, 0)
    assert world.logging.selects
    assert truth.p_c[USERS, selected.fund].mean() > 1.3 * truth.p_c[USERS, fair.fund].mean()
    assert world.funds.eligible(people.risk_tolerance)[USERS, selected.fund].all()


def test_a_selecting_policy_logs_its_propensity(selecting):
    """Weighted by 1 / propensity its log shows every fund as often as there are users who may see it."""
    world, people, _, selected = selecting
    for fund in range(8):
        may = world.funds.eligible(people.risk_tolerance)[:, fund]
        weights = np.where(selected.fund == fund, 1 / selected.propensity, 0.0)[may]
        assert abs(weights.mean() - 1) < 4 * weights.std() / np.sqrt(may.sum())


def test_a_conversion_too_small_to_be_recorded_leaves_a_click_alone():
    p_c, mu, sigma = (np.full(len(USERS), value) for value in (0.04, 8.0, 0.8))
    whole = outcomes(3, USERS, 0, p_c, mu, sigma)
    cut = outcomes(3, USERS, 0, p_c, mu, sigma, unrecorded_below=2_000.0)
    small = whole.conversion & (whole.revenue < 2_000.0)
    assert small.sum() > 0.2 * whole.conversion.sum()
    assert (cut.conversion == (whole.conversion & ~small)).all()
    assert (cut.revenue == np.where(small, 0.0, whole.revenue)).all()
    assert (cut.click == whole.click).all()


def test_the_fund_whose_share_holds_the_chance_is_chosen():
    weights = np.array([[0.0, 1.0, 3.0, 0.0], [2.0, 0.0, 0.0, 0.0]])
    user, chance = np.array([0, 0, 0, 0, 1, 1]), np.array([1e-16, 0.2499, 0.2501, 1 - 2.0**-53, 1e-16, 1 - 2.0**-53])
    assert chosen(weights, user, chance).tolist() == [1, 1, 2, 2, 0, 0]


def test_campaigns_are_a_week_apart():
    calendar = make_world(GeneratePlatformSettings(weeks=12)).calendar
    starts = [calendar.start_date(week) for week in range(13)]
    assert {(b - a).days for a, b in pairwise(starts)} == {7}
    assert starts[-1] == GeneratePlatformSettings().target_date


def test_names_of_campaigns_sort_by_time():
    calendar = make_world(GeneratePlatformSettings(weeks=12)).calendar
    names = [calendar.campaign_id(week) for week in range(13)]
    assert names == sorted(names)
