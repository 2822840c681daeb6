"""The true p_c, mu and sigma of every user-fund pair. Only the evaluation may read them, no feature and no model.

They are non-linear in what a model can see: demographics, income, past purchases, fund attributes, and the gap between
tolerance and risk. Another part cannot be seen. Three constants fit a scenario: the logit's slope fits the oracle's
AUC, its intercept the conversion rate, and the shift of mu the mean revenue of a conversion.
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
# Standard deviations of the unseen parts: of the logit before the slope, and of log revenue.
UNSEEN_USER, UNSEEN_PAIR, UNSEEN_AMOUNT = 0.35, 0.35, 0.15
_SIGMA_BOUNDS = (0.3, 1.4)


@dataclass(frozen=True)
class Terms:
    """Terms of each pair before calibration. conversion, log_amount, sigma: (users, funds)."""

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
    """The truth of a batch of users, rounded so that it does not depend on the last bit of a machine's `exp`."""
    terms = make_terms(people, funds, weeks)
    return Truth(
        p_c=np.clip(np.round(expit(calibration.intercept + calibration.slope * terms.conversion), 9), 1e-9, 1 - 1e-9),
        mu=np.round(terms.log_amount + calibration.shift, 6),
        sigma=np.round(terms.sigma, 6),
    )


def make_terms(people: People, funds: Funds, weeks: int) -> Terms:
    """The uncalibrated terms of a batch of users."""
    counts = counts_by_type(make_purchases(people, funds, weeks), funds, len(people.user_id))
    bought = np.log1p(people.purchases.astype(np.float64))
    affinity = np.sqrt(counts / (1.0 + people.purchases)[:, None])[:, funds.type]
    return Terms(
        conversion=_conversion_score(people, funds, bought, affinity),
        log_amount=_log_amount_score(people, funds, bought, affinity),
        sigma=np.clip(
            0.2 + 0.8 * people.log_amount_sd[:, None] + 0.05 * (funds.risk_level - 1.0)[None, :], *_SIGMA_BOUNDS
        ),
    )


def _conversion_score(people: People, funds: Funds, bought: Floats, affinity: Floats) -> Floats:
    pair = people.user_id[:, None], np.arange(len(funds.fund_id))[None, :]
    of_type = {
        name: np.array([getattr(t, name) for t in TYPES])[funds.type] for name in ("conversion", "youth", "wealth")
    }
    young, phone = np.tanh(people.youth), (people.device != DEVICES.index("web")).astype(np.float64)
    gap = people.risk_tolerance[:, None] - funds.risk_level[None, :]
    hot = np.clip(funds.returns[0] / 0.05, -1.5, 1.5)  # the last month's return, which attracts young phone users
    term_u = (
        0.55 * np.minimum(bought, 3.0)
        - 0.35 * (people.youth + 0.3) ** 2
        + 0.15 * people.gender
        + 0.12 * (3.0 - people.city_tier) * (bought > 0)
        + UNSEEN_USER * normal(stream(funds.seed, "truth", "unseen_user"), people.user_id)
    )
    term_uf = (
        of_type["conversion"][None, :]
        + 1.8 * affinity
        + 0.8 * young[:, None] * of_type["youth"][None, :]
        + 0.5 * np.tanh(people.wealth)[:, None] * of_type["wealth"][None, :]
        - 0.15 * (gap - 1.0) ** 2
        + 0.25 * (phone * (1.0 + young))[:, None] * hot[None, :]
        - 40.0 * funds.fee[None, :] * (people.wealth < 0)[:, None]
        + UNSEEN_PAIR * normal(stream(funds.seed, "truth", "unseen_pair"), *pair)
    )
    score: Floats = term_u[:, None] + term_uf
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
        - 0.1 * np.maximum(gap - 1.0, 0.0)  # users put little money into funds far below their tolerance
        + UNSEEN_AMOUNT * normal(stream(funds.seed, "truth", "unseen_amount"), *pair)
    )
    return score


def calibrate(funds: Funds, scenario: Scenario, weeks: int) -> Calibration:
    """Solves for the three constants on users 0, 1, 2, ... and the exposures of the logging policy's first campaign.

    Depends only on seed, funds, scenario and weeks, not on the platform's number of users.
    """
    user_id = np.arange(-(-_CALIBRATION_PAIRS // len(funds.fund_id)), dtype=np.int64)
    people = make_people(funds.seed, user_id, weeks)
    terms = make_terms(people, funds, weeks)
    weight = propensities(funds, people.risk_tolerance, 0).ravel() / len(user_id)
    order = np.argsort(terms.conversion, axis=None, kind="stable")
    score, weight = terms.conversion.ravel()[order], weight[order]

    def intercept_of(slope: float) -> float:
        low, high = -30.0 - slope * score[-1], 30.0 - slope * score[0]
        return float(
            brentq(lambda b: float((weight * expit(b + slope * score)).sum()) - scenario.conversion_rate, low, high)
        )

    def excess_auc(slope: float) -> float:
        return expected_auc(expit(intercept_of(slope) + slope * score), weight) - scenario.oracle_auc

    slope = float(brentq(excess_auc, 0.05, 10.0, xtol=1e-5))
    p_c = expit(intercept_of(slope) + slope * score)
    mean = np.exp(terms.log_amount + terms.sigma**2 / 2).ravel()[order]
    shift = np.log(scenario.revenue * (weight * p_c).sum() / (weight * p_c * mean).sum())
    return Calibration(round(slope, 6), round(intercept_of(slope), 6), round(float(shift), 6))


def expected_auc(p_c: Floats, weight: Floats) -> float:
    """Expected AUC of the true probabilities over exposures drawn by the weights: the best possible AUC.

    Args:
        p_c: (pairs,), ascending.
        weight: (pairs,), probability that an exposure is of this pair.
    """
    positive, negative = weight * p_c, weight * (1.0 - p_c)
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / (positive.sum() * negative.sum()))


def expected_revenue(truth: Truth) -> Floats:
    """Expected revenue E = p_c * exp(mu + sigma^2 / 2) (paper, equation 2), money per exposure, (users, funds)."""
    revenue: Floats = truth.p_c * np.exp(truth.mu + truth.sigma**2 / 2)
    return revenue
