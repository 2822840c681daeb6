"""The platform's funds, made on the driver and sent to the workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.reproducible.hashing import normal, stream, uniform


@dataclass(frozen=True)
class FundType:
    """A type of fund and the users who prefer it.

    risk: risk level of its first fund; conversion: shift of the conversion's logit; log_amount: shift of the log
    revenue; youth: taste per 14 years below age 42; wealth: taste per standard deviation of log income.
    """

    risk: int
    conversion: float
    log_amount: float
    youth: float
    wealth: float


# Safe types have many conversions with little revenue, risky types the opposite. So maximizing conversions loses
# revenue, as in period P1 of the paper's Table 2.
FUND_TYPES = {
    "money_market": FundType(1, 0.6, -0.7, 0.1, -0.3),
    "bond": FundType(2, 0.2, 0.2, -0.5, 0.1),
    "mixed": FundType(3, 0.0, 0.1, -0.1, 0.2),
    "index": FundType(4, 0.1, 0.0, 0.6, 0.0),
    "stock": FundType(5, -0.3, 0.8, 0.4, 0.3),
    "gold": FundType(3, -0.3, 0.4, -0.4, 0.4),
}
TYPE_NAMES = tuple(FUND_TYPES)
TYPES = tuple(FUND_TYPES.values())

_POPULARITY_EXPONENT = 0.8  # of Zipf's law: the first of 8 funds gets five times the exposures of the last
_WEEKLY_SPREAD = 0.25  # standard deviation of a fund's log popularity between campaigns


@dataclass(frozen=True)
class Funds:
    """All funds, each array (funds,).

    type: index into TYPES; risk_level: 1..5; returns, volatility: (windows, funds) over 30, 90 and 365 days, shares;
    drawdown, fee: shares; popularity: log of the logging policy's weight.
    """

    seed: int
    fund_id: tuple[str, ...]
    type: Ints
    risk_level: Ints
    returns: Floats
    volatility: Floats
    drawdown: Floats
    fee: Floats
    popularity: Floats

    def eligible(self, risk_tolerance: Ints) -> Bools:
        """Whether each user may hold each fund, (users, funds): the platform's risk rule C3."""
        allowed: Bools = risk_tolerance[:, None] >= self.risk_level[None, :]
        return allowed

    def weekly_weight(self, week: int) -> Floats:
        """The logging policy's weight of each fund in a campaign, (funds,): popularity times weekly noise."""
        noise = normal(stream(self.seed, "policy", "weekly"), np.arange(len(self.fund_id)), week)
        return np.exp(self.popularity + _WEEKLY_SPREAD * noise)


WINDOWS = (30, 90, 365)


def make_funds(seed: int, count: int, type_names: Sequence[str]) -> Funds:
    """Makes the funds of a platform. The first has risk level 1, so every user has an eligible fund.

    Args:
        seed: the platform's seed.
        count: number of funds.
        type_names: keys of FUND_TYPES, assigned in turn; later funds of a type may be one level riskier than its first.
    """
    index = np.arange(count)
    fund_type = np.array([TYPE_NAMES.index(name) for name in type_names])[index % len(type_names)]
    riskier = (index >= len(type_names)) & (uniform(stream(seed, "funds", "risk"), index) < 0.3)
    risk = np.clip(np.array([t.risk for t in TYPES])[fund_type] + riskier, 1, 5)
    yearly = 0.02 + 0.03 * (risk - 1)
    returns, volatility = [], []
    for days in WINDOWS:
        years = days / 365
        spread = 0.01 + 0.05 * (risk - 1)
        shock = normal(stream(seed, "funds", f"return_{days}"), index)
        returns.append(np.round(yearly * years + spread * np.sqrt(years) * shock, 4))
        wobble = uniform(stream(seed, "funds", f"volatility_{days}"), index)
        volatility.append(np.round(spread * (0.8 + 0.4 * wobble), 4))
    rank = np.argsort(np.argsort(uniform(stream(seed, "funds", "popularity"), index)))
    return Funds(
        seed=seed,
        fund_id=tuple(f"fund_{i:03d}" for i in range(count)),
        type=fund_type,
        risk_level=risk,
        returns=np.stack(returns),
        volatility=np.stack(volatility),
        drawdown=np.round(volatility[-1] * (0.8 + 0.8 * uniform(stream(seed, "funds", "drawdown"), index)), 4),
        fee=np.round(0.002 + 0.0025 * risk * uniform(stream(seed, "funds", "fee"), index), 4),
        popularity=-_POPULARITY_EXPONENT * np.log(rank + 1.0),
    )
