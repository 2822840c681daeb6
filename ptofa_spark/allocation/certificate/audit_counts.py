"""What an audit counts of some users: their scores, and the rows of an allocation that are theirs. NumPy, no Spark."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ptofa_spark.allocation.problem.problem import Funds
from ptofa_spark.arrays import Bools, Ints

COUNTS = ("users", "served", "rows", "ineligible", "wrong", "doubled")


def counts_of(scored: pa.Table, held: pa.Table, funds: Funds, k: int) -> Ints:
    """The counts, (COUNTS,), of all rows of some users.

    served: users with exactly K distinct funds; ineligible: rows without a score, or above the user's risk tolerance;
    wrong: rows whose user has no score, or whose expected revenue is not the score's; doubled: once for each row that
    repeats a pair or a slot, and for each slot outside 1..K.

    Args:
        scored: the columns of `ScoreRows`.
        held: ALLOCATION rows.
        funds: the campaign's funds, in the order of the scores.
        k: funds per user (K).
    """
    fund = pc.fill_null(pc.index_in(held["fund_id"], pa.array(funds.ids, pa.string())), -1).to_numpy()
    held_user, slot = held["user_id"].to_numpy(), held["slot"].to_numpy()
    users, tolerance = scored["user_id"].to_numpy(), scored["risk_tolerance"].to_numpy()
    expected_revenue = scored["expected_revenue"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    row, known = _rows_of(users, held_user)
    in_scores = known & (fund >= 0)
    column = np.maximum(fund, 0)
    score = np.full(len(held_user), np.nan)
    score[in_scores] = expected_revenue.reshape(-1, len(funds))[row[in_scores], column[in_scores]]
    eligible = in_scores & ~np.isnan(score)
    eligible[eligible] = tolerance[row[eligible]] >= funds.risk_levels[column[eligible]]
    doubled = _repeats(held_user, fund) + _repeats(held_user, slot) + int(((slot < 1) | (slot > k)).sum())
    # A user is served by exactly K rows of K different funds.
    own = np.bincount(row[known], minlength=len(users))
    pairs = np.unique(row[known] * (len(funds) + 1) + fund[known] + 1)
    distinct = np.bincount(pairs // (len(funds) + 1), minlength=len(users))
    served = int(((own == k) & (distinct == k)).sum())
    wrong = int((score != held["expected_revenue"].to_numpy()).sum())
    return np.array([len(users), served, len(held_user), int((~eligible).sum()), wrong, doubled])


def _rows_of(users: Ints, held_user: Ints) -> tuple[Ints, Bools]:
    """The row among `users` of each held row's user, and whether there is one."""
    order = np.argsort(users, kind="stable")
    place = np.searchsorted(users[order], held_user)
    known = place < len(users)
    known[known] = users[order][place[known]] == held_user[known]
    row = order[np.minimum(place, max(len(users) - 1, 0))] if len(users) else np.zeros(len(place), dtype=np.int64)
    return row, known


def _repeats(user: Ints, of: Ints) -> int:
    """Rows that repeat another row's user and value."""
    order = np.lexsort((of, user))
    return int(((np.diff(user[order]) == 0) & (np.diff(of[order]) == 0)).sum())
