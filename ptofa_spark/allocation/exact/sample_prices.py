"""Prices of a sample of the users, solved exactly: where the exact method begins, and what bounds other methods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ptofa_spark.allocation.exact.core import Core, CoreUnsolvedError, solve_core
from ptofa_spark.allocation.exact.nudge import Nudge
from ptofa_spark.allocation.exact.price_room import held_funds, price_room, tempting
from ptofa_spark.allocation.problem.balanced_network import Filler
from ptofa_spark.allocation.problem.choice_rule import ChoiceRule, free_network
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.allocation.scores.sample import sampled_users
from ptofa_spark.allocation.scores.score_rows import SAMPLE_USERS
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.arrays import Floats, Ints

# A tie-breaking nudge, as a share of the sample's mean |E|: far below any gap that is stated.
_NUDGE_SHARE = 2.0**-31
_LEAST_ROOM_USERS = 8


@dataclass(frozen=True)
class PriceSample:
    """A sample, its nudge and the prices of its optimum: (funds,), money.

    users: the sample; of_users: (classes,), all users, whom it stands for.
    """

    users: UserBatch
    of_users: Ints
    nudge: Nudge
    prices: Floats

    def room(self, rule: ChoiceRule, prices: Floats, widening: int, max_pairs: int) -> Floats:
        """Room around prices for three standard errors of the sample's demands, times `widening`: (funds, funds).

        It is as much less as leaves the core no more than `max_pairs` pairs, by the sample's own account. In money, for
        prices (funds,).
        """
        values = nudged_values(rule, self.users, prices, self.nudge)
        held, may_take = held_funds(rule, rule.choose(values, self.users.class_index), self.users.class_index)
        may_take &= ~np.isnan(values)
        stands_for = self.of_users.sum() / max(len(values), 1)
        error = np.sqrt(len(values)) / 2  # of a count of half the sample, the largest there is
        count = widening * max(int(3 * error * min(1.0, 2 / max(rule.funds - 1, 1))), _LEAST_ROOM_USERS)
        while True:
            room = price_room(values, held, may_take, count)
            tempted = tempting(values, held, may_take, room)
            pairs = (tempted | (held > 0))[tempted.any(axis=1)].sum()
            if count <= _LEAST_ROOM_USERS or pairs * stands_for <= max_pairs:
                return room
            count //= 2


def price_sample(rule: ChoiceRule, score_table: ScoreTable, seed: int, max_pairs: int) -> PriceSample:
    """Draws a sample and solves it, with demands in its share, mended to what its classes can be served from.

    Args:
        rule: the choices.
        score_table: the score table.
        seed: of the sample and the nudge.
        max_pairs: user-fund pairs of the sample, at most.

    Raises:
        CoreUnsolvedError: the solver failed.
    """
    of_users = score_table.classes.users
    size = min(SAMPLE_USERS, max(max_pairs // rule.funds, 1))
    users = sampled_users(score_table, size / max(int(of_users.sum()), 1), seed)
    nudge = Nudge(_NUDGE_SHARE * (_mean_size(users.expected_revenue) or 1.0), seed)
    zero = np.zeros(rule.funds)
    free = free_network(rule, np.bincount(users.class_index, minlength=len(of_users)), of_users)
    demand = free.nearest_demand()
    if demand is None:
        raise CoreUnsolvedError("no demands would serve the sample: its classes have too few funds")
    index = users.class_index
    filler = Filler(free.nobodies(free.state), rule.funds)
    core = Core.of(nudged_values(rule, users, zero, nudge), rule.free[index], rule.take[index], demand, filler, zero)
    return PriceSample(users, of_users, nudge, rule.anchored(solve_core(core).change))


def nudged_values(rule: ChoiceRule, users: UserBatch, prices: Floats, nudge: Nudge) -> Floats:
    """What each fund is worth to each user at the prices (funds,), ties broken: (users, funds), money."""
    return rule.values(users.expected_revenue, prices) + nudge.of(users.user_id, rule.funds)


def _mean_size(expected_revenue: Floats) -> float:
    eligible = ~np.isnan(expected_revenue)
    return float(np.abs(expected_revenue[eligible]).mean()) if eligible.any() else 0.0
