"""The truth of every (user, fund) pair: p_c, mu and sigma. The evaluation reads it; no feature and no model may.

The scores are non-linear in what a model can see (demographics, income, past purchases, the fund's attributes, the gap
between tolerance and risk) and hold a part that it cannot see. Three constants then fit a scenario: the logit's slope
to the oracle's AUC, its intercept to the conversion rate, and the shift of mu to the mean revenue of a conversion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit

from ptofa_spark.arrays import Floats
from ptofa_spark.reproducible.hashing import normal, stream
from ptofa_spark.simulator.behaviour import counts_by_type, make_purchases
from ptofa_spark.simulator.exposures import propensities
from ptofa_spark.simulator.funds import TYPES, Funds
from ptofa_spark.simulator.population import DEVICES, People, make_people
from ptofa_spark.simulator.settings import Scenario

_CALIBRATION_PAIRS = 160_000
# Standard deviations of what no feature shows: of the logit, before the slope, and of log revenue.
UNSEEN_USER, UNSEEN_PAIR, UNSEEN_AMOUNT = 0.35, 0.35, 0.15
_SIGMA_BOUNDS = (0.3, 1.4)


@dataclass(frozen=True)
class Scores:
    """What the features say of each pair before calibration. conversion, log_amount, sigma: (users, funds)."""

    conversion: Floats
    log_amount: Floats
    sigma: Floats


@dataclass(frozen=True)
class Calibration:
    """logit(p_c) = intercept + slope * conversion; mu = log_amount + shift."""

    slope: float
    intercept: float
    shift: float


@dataclass(frozen=True)
class Truth:
    """True conversion probability, mean and standard deviation of log revenue of each pair, all (users, funds)."""

    p_c: Floats
    mu: Floats
    sigma: Floats


def make_truth(people: People, funds: Funds, weeks: int, calibration: Calibration) -> Truth:
    """The truth of a batch of users. Rounded, so that the last bit of a machine's `exp` does not decide a row."""
    scores = make_scores(people, funds, weeks)
    return Truth(
        p_c=np.clip(np.round(expit(calibration.intercept + calibration.slope * scores.conversion), 9), 1e-9, 1 - 1e-9),
        mu=np.round(scores.log_amount + calibration.shift, 6),
        sigma=np.round(scores.sigma, 6),
    )


def make_scores(people: People, funds: Funds, weeks: int) -> Scores:
    """The uncalibrated scores of a batch of users."""
    counts = counts_by_type(make_purchases(people, funds, weeks), funds, len(people.user_id))
    bought = np.log1p(people.purchases.astype(np.float64))
    affinity = np.sqrt(counts / (1.0 + people.purchases)[:, None])[:, funds.type]
    return Scores(
        conversion=_conversion_score(people, funds, bought, affinity),
        log_amount=_log_amount_score(people, funds, bought, affinity),
        sigma=np.clip(
            0.2 + 0.8 * people.log_amount_sd[:, None] + 0.05 * (funds.risk_level - 1.0)[None, :], *_SIGMA_BOUNDS
        ),
    )


def _conversion_score(people: People, funds: Funds, bought: Floats, affinity: Floats) -> Floats:
    pair = people.user_id[:, None], np.arange(len(funds.fund_id))[None, :]
    kind = {name: np.array([getattr(t, name) for t in TYPES])[funds.type] for name in ("conversion", "youth", "wealth")}
    young, phone = np.tanh(people.youth), (people.device != DEVICES.index("web")).astype(np.float64)
    gap = people.risk_tolerance[:, None] - funds.risk_level[None, :]
    hot = np.clip(funds.returns[0] / 0.05, -1.5, 1.5)  # the last month's return, which the young on phones chase
    user = (
        0.55 * np.minimum(bought, 3.0)
        - 0.35 * (people.youth + 0.3) ** 2
        + 0.15 * people.gender
        + 0.12 * (3.0 - people.city_tier) * (bought > 0)
        + UNSEEN_USER * normal(stream(funds.seed, "truth", "unseen_user"), people.user_id)
    )
    of_pair = (
        kind["conversion"][None, :]
        + 1.8 * affinity
        + 0.8 * young[:, None] * kind["youth"][None, :]
        + 0.5 * np.tanh(people.wealth)[:, None] * kind["wealth"][None, :]
        - 0.15 * (gap - 1.0) ** 2
        + 0.25 * (phone * (1.0 + young))[:, None] * hot[None, :]
        - 40.0 * funds.fee[None, :] * (people.wealth < 0)[:, None]
        + UNSEEN_PAIR * normal(stream(funds.seed, "truth", "unseen_pair"), *pair)
    )
    score: Floats = user[:, None] + of_pair
    return score


def _log_amount_score(people: People, funds: Funds, bought: Floats, affinity: Floats) -> Floats:
    pair = people.user_id[:, None], np.arange(len(funds.fund_id))[None, :]
    shift = np.array([t.log_amount for t in TYPES])[funds.type]
    gap = people.risk_tolerance[:, None] - funds.risk_level[None, :]
    score: Floats = (
        0.9 * people.log_amount_mean[:, None]
        + shift[None, :]
        + 0.5 * affinity
        + 0.1 * np.minimum(bought, 3.0)[:, None]
        - 0.1 * np.maximum(gap - 1.0, 0.0)  # far below what they dare, people place small change
        + UNSEEN_AMOUNT * normal(stream(funds.seed, "truth", "unseen_amount"), *pair)
    )
    return score


def calibrate(funds: Funds, scenario: Scenario, weeks: int) -> Calibration:
    """Solves the three constants on users 0, 1, 2, ... as the logging policy's first campaign exposes them.

    A function of the seed, the funds and the scenario alone: the number of users of the platform does not enter.
    """
    user_id = np.arange(-(-_CALIBRATION_PAIRS // len(funds.fund_id)), dtype=np.int64)
    people = make_people(funds.seed, user_id, weeks)
    scores = make_scores(people, funds, weeks)
    weight = propensities(funds, people.risk_tolerance, 0).ravel() / len(user_id)
    order = np.argsort(scores.conversion, axis=None, kind="stable")
    score, weight = scores.conversion.ravel()[order], weight[order]

    def intercept_of(slope: float) -> float:
        low, high = -30.0 - slope * score[-1], 30.0 - slope * score[0]
        return float(
            brentq(lambda b: float((weight * expit(b + slope * score)).sum()) - scenario.conversion_rate, low, high)
        )

    def excess_auc(slope: float) -> float:
        return expected_auc(expit(intercept_of(slope) + slope * score), weight) - scenario.oracle_auc

    slope = float(brentq(excess_auc, 0.05, 10.0, xtol=1e-5))
    p_c = expit(intercept_of(slope) + slope * score)
    mean = np.exp(scores.log_amount + scores.sigma**2 / 2).ravel()[order]
    shift = np.log(scenario.revenue * (weight * p_c).sum() / (weight * p_c * mean).sum())
    return Calibration(round(slope, 6), round(intercept_of(slope), 6), round(float(shift), 6))


def expected_auc(p_c: Floats, weight: Floats) -> float:
    """AUC of the true probabilities over exposures drawn by the weights: what an oracle can reach.

    Args:
        p_c: (pairs,), ascending.
        weight: (pairs,), probability of each pair to be an exposure.
    """
    positive, negative = weight * p_c, weight * (1.0 - p_c)
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / (positive.sum() * negative.sum()))


def expected_revenue(truth: Truth) -> Floats:
    """E = p_c * exp(mu + sigma^2 / 2) (paper, equation 2), (users, funds)."""
    revenue: Floats = truth.p_c * np.exp(truth.mu + truth.sigma**2 / 2)
    return revenue
