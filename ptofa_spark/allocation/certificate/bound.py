"""What any allocation may claim of the optimum: an upper bound, a gap, and the best exchange that is left.

For any prices, no feasible allocation is worth more than

    sum_u topK(E[u] - price) + sum_f price_f * d_f

(Lagrange: the demands hold with equality, so the prices cancel, and no user can do better than their best K). At the
prices of the optimum the bound is the optimum. One pass over the users computes it for a given allocation, and
with it W, the matrix of exchanges (see `residual_prices`), whose cheapest cycle says the same without any prices.

What the allocation lacks of the bound is also a sum of what each user loses at the prices by not holding their best K,

    sum_u (topK(E[u] - price) - what they hold) + sum_f price_f * (d_f - delivered_f).

This is the absolute gap. It is 0 for each user who holds their best K, so it stays exact beside a sum that one pair
rules.

Where there are marks, both are computed twice: of the revenues as they are, and of the clipped ones, whose prices these
are. The first always holds. The second is as a rule the smaller one, and `marks` says when it holds for the revenues
as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ptofa_spark.allocation.exact.price_room import times_held
from ptofa_spark.allocation.exact.residual_prices import worst_cycle
from ptofa_spark.allocation.plan.steps import Step, replay
from ptofa_spark.allocation.problem.choice_rule import ChoiceRule
from ptofa_spark.allocation.problem.losses import least_losses
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.allocation.scores.arrow_lists import list_matrix, lists
from ptofa_spark.allocation.scores.marks import Clip, Marks
from ptofa_spark.allocation.scores.score_table import ScoreTable, clipped_users
from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.reproducible.exact_sums import grid_exponents

_PARTS = pa.schema(
    [
        ("sums", pa.list_(pa.int64())),
        ("sums_with_marks", pa.list_(pa.int64())),
        ("unordered", pa.int64()),
        ("delivered", pa.list_(pa.int64())),
        ("losses", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True)
class Certificate:
    """prices: (funds,) of the campaign, money; upper_bound: money, no feasible allocation is worth more.

    absolute_gap: money, the most that an allocation which keeps the demands lacks of the optimum. marks_in_bound: how
    many users have a mark among the best K that make up the bound. worst_cycle: money per exposure, the mean loss of
    the cheapest cycle of exchanges, of clipped revenues. 0 or more proves the optimum; if negative, the best cycle
    gains that much for each exposure that it moves.
    """

    prices: Floats
    upper_bound: float
    worst_cycle: float
    absolute_gap: float
    marks_in_bound: int


def certify(
    rule: ChoiceRule,
    score_table: ScoreTable,
    steps: Sequence[Step],
    prices: Floats,
    largest_revenue: float,
    marks: Marks | None = None,
    steps_see: Clip | None = None,
) -> Certificate:
    """One pass over all users.

    Args:
        rule: the choices of the problem.
        score_table: the score table, revenues as they are.
        steps: the allocation.
        prices: (funds,) of the rule, money.
        largest_revenue: the largest |E| of an eligible pair, money.
        marks: the marks, whose clipped revenues the prices are of.
        steps_see: the clip that the steps choose by.
    """
    users = int(score_table.classes.users.sum())
    highest_price = float(np.abs(prices).max(initial=0.0))
    near = rule.k * ((largest_revenue if marks is None else marks.clip.largest()) + highest_price)
    far = rule.k * (largest_revenue + highest_price)
    account = _Account(rule, tuple(steps), prices, marks, steps_see, _Sums.of(near, users), _Sums.of(far, users))
    table = score_table.collect(account.kernel(), _PARTS)
    plain, as_they_are = (list_matrix(table[name]).sum(axis=0) for name in ("sums", "sums_with_marks"))
    delivered = list_matrix(table["delivered"]).sum(axis=0)
    left_over = rule.filler.best(prices)
    # Sums of K floats, each off by half of its last bit at most.
    rounding = users * rule.k * near * 2.0**-52
    demanded = [left_over, *(prices * rule.demand).tolist()]
    missed = [left_over, *(prices * (rule.demand - delivered)).tolist()]
    best, lost = account.near.money(plain)
    bound, gap = math.fsum([best, rounding, *demanded]), math.fsum([lost, rounding, *missed])
    marks_in_bound = 0
    if marks is not None:
        # Users beyond the ordinary sums: a mark's own last bits are far larger.
        marks_in_bound, losers = (int(count) for count in as_they_are[4:])
        best, lost = account.near.money(as_they_are[:2])
        best_far, lost_far = account.far.money(as_they_are[2:4])
        far_rounding = rule.k * far * 2.0**-51
        bound = math.fsum([best, best_far, rounding, marks_in_bound * far_rounding, *demanded])
        direct = math.fsum([lost, lost_far, rounding, losers * far_rounding, *missed])
        holds = gap < marks.margin and int(table["unordered"].to_numpy().sum()) == 0
        gap = min(gap, direct) if holds else direct
    losses = list_matrix(table["losses"]).min(axis=0).reshape(rule.funds, rule.funds)
    losses = np.minimum(losses, rule.filler.losses(rule.demand - delivered))
    return Certificate(rule.of_campaign(prices), bound, worst_cycle(losses), gap, marks_in_bound)


@dataclass(frozen=True)
class _Sums:
    """Grids for the users' best and for what they lose; limit: money, the largest sum of one user that fits them."""

    best: int
    lost: int
    limit: float

    @classmethod
    def of(cls, largest: float, users: int) -> _Sums:
        """largest: money, of the best K of one user; two of them may lie between what they have and could have."""
        best, lost = grid_exponents(np.array([largest, 2.0 * largest]), 2 * users)
        return cls(int(best), int(lost), largest)

    def units(self, best: Floats, lost: Floats) -> list[int]:
        """Money of users (users,) on the grids, rounded up."""
        return [
            int(np.ceil(np.ldexp(each, grid)).astype(np.int64).sum())
            for each, grid in ((best, self.best), (lost, self.lost))
        ]

    def money(self, units: Ints) -> tuple[float, float]:
        """The sums, money."""
        return math.ldexp(float(units[0]), -self.best), math.ldexp(float(units[1]), -self.lost)


@dataclass(frozen=True)
class _Account:
    """The pass: what `certify` was given, and the grids for ordinary sums and for those that hold a mark."""

    rule: ChoiceRule
    steps: tuple[Step, ...]
    prices: Floats
    marks: Marks | None
    steps_see: Clip | None
    near: _Sums
    far: _Sums

    def kernel(self) -> Callable[[Iterator[UserBatch]], Iterator[pa.RecordBatch]]:
        """One row of sums a partition."""
        rule, clip = self.rule, None if self.marks is None else self.marks.clip

        def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
            sums, with_marks = np.zeros(2, dtype=np.int64), np.zeros(6, dtype=np.int64)
            unordered = 0
            delivered = np.zeros(rule.funds, dtype=np.int64)
            losses = np.full((rule.funds, rule.funds), np.inf)
            for batch in batches:
                held = times_held(rule, replay(self.steps, clipped_users(batch, self.steps_see), rule.k))
                delivered += held.sum(axis=0)
                seen = clipped_users(batch, clip)
                best, lost = self._best_and_lost(seen, held)
                sums += self.near.units(best, lost)
                if clip is not None:
                    with_marks += self._apart(*self._best_and_lost(batch, held))
                    unordered += int((rule.of_campaign(held > 0) & clip.unordered(batch.expected_revenue)).sum())
                expected_revenue = rule.values(seen.expected_revenue, np.zeros(rule.funds))
                may_take = ~np.isnan(expected_revenue) & (held < rule.capacity)
                losses = np.minimum(losses, least_losses(expected_revenue, held > 0, may_take, np.float64(np.inf)))
            row = [lists(sums[None, :]), lists(with_marks[None, :]), pa.array([unordered])]
            yield pa.record_batch([*row, lists(delivered[None, :]), lists(losses.reshape(1, -1))], schema=_PARTS)

        return kernel

    def _best_and_lost(self, users: UserBatch, held: Ints) -> tuple[Floats, Floats]:
        """Each user's best K at the prices, and what they lack of it: (users,) both, money."""
        values = self.rule.values(users.expected_revenue, self.prices)
        chosen = self.rule.choose(values, users.class_index)
        best: Floats = np.take_along_axis(values, self.rule.columns[chosen], axis=1).sum(axis=1)
        more = times_held(self.rule, chosen) - held
        lost: Floats = np.where(more != 0, more * values, 0.0).sum(axis=1)
        return best, lost

    def _apart(self, best: Floats, lost: Floats) -> list[int]:
        """Both sums of users without a mark in them, both of the others, and how many these are in each."""
        far_best, far_lost = np.abs(best) > self.near.limit, np.abs(lost) > 2.0 * self.near.limit
        return [
            *self.near.units(best[~far_best], lost[~far_lost]),
            *self.far.units(best[far_best], lost[far_lost]),
            int(far_best.sum()),
            int(far_lost.sum()),
        ]
