"""Prices of funds from the residual graph of an allocation, and the proof of optimality in it.

W[f, g] is the least that any user loses who holds f, may take g, and gives f for g. A cycle of such exchanges leaves
every demand as it is; an allocation is optimal exactly when no cycle of W is negative (Klein, 1967). Then the prices
are the potentials of W: price_f - price_g <= W[f, g] says that no user gains by an exchange at the prices.
"""

from __future__ import annotations

import numpy as np

from ptofa_spark.allocation.problem.losses import NO_EXCHANGE
from ptofa_spark.arrays import Floats, Ints


def potentials(losses: Ints) -> Floats | None:
    """Prices that agree with W, in the middle of those that do: (funds,), units; None if a cycle is negative.

    Prices that agree with W are bounded by two extreme ones, each found by the Bellman-Ford method; anything between
    agrees as well.

    Args:
        losses: (funds, funds), whole units of money, NO_EXCHANGE where there is no exchange.
    """
    low, high = _extreme(losses), _extreme(losses.T)
    if low is None or high is None:
        return None
    middle: Floats = (low.astype(np.float64) - high.astype(np.float64)) / 2.0
    return middle


def _extreme(losses: Ints) -> Ints | None:
    """The greatest x <= 0 with x_f - x_g <= losses[f, g], or None."""
    known = losses < NO_EXCHANGE
    x = np.zeros(len(losses), dtype=np.int64)
    for _ in range(len(losses) + 1):
        better = np.minimum(x, np.where(known, losses + x[None, :], NO_EXCHANGE).min(axis=1))
        if (better == x).all():
            return x
        x = better
    return None


def worst_cycle(losses: Floats) -> float:
    """The mean loss per exchange of the cheapest cycle of W (Karp, 1978): negative if the allocation can be improved.

    Args:
        losses: (funds, funds), money, infinite where there is no exchange.

    Each of two users holds the fund that the other should have: both gain 2 by the exchange.

    >>> from ptofa_spark.allocation.problem.losses import least_losses
    >>> values = np.array([[1.0, 3.0], [4.0, 2.0]])
    >>> holds = np.array([[True, False], [False, True]])
    >>> worst_cycle(least_losses(values, may_give=holds, may_take=~holds, no_exchange=np.inf))
    -2.0
    """
    funds = len(losses)
    walks = np.zeros((funds + 1, funds))
    for step in range(1, funds + 1):
        walks[step] = (walks[step - 1][:, None] + losses).min(axis=0)
    lengths = np.arange(funds, 0, -1)[:, None]
    with np.errstate(invalid="ignore"):
        means = (walks[funds][None, :] - walks[:funds]) / lengths
    ends = np.isfinite(walks[funds])
    return float(np.nanmax(means[:, ends], axis=0).min()) if ends.any() else float("inf")
