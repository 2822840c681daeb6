"""NumPy kernels of a user's choice: the top-K funds, and the heuristic score that orders the users."""

from __future__ import annotations

import numpy as np

from ptofa_spark.arrays import Bools, Floats, Ints


def preference(expected_revenue: Floats, open_pairs: Bools) -> Ints:
    """Each user's funds by falling expected revenue, open ones first, ties by fund: (users, funds) column numbers.

    Args:
        expected_revenue: (users, funds), money.
        open_pairs: (users, funds), whether the user may take the fund.

    >>> open_pairs = np.array([[True, True, True], [True, True, False]])
    >>> preference(np.array([[3.0, 9.0, 5.0], [2.0, 2.0, 8.0]]), open_pairs).tolist()
    [[1, 2, 0], [0, 1, 2]]
    """
    order: Ints = np.argsort(np.where(open_pairs, -expected_revenue, np.inf), axis=1, kind="stable")
    return order


def top_k(order: Ints, open_pairs: Bools, ranks: Ints, k: int) -> Ints:
    """The K funds each user takes, first blocks first, in each the highest expected revenue: (users, k), -1 for none.

    Args:
        order: (users, funds), from `preference`.
        open_pairs: (users, funds).
        ranks: (funds,), block of each fund.
        k: funds that a user takes.

    A user of two funds takes their best two, unless fund 0 is a block to be filled first; -1 where too few are open:

    >>> order = np.array([[1, 2, 0], [0, 1, 2]])
    >>> open_pairs = np.array([[True, True, True], [True, False, False]])
    >>> top_k(order, open_pairs, ranks=np.array([0, 0, 0]), k=2).tolist()
    [[1, 2], [0, -1]]
    >>> top_k(order, open_pairs, ranks=np.array([0, 1, 1]), k=2).tolist()
    [[0, 1], [0, -1]]
    """
    if (ranks > 0).any() and k > 1:
        is_open = np.take_along_axis(open_pairs, order, axis=1)
        by_block = np.argsort(np.where(is_open, ranks[order], ranks.max() + 1), axis=1, kind="stable")
        order = np.take_along_axis(order, by_block, axis=1)
    chosen = order[:, :k]
    taken: Ints = np.where(np.take_along_axis(open_pairs, chosen, axis=1), chosen, -1)
    if taken.shape[1] < k:
        taken = np.pad(taken, ((0, 0), (0, k - taken.shape[1])), constant_values=-1)
    return taken


def heuristic_scores(expected_revenue: Floats, order: Ints, open_pairs: Bools, alpha: Floats, reach: int = 1) -> Floats:
    """h_u = sum_j alpha_{f_j} * (E[u, f_j] - E[u, f_(j+reach)]) over the user's open funds (paper, eq. 7 with reach 1).

    (users,); only their order counts. A fund that closes to a user of K funds is replaced by the K-th after it, hence a
    reach of K. The sum runs over finite steps only: the last open fund stands in for those that are closed, ineligible
    or not there. It is added up fund by fund (a running sum), so that a user's score does not depend on which other
    users are in the batch.

    Args:
        expected_revenue: (users, funds), money.
        order: (users, funds), from `preference`.
        open_pairs: (users, funds).
        alpha: (funds,), consumption speed, from `alphas.fund_alphas`.
        reach: how many funds further down the one stands that would replace a fund.

    The first user would lose 9 - 5 if fund 1 closed and 5 - 3 if fund 2 did; the second is indifferent and can wait:

    >>> revenue = np.array([[3.0, 9.0, 5.0], [2.0, 2.0, 8.0]])
    >>> open_pairs = np.array([[True, True, True], [True, True, False]])
    >>> order = preference(revenue, open_pairs)
    >>> heuristic_scores(revenue, order, open_pairs, alpha=np.array([1.0, 2.0, 0.5])).tolist()
    [9.0, 0.0]
    """
    falling = np.take_along_axis(expected_revenue, order, axis=1)
    last_open = np.maximum(open_pairs.sum(axis=1) - 1, 0)[:, None]
    place = np.arange(order.shape[1])
    instead = np.take_along_axis(falling, np.minimum(place + reach, last_open), axis=1)
    loss = np.where(place < last_open, alpha[order] * (falling - instead), 0.0)
    scores: Floats = loss.cumsum(axis=1)[:, -1]
    return scores
