"""What any allocation may claim of the optimum: an upper bound, a gap, and the best exchange that is left.

For any prices, no feasible allocation is worth more than

    sum_u topK(E[u] - price) + sum_f price_f * d_f

(Lagrange: the demands hold with equality, so the prices cancel for it, and no user can do better than his best K). At
the prices of the optimum the bound is the optimum. One pass over the users computes it for a given allocation, and
with it W, the matrix of exchanges (see `residual_prices`), whose cheapest cycle says the same without any prices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ptofa_spark.allocation.arrow_lists import list_matrix, lists
from ptofa_spark.allocation.choice_rule import ChoiceRule
from ptofa_spark.allocation.passes import Passes
from ptofa_spark.allocation.problem import Floats, UserBatch
from ptofa_spark.allocation.residual_prices import least_losses, worst_cycle
from ptofa_spark.allocation.steps import Step, replay
from ptofa_spark.exact_sums import grid_exponents

_PARTS = pa.schema([("units", pa.int64()), ("delivered", pa.list_(pa.int64())), ("losses", pa.list_(pa.float64()))])


@dataclass(frozen=True)
class Certificate:
    """prices: (funds,) of the campaign, money; upper_bound: money, no feasible allocation is worth more.

    worst_cycle: money an exposure, the mean loss of the cheapest cycle of exchanges: 0 or more proves the optimum,
    below 0 it is what the best round of exchanges would gain for each exposure it moves.
    """

    prices: Floats
    upper_bound: float
    worst_cycle: float


def certify(
    rule: ChoiceRule, passes: Passes, steps: Sequence[Step], prices: Floats, largest_revenue: float
) -> Certificate:
    """One pass over all users.

    Args:
        rule: the choices of the problem.
        passes: the score table.
        steps: the allocation.
        prices: (funds,) of the rule, money.
        largest_revenue: the largest |E| of an eligible pair, money.
    """
    users = int(passes.classes.users.sum())
    largest = rule.k * (largest_revenue + float(np.abs(prices).max(initial=0.0)))
    grid = int(grid_exponents(np.array([largest]), 2 * users)[0])
    table = passes.collect(_account(rule, tuple(steps), prices, grid), _PARTS)
    best = math.ldexp(float(table["units"].to_numpy().sum()), -grid)
    # Sums of K floats, each off by half of its last bit at most.
    rounding = users * rule.k * largest * 2.0**-52
    unused = rule.nobodies * float(-prices.min()) if rule.nobodies else 0.0
    bound = math.fsum([best, rounding, unused, *(prices * rule.demand).tolist()])
    delivered = list_matrix(table["delivered"]).sum(axis=0)
    losses = list_matrix(table["losses"]).min(axis=0).reshape(rule.funds, rule.funds)
    if rule.nobodies:
        # Demand left over can pass from any such fund to any other for nothing.
        spare = delivered < rule.demand
        losses[spare, :] = np.minimum(losses[spare, :], 0.0)
        np.fill_diagonal(losses, np.inf)
    return Certificate(prices[: rule.real_funds], bound, worst_cycle(losses))


def _account(
    rule: ChoiceRule, steps: tuple[Step, ...], prices: Floats, grid: int
) -> Callable[[Iterator[UserBatch]], Iterator[pa.RecordBatch]]:
    def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
        units = 0
        delivered = np.zeros(rule.funds, dtype=np.int64)
        losses = np.full((rule.funds, rule.funds), np.inf)
        for batch in batches:
            values = rule.values(batch.expected_revenue, prices)
            chosen = rule.choose(values, batch.class_index)
            best = np.take_along_axis(values, rule.columns[chosen], axis=1).sum(axis=1)
            units += int(np.ceil(np.ldexp(best, grid)).astype(np.int64).sum())
            held = np.zeros((len(best), rule.funds), dtype=np.int64)
            taken = replay(steps, batch, rule.k)
            users, places = np.nonzero(taken >= 0)
            np.add.at(held, (users, rule.columns[taken[users, places]]), 1)
            delivered += held.sum(axis=0)
            revenue = rule.values(batch.expected_revenue, np.zeros(rule.funds))
            may_take = ~np.isnan(revenue) & (held < rule.capacity)
            losses = np.minimum(losses, least_losses(revenue, held > 0, may_take, np.float64(np.inf)))
        yield pa.record_batch(
            [pa.array([units]), lists(delivered[None, :]), lists(losses.reshape(1, -1))], schema=_PARTS
        )

    return kernel
