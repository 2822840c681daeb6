"""Purchases without an exposure, before the target campaign: the history from which a model can learn preferences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.reproducible.hashing import normal, stream, uniform
from ptofa_spark.simulator.funds import TYPES, Funds
from ptofa_spark.simulator.population import People

HISTORY_DAYS = 365  # of purchases before the first campaign; purchases continue until the target campaign
DAY_SECONDS = 86_400
_RECENCY = 1.2  # above 1: more purchases are recent than old


@dataclass(frozen=True)
class Purchases:
    """Purchases of a batch of users, each array (purchases,), grouped by user.

    user: index into the batch; fund: index into the funds; seconds_before: seconds before the target campaign's start,
    > 0; amount: money, > 0, rounded to cents.
    """

    user: Ints
    fund: Ints
    seconds_before: Ints
    amount: Floats


def make_purchases(people: People, funds: Funds, weeks: int) -> Purchases:
    """The purchases of a batch of users. Eligible funds are chosen by taste and popularity.

    Amounts are log-normal with the user's own mean and standard deviation (paper, figure 2b).
    """
    user = np.repeat(np.arange(len(people.user_id)), people.purchases)
    number = np.arange(len(user)) - np.repeat(np.cumsum(people.purchases) - people.purchases, people.purchases)
    key = people.user_id[user], number
    fund = chosen(_fund_weights(people, funds), user, uniform(stream(funds.seed, "transactions", "fund"), *key))
    span = DAY_SECONDS * np.minimum(people.tenure_days, HISTORY_DAYS + 7 * weeks)[user]
    share = uniform(stream(funds.seed, "transactions", "time"), *key) ** _RECENCY
    size = normal(stream(funds.seed, "transactions", "amount"), *key)
    amount = np.exp(people.log_amount_mean[user] + people.log_amount_sd[user] * size)
    return Purchases(user, fund, 1 + (share * span).astype(np.int64), np.maximum(np.round(amount, 2), 0.01))


def counts_by_type(purchases: Purchases, funds: Funds, users: int) -> Ints:
    """Number of purchases by user and fund type, (users, types)."""
    cell = purchases.user * len(TYPES) + funds.type[purchases.fund]
    return np.bincount(cell, minlength=users * len(TYPES)).reshape(users, len(TYPES)).astype(np.int64)


def chosen(weights: Floats, user: Ints, chance: Floats) -> Ints:
    """Draws a fund for each chance, in proportion to the user's weights.

    Args:
        weights: (users, funds), not negative, at least one positive in each row.
        user: (draws,), the row of each draw.
        chance: (draws,), uniform on (0, 1).

    Returns:
        (draws,), indices of funds with positive weight.
    """
    # cumsum adds in order, so unlike sum or a matrix product its bits do not depend on the number of rows.
    ends_uf = np.cumsum(weights, axis=1)
    total = ends_uf[user, -1]
    # Strictly below the total, even if the product rounds up to it, so that the draw selects a fund.
    mark = np.minimum(chance * total, np.nextafter(total, 0.0))
    passed = ends_uf[user] <= mark[:, None]
    fund: Ints = passed.sum(axis=1).astype(np.int64)
    return fund


def _fund_weights(people: People, funds: Funds) -> Floats:
    pull = np.exp(people.taste[:, funds.type] + 0.5 * funds.popularity[None, :])
    return np.where(funds.eligible(people.risk_tolerance), pull, 0.0)
