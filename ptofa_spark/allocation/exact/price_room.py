"""Which users are decided at the current prices, and how far the prices may move before that changes.

What a user chooses depends on the differences of prices alone. So the room that prices are given is a matrix R: the
price of f may rise by up to R[f, g] above that of g. A user who holds f and would lose at least R[f, g] by giving it
for g does not do so at any prices of the room.
"""

from __future__ import annotations

import numpy as np

from ptofa_spark.allocation.problem.choice_rule import ChoiceRule
from ptofa_spark.arrays import Bools, Floats, Ints


def held_funds(rule: ChoiceRule, chosen: Ints, class_index: Ints) -> tuple[Ints, Bools]:
    """How often each user holds each fund of their own choice, and which they might take once more: (users, funds).

    Args:
        rule: the choices.
        chosen: (users, k), columns.
        class_index: (users,).
    """
    held = times_held(rule, chosen) - rule.settled[class_index]
    return held, held < rule.free[class_index]


def times_held(rule: ChoiceRule, chosen: Ints) -> Ints:
    """How often each user holds each fund: (users, funds), from `chosen`, columns (users, k), negative if empty."""
    times = np.zeros((len(chosen), rule.funds), dtype=np.int64)
    users, places = np.nonzero(chosen >= 0)
    np.add.at(times, (users, rule.columns[chosen[users, places]]), 1)
    return times


def tempting(values: Floats, held: Ints, may_take: Bools, room: Floats) -> Bools:
    """The funds that each user may come to prefer to one that they hold, at prices of the room: (users, funds).

    Args:
        values: (users, funds), money at the current prices.
        held: (users, funds), how often.
        may_take: (users, funds).
        room: (funds, funds), money.
    """
    tempted = np.zeros(values.shape, dtype=bool)
    for fund in range(values.shape[1]):
        rows = np.flatnonzero(held[:, fund] > 0)
        others = may_take[rows]
        others[:, fund] = False
        with np.errstate(invalid="ignore"):
            tempted[rows] |= others & (values[rows, fund][:, None] - values[rows] < room[fund])
    return tempted


def price_room(values: Floats, held: Ints, may_take: Bools, count: int) -> Floats:
    """The room in which `count` users of a sample exchange f for g, for each pair of funds: (funds, funds), money.

    It is infinite where fewer users could: all of them are undecided then.

    Args:
        values: (users, funds), of the sample, money at the current prices.
        held: (users, funds), how often.
        may_take: (users, funds).
        count: users of the sample.
    """
    funds = values.shape[1]
    room = np.full((funds, funds), np.inf)
    for fund in range(funds):
        rows = np.flatnonzero(held[:, fund] > 0)
        if len(rows) < count:
            continue
        losses = np.where(may_take[rows], values[rows, fund][:, None] - values[rows], np.inf)
        room[fund] = np.partition(losses, count - 1, axis=0)[count - 1]
    np.fill_diagonal(room, 0.0)
    return room
