"""Past campaigns: the fund that the logging policy showed each user, its propensity, and the outcome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.reproducible.hashing import normal, stream, uniform
from ptofa_spark.simulator.behaviour import chosen
from ptofa_spark.simulator.funds import Funds


@dataclass(frozen=True)
class Shown:
    """One exposure per user, (users,). fund: index into the funds; propensity: probability of showing it."""

    fund: Ints
    propensity: Floats


@dataclass(frozen=True)
class Outcomes:
    """The outcome of one exposure per user, (users,). revenue: money, rounded to cents, 0 without a conversion."""

    click: Bools
    conversion: Bools
    revenue: Floats


def propensities(funds: Funds, risk_tolerance: Ints, week: int, appeal: Floats | None = None) -> Floats:
    """Probability of each fund under the logging policy, (users, funds): its share of the eligible funds' popularity.

    appeal: (users, funds), positive; factors on the popularity, for a policy that selects.
    """
    weight_uf = np.where(funds.eligible(risk_tolerance), funds.weekly_weight(week)[None, :], 0.0)
    if appeal is not None:
        weight_uf = weight_uf * appeal
    share_uf: Floats = weight_uf / np.cumsum(weight_uf, axis=1)[:, -1:]
    return share_uf


def show(funds: Funds, user_id: Ints, risk_tolerance: Ints, week: int, appeal: Floats | None = None) -> Shown:
    """The fund that the logging policy shows each user in a campaign.

    Args:
        funds: the platform's funds.
        user_id: (users,).
        risk_tolerance: (users,), 1..5.
        week: number of the campaign, from 0; the target follows the last past campaign.
        appeal: see `propensities`.
    """
    propensity_uf = propensities(funds, risk_tolerance, week, appeal)
    row = np.arange(len(user_id))
    fund = chosen(propensity_uf, row, uniform(stream(funds.seed, "exposures", "fund"), user_id, week))
    return Shown(fund, propensity_uf[row, fund])


def outcomes(
    seed: int, user_id: Ints, week: Ints | int, p_c: Floats, mu: Floats, sigma: Floats, unrecorded_below: float = 0.0
) -> Outcomes:
    """Draws the click, the conversion after a click, and the revenue of a conversion, for one exposure per user.

    The click and the conversion after it each have probability sqrt(p_c), so a conversion has probability p_c.

    Args:
        seed: the platform's seed.
        user_id: (users,).
        week: number of the campaign, or numbers (users,) that distinguish a user's exposures.
        p_c: (users,), probability of a conversion for the shown fund.
        mu: (users,), mean of its log revenue.
        sigma: (users,), standard deviation of its log revenue.
        unrecorded_below: money; the log records a conversion with less revenue only as a click.
    """
    step_probability = np.sqrt(p_c)
    click = uniform(stream(seed, "exposures", "click"), user_id, week) < step_probability
    conversion = click & (uniform(stream(seed, "exposures", "conversion"), user_id, week) < step_probability)
    drawn = np.exp(mu + sigma * normal(stream(seed, "exposures", "revenue"), user_id, week))
    revenue = np.maximum(np.round(drawn, 2), 0.01)
    recorded = conversion & (revenue >= unrecorded_below)
    return Outcomes(click, recorded, np.where(recorded, revenue, 0.0))
