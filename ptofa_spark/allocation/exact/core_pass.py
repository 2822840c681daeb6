"""The pass that decides most users at given prices and brings the others to the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from ptofa_spark.allocation.exact.core import Core
from ptofa_spark.allocation.exact.nudge import Nudge
from ptofa_spark.allocation.exact.price_room import held_funds, tempting, times_held
from ptofa_spark.allocation.exact.sample_prices import nudged_values
from ptofa_spark.allocation.problem.choice_rule import ChoiceRule
from ptofa_spark.allocation.problem.problem import UserBatch
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.allocation.scores.sums_and_users import SUMS_AND_USERS, sums_and_users, sums_batch, users_batch
from ptofa_spark.arrays import Floats, Ints


@dataclass(frozen=True)
class CoreUsers:
    """The undecided users, by user_id, and what the others take. taken_by_others: (funds,), exposures.

    A pair of `users` that no prices of the room would bring about is NaN.
    """

    users: UserBatch
    taken_by_others: Ints

    def problem(self, rule: ChoiceRule, prices: Floats, nudge: Nudge) -> Core:
        """The core to solve, at the current prices: (funds,), money."""
        index = self.users.class_index
        demand = rule.demand - self.taken_by_others - rule.settled[index].sum(axis=0)
        values = nudged_values(rule, self.users, prices, nudge)
        return Core.of(values, rule.free[index], rule.take[index], demand, rule.filler, prices)


def collect_core(rule: ChoiceRule, score_table: ScoreTable, prices: Floats, room: Floats, nudge: Nudge) -> CoreUsers:
    """One pass over all users: what the decided users take, and the undecided themselves.

    Args:
        rule: the choices.
        score_table: the score table.
        prices: (funds,), money.
        room: (funds, funds), money, see `price_room`.
        nudge: what breaks ties.
    """
    table = score_table.collect(_deciding(rule, prices, room, nudge), SUMS_AND_USERS)
    taken_by_others, users = sums_and_users(table, rule.real_funds)
    return CoreUsers(users, taken_by_others)


def _deciding(
    rule: ChoiceRule, prices: Floats, room: Floats, nudge: Nudge
) -> Callable[[Iterator[UserBatch]], Iterator[pa.RecordBatch]]:
    def kernel(batches: Iterator[UserBatch]) -> Iterator[pa.RecordBatch]:
        counts = np.zeros(rule.funds, dtype=np.int64)
        for batch in batches:
            values = nudged_values(rule, batch, prices, nudge)
            chosen = rule.choose(values, batch.class_index)
            held, may_take = held_funds(rule, chosen, batch.class_index)
            tempted = tempting(values, held, may_take & ~np.isnan(values), room)
            undecided = tempted.any(axis=1)
            counts += times_held(rule, chosen[~undecided]).sum(axis=0)
            rows = np.flatnonzero(undecided)
            kept = tempted | (held > 0) | (rule.settled[batch.class_index] > 0)
            expected_revenue = np.where(rule.of_campaign(kept), batch.expected_revenue, np.nan)
            yield users_batch(replace(batch, expected_revenue=expected_revenue), rows)
        yield sums_batch(counts)

    return kernel
