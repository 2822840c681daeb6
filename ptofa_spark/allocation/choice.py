"""NumPy kernels of a user's choice: the top-K funds, and the heuristic score that orders the users."""

from __future__ import annotations

import numpy as np

from ptofa_spark.allocation.problem import Bools, Floats, Ints


def preference(expected_revenue: Floats, open_pairs: Bools) -> Ints:
    """Each user's funds by falling expected revenue, open ones first, ties by fund: (users, funds) column numbers.

    Args:
        expected_revenue: (users, funds), money.
        open_pairs: (users, funds), whether the user may take the fund.
    """
    order: Ints = np.argsort(np.where(open_pairs, -expected_revenue, np.inf), axis=1, kind="stable")
    return order


def top_k(order: Ints, open_pairs: Bools, ranks: Ints, k: int) -> Ints:
    """The K funds each user takes, first blocks first, in each the highest expected revenue: (users, k), -1 for none.

    Args:
        order: (users, funds), from `preference`.
        open_pairs: (users, funds).
        ranks: (funds,), block of each fund.
        k: funds a user takes.
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


def heuristic_scores(expected_revenue: Floats, order: Ints, open_pairs: Bools, alpha: Floats) -> Floats:
    """h_u = sum_{j>=2} alpha_{f_(j-1)} * (E[u, f_(j-1)] - E[u, f_j]) over the user's open funds (paper, eq. 7).

    The sum runs over finite steps only: a step to a closed or ineligible fund counts nothing. It is added up fund by
    fund, so that a user's score does not depend on which other users are in the batch.

    Args:
        expected_revenue: (users, funds), money.
        order: (users, funds), from `preference`.
        open_pairs: (users, funds).
        alpha: (funds,), consumption speed.
    """
    scores = np.zeros(len(order))
    rows = np.arange(len(order))
    for step in range(1, order.shape[1]):
        upper, lower = order[:, step - 1], order[:, step]
        gain = alpha[upper] * (expected_revenue[rows, upper] - expected_revenue[rows, lower])
        scores += np.where(open_pairs[rows, lower], gain, 0.0)
    return scores
