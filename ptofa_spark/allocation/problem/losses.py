"""What exchanges cost: W[f, g] is the least that any user loses who holds f, may take g, and gives f for g."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ptofa_spark.arrays import Bools

# Far beyond any loss in whole units (2^45 or so), and still safe to add to one.
NO_EXCHANGE = 1 << 61
_CHUNK = 50_000

Number = TypeVar("Number", np.int64, np.float64)


def least_losses(values: NDArray[Number], may_give: Bools, may_take: Bools, no_exchange: Number) -> NDArray[Number]:
    """W, in the unit of the values: (funds, funds), `no_exchange` where nobody can give f for g.

    Args:
        values: (users, funds), money, or whole units of it.
        may_give: (users, funds), whether the user holds the fund.
        may_take: (users, funds), whether they could hold it (once more).
        no_exchange: what stands for "more than any loss": NO_EXCHANGE, or infinity.
    """
    funds = values.shape[1]
    losses = np.full((funds, funds), no_exchange, dtype=values.dtype)
    for start in range(0, len(values), _CHUNK):
        part, gives, takes = (x[start : start + _CHUNK] for x in (values, may_give, may_take))
        for fund in range(funds):
            holders = np.flatnonzero(gives[:, fund])
            if len(holders):
                lost = np.where(takes[holders], part[holders, fund][:, None] - part[holders], no_exchange)
                losses[fund] = np.minimum(losses[fund], lost.min(axis=0))
    np.fill_diagonal(losses, no_exchange)
    return losses
