"""NumPy kernels of a user's choice: the top-K funds, and the heuristic score that orders the users.

Arrays are place by place, (places, users): a user's best fund is at place 0. The funds that are open change from phase
to phase, their order does not. So a batch is sorted once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ptofa_spark.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class Falling:
    """Users' funds by falling expected revenue, ties by fund; ineligible ones last.

    column: (places, users), column numbers; expected_revenue: (places, users), money.
    """

    column: Ints
    expected_revenue: Floats

    @classmethod
    def of(cls, expected_revenue: Floats) -> Falling:
        """Sorts (users, funds), NaN where the pair is not eligible.

        >>> Falling.of(np.array([[3.0, 9.0, 5.0], [2.0, 2.0, np.nan]])).column.T.tolist()
        [[1, 2, 0], [0, 1, 2]]
        """
        order = np.argsort(-expected_revenue, axis=1, kind="stable")  # NumPy sorts NaN last
        falling = np.take_along_axis(expected_revenue, order, axis=1)
        return cls(np.ascontiguousarray(order.T), np.ascontiguousarray(falling.T))

    def users(self, rows: Ints) -> Falling:
        """Some of the users."""
        if len(rows) == self.column.shape[1]:
            return self
        return Falling(self.column[:, rows], self.expected_revenue[:, rows])

    def is_open(self, open_pairs: Bools, class_index: Ints) -> Bools:
        """Whether the fund at each place is open: (places, users).

        Args:
            open_pairs: (classes, funds), what a user may take.
            class_index: (users,).
        """
        flat: Bools = np.ascontiguousarray(open_pairs).ravel()[class_index * open_pairs.shape[1] + self.column]
        return flat


def widened(expected_revenue: Floats, columns: int) -> Floats:
    """Expected revenue (..., funds) of the campaign's funds, and 0 for each further column: (..., columns), money."""
    further = columns - expected_revenue.shape[-1]
    if not further:
        return expected_revenue
    return np.concatenate([expected_revenue, np.zeros((*expected_revenue.shape[:-1], further))], axis=-1)


def top_k(falling: Falling, is_open: Bools, ranks: Ints, k: int) -> Ints:
    """The K funds each user takes, first blocks first, in each the highest expected revenue: (users, k), -1 for none.

    Args:
        falling: the users' funds.
        is_open: (places, users), from `Falling.is_open`.
        ranks: (funds,), block of each fund.
        k: funds that a user takes.

    A user of two funds takes their best two, unless fund 0 is a block to be filled first; -1 where too few are open:

    >>> falling = Falling.of(np.array([[3.0, 9.0, 5.0], [2.0, 2.0, 8.0]]))
    >>> is_open = falling.is_open(np.array([[True, True, True], [True, False, False]]), np.array([0, 1]))
    >>> top_k(falling, is_open, ranks=np.array([0, 0, 0]), k=2).tolist()
    [[1, 2], [0, -1]]
    >>> top_k(falling, is_open, ranks=np.array([0, 1, 1]), k=2).tolist()
    [[0, 1], [0, -1]]
    """
    places, users = is_open.shape
    # What comes first is the smallest: block, then place.
    turn = np.arange(places, dtype=np.int32)[:, None]
    never = np.int32(places)
    if k > 1 and (ranks > 0).any():  # a user of one fund has one block open
        turn = (ranks * places).astype(np.int32)[falling.column] + turn
        never = np.int32(places * (int(ranks.max()) + 1))
    turn = np.where(is_open, turn, never)
    user = np.arange(users)
    chosen = np.full((users, k), -1, dtype=np.int64)
    for slot in range(min(k, places)):
        first = turn.min(axis=0)
        place = first % places
        chosen[:, slot] = np.where(first < never, falling.column[place, user], -1)
        if slot + 1 < k:
            turn[place, user] = never
    return chosen


def losses(falling: Falling, is_open: Bools, reach: int) -> Floats:
    """What a user loses if a fund closes and the one `reach` open places further down replaces it: (places, users).

    Money; 0 for a fund that is closed. The last open fund stands in for those that are not there.

    Args:
        falling: the users' funds.
        is_open: (places, users), from `Falling.is_open`.
        reach: how many open places further down the one stands that would replace a fund.
    """
    revenue = np.where(is_open, falling.expected_revenue, -np.inf)
    last = np.where(is_open, falling.expected_revenue, np.inf).min(axis=0)
    last[np.isinf(last)] = 0.0  # nothing is open
    further = [last] * reach  # the next open funds down, the nearest first
    loss = np.empty(revenue.shape)
    for place in reversed(range(len(revenue))):
        here = revenue[place]
        np.subtract(np.maximum(here, further[-1]), further[-1], out=loss[place])
        # An open fund is worth at least what is further down, so it comes first and the others move on by one.
        moved = [np.maximum(down, np.minimum(nearer, here)) for nearer, down in pairwise(further)]
        further = [np.maximum(further[0], here), *moved]
    return loss


def heuristic_scores(falling: Falling, loss: Floats, alpha: Floats) -> Floats:
    """h_u = sum_j alpha_{f_j} * (E[u, f_j] - E[u, f_(j+reach)]) over the user's open funds (paper, eq. 7 with reach 1).

    (users,); only their order counts. A fund that closes to a user of K funds is replaced by the K-th after it, hence a
    reach of K. It is added up place by place (a running sum), so that a user's score does not depend on which other
    users are in the batch.

    Args:
        falling: the users' funds.
        loss: (places, users), from `losses`.
        alpha: (funds,), consumption speed, from `alphas.fund_alphas`.

    The first user would lose 9 - 5 if fund 1 closed and 5 - 3 if fund 2 did; the second is indifferent and can wait:

    >>> falling = Falling.of(np.array([[3.0, 9.0, 5.0], [2.0, 2.0, 8.0]]))
    >>> is_open = falling.is_open(np.array([[True, True, True], [True, True, False]]), np.array([0, 1]))
    >>> heuristic_scores(falling, losses(falling, is_open, 1), alpha=np.array([1.0, 2.0, 0.5])).tolist()
    [9.0, 0.0]
    """
    scores = np.zeros(loss.shape[1])  # it begins with 0.0, so that no score is -0.0
    for place in range(len(loss)):
        scores += alpha[falling.column[place]] * loss[place]
    return scores
