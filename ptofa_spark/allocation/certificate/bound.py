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
from collections.abc import Iterator, Sequence
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

PARTS = pa.schema(
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
class Account:
    """What a certificate is made of: the choices, the prices, and grids for ordinary sums and those that hold a mark.

    prices: (funds,) of the rule, money; marks: those whose clipped revenues the prices are of.
    """

    rule: ChoiceRule
    users: int
    prices: Floats
    marks: Marks | None
    near: _Sums
    far: _Sums

    @classmethod
    def of(
        cls, rule: ChoiceRule, users: int, prices: Floats, largest_revenue: float, marks: Marks | None = None
    ) -> Account:
        """The account of a problem.

        Args:
            rule: the choices of the problem.
            users: of the problem.
            prices: (funds,) of the rule, money.
            largest_revenue: the largest |E| of an eligible pair, money.
            marks: the marks, whose clipped revenues the prices are of.
        """
        highest_price = float(np.abs(prices).max(initial=0.0))
        near = rule.k * ((largest_revenue if marks is None else marks.clip.largest()) + highest_price)
        far = rule.k * (largest_revenue + highest_price)
        return cls(rule, users, prices, marks, _Sums.of(near, users), _Sums.of(far, users))

    def sums(self) -> PartitionSums:
        """The sums of a partition, of nobody yet."""
        return PartitionSums(self)

    def certificate(self, table: pa.Table) -> Certificate:
        """The certificate of all partitions' sums, PARTS."""
        rule, prices, marks = self.rule, self.prices, self.marks
        plain, as_they_are = (list_matrix(table[name]).sum(axis=0) for name in ("sums", "sums_with_marks"))
        delivered = list_matrix(table["delivered"]).sum(axis=0)
        left_over = rule.filler.best(prices)
        # Sums of K floats, each off by half of its last bit at most.
        rounding = self.users * rule.k * self.near.limit * 2.0**-52
        demanded = [left_over, *(prices * rule.demand).tolist()]
        missed = [left_over, *(prices * (rule.demand - delivered)).tolist()]
        best, lost = self.near.money(plain)
        bound, gap = math.fsum([best, rounding, *demanded]), math.fsum([lost, rounding, *missed])
        marks_in_bound = 0
        if marks is not None:
            # Users beyond the ordinary sums: a mark's own last bits are far larger.
            marks_in_bound, losers = (int(count) for count in as_they_are[4:])
            best, lost = self.near.money(as_they_are[:2])
            best_far, lost_far = self.far.money(as_they_are[2:4])
            far_rounding = rule.k * self.far.limit * 2.0**-51
            bound = math.fsum([best, best_far, rounding, marks_in_bound * far_rounding, *demanded])
            direct = math.fsum([lost, lost_far, rounding, losers * far_rounding, *missed])
            holds = gap < marks.margin and int(table["unordered"].to_numpy().sum()) == 0
            gap = min(gap, direct) if holds else direct
        losses = list_matrix(table["losses"]).min(axis=0).reshape(rule.funds, rule.funds)
        losses = np.minimum(losses, rule.filler.losses(rule.demand - delivered))
        return Certificate(rule.of_campaign(prices), bound, worst_cycle(losses), gap, marks_in_bound)


class PartitionSums:
    """What a pass sums up over the users of a partition."""

    def __init__(self, account: Account) -> None:
        self._account, funds = account, account.rule.funds
        self._sums, self._with_marks = np.zeros(2, dtype=np.int64), np.zeros(6, dtype=np.int64)
        self._unordered = 0
        self._delivered = np.zeros(funds, dtype=np.int64)
        self._losses = np.full((funds, funds), np.inf)

    def add(self, users: UserBatch, taken: Ints) -> None:
        """Adds users, revenues as they are, and what they hold: (users, k) columns, negative where a slot is empty."""
        rule, marks = self._account.rule, self._account.marks
        held = times_held(rule, taken)
        self._delivered += held.sum(axis=0)
        seen = clipped_users(users, None if marks is None else marks.clip)
        self._sums += self._account.near.units(*self._best_and_lost(seen, held))
        if marks is not None:
            self._with_marks += self._apart(*self._best_and_lost(users, held))
            unordered = marks.clip.unordered(users.expected_revenue)
            self._unordered += int((rule.of_campaign(held > 0) & unordered).sum())
        expected_revenue = rule.values(seen.expected_revenue, np.zeros(rule.funds))
        may_take = ~np.isnan(expected_revenue) & (held < rule.capacity)
        losses = least_losses(expected_revenue, held > 0, may_take, np.float64(np.inf))
        self._losses = np.minimum(self._losses, losses)

    def row(self) -> pa.RecordBatch:
        """The sums as a row of PARTS."""
        row = [lists(self._sums[None, :]), lists(self._with_marks[None, :]), pa.array([self._unordered])]
        row += [lists(self._delivered[None, :]), lists(self._losses.reshape(1, -1))]
        return pa.record_batch(row, schema=PARTS)

    def _best_and_lost(self, users: UserBatch, held: Ints) -> tuple[Floats, Floats]:
        """Each user's best K at the prices, and what they lack of it: (users,) both, money."""
        rule = self._account.rule
        values = rule.values(users.expected_revenue, self._account.prices)
        chosen = rule.choose(values, users.class_index)
        best: Floats = np.take_along_axis(values, rule.columns[chosen], axis=1).sum(axis=1)
        more = times_held(rule, chosen) - held
        lost: Floats = np.where(more != 0, more * values, 0.0).sum(axis=1)
        return best, lost

    def _apart(self, best: Floats, lost: Floats) -> list[int]:
        """Both sums of users without a mark in them, both of the others, and how many these are in each."""
        near, far = self._account.near, self._account.far
        far_best, far_lost = np.abs(best) > near.limit, np.abs(lost) > 2.0 * near.limit
        return [
            *near.units(best[~far_best], lost[~far_lost]),
            *far.units(best[far_best], lost[far_lost]),
            int(far_best.sum()),
            int(far_lost.sum()),
        ]


def certify(
    account: Account, score_table: ScoreTable, steps: Sequence[Step], steps_see: Clip | None = None
) -> Certificate:
    """The certificate of an allocation, by one pass over all users.

    Args:
        account: of the problem and the prices.
        score_table: the score table, revenues as they are.
        steps: the allocation.
        steps_see: the clip that the steps choose by.
    """
    k = account.rule.k

    def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
        sums = account.sums()
        for batch in batches:
            sums.add(batch, replay(steps, clipped_users(batch, steps_see), k))
        yield sums.row()

    return account.certificate(score_table.collect(kernel, PARTS))
