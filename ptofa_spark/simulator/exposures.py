"""Campaigns: which fund the logging policy showed each user, with what propensity, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.reproducible.hashing import normal, stream, uniform
from ptofa_spark.simulator.behaviour import chosen
from ptofa_spark.simulator.funds import Funds


@dataclass(frozen=True)
class Shown:
    """One exposure a user. fund: index into the funds; propensity: probability of showing it. (users,)."""

    fund: Ints
    propensity: Floats


@dataclass(frozen=True)
class Outcomes:
    """What came of one exposure a user, each (users,). revenue: money to the cent, 0 without a conversion."""

    click: Bools
    conversion: Bools
    revenue: Floats


def propensities(funds: Funds, risk_tolerance: Ints, week: int, appeal: Floats | None = None) -> Floats:
    """Probability of each fund under the logging policy: popularity among the eligible funds. (users, funds).

    appeal: (users, funds), positive; a policy that selects shows a fund that much oftener than its popularity says.
    """
    weights = np.where(funds.eligible(risk_tolerance), funds.weekly_weight(week)[None, :], 0.0)
    if appeal is not None:
        weights = weights * appeal
    shares: Floats = weights / np.cumsum(weights, axis=1)[:, -1:]
    return shares


def show(funds: Funds, user_id: Ints, risk_tolerance: Ints, week: int, appeal: Floats | None = None) -> Shown:
    """The fund that the logging policy shows each user in a campaign.

    Args:
        funds: the platform's.
        user_id: (users,).
        risk_tolerance: (users,), 1..5.
        week: number of the campaign, 0 the first; the one after the last past campaign is the target.
        appeal: see `propensities`.
    """
    chances = propensities(funds, risk_tolerance, week, appeal)
    row = np.arange(len(user_id))
    fund = chosen(chances, row, uniform(stream(funds.seed, "exposures", "fund"), user_id, week))
    return Shown(fund, chances[row, fund])


def outcomes(
    seed: int, user_id: Ints, week: Ints | int, p_c: Floats, mu: Floats, sigma: Floats, unrecorded_below: float = 0.0
) -> Outcomes:
    """Click, then conversion given the click, then revenue given the conversion, of one exposure a user.

    The click has probability sqrt(p_c) and the conversion after it sqrt(p_c), so that a conversion has p_c.

    Args:
        seed: of the platform.
        user_id: (users,).
        week: number of the campaign, or another number (users,) that tells a user's exposures apart.
        p_c: (users,), of the fund shown; so are mu and sigma, of the log revenue.
        mu: see p_c.
        sigma: see p_c.
        unrecorded_below: revenue; a conversion of less leaves a click and nothing else in the log.
    """
    step = np.sqrt(p_c)
    click = uniform(stream(seed, "exposures", "click"), user_id, week) < step
    conversion = click & (uniform(stream(seed, "exposures", "conversion"), user_id, week) < step)
    drawn = np.exp(mu + sigma * normal(stream(seed, "exposures", "revenue"), user_id, week))
    revenue = np.maximum(np.round(drawn, 2), 0.01)
    recorded = conversion & (revenue >= unrecorded_below)
    return Outcomes(click, recorded, np.where(recorded, revenue, 0.0))
