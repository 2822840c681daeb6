"""The paper's baseline: the integer program of eq. 1-4 by HiGHS, for small instances and within a time limit."""

from __future__ import annotations

import logging

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

from ptofa_spark.allocation.problem import AllocationProblem, UserBatch
from ptofa_spark.allocation.steps import NOTHING, Assigned
from ptofa_spark.errors import UserError

logger = logging.getLogger(__name__)

_OPTIMAL, _LIMIT = 0, 1


def integer_program_allocation(problem: AllocationProblem, users: UserBatch, seconds: float) -> Assigned:
    """One binary variable X[u,f] for each eligible pair, C1 and C2 as rows, by mode an equality or a limit.

    Args:
        problem: a feasible problem.
        users: all users, by user_id.
        seconds: time limit; the best allocation found by then is taken, and its gap is certified like any other.

    Raises:
        UserError: no allocation was found in time.
        RuntimeError: HiGHS failed.
    """
    row, fund = np.nonzero(~np.isnan(users.expected_revenue))
    pairs = np.arange(len(row))
    per_user = csr_matrix((np.ones(len(row)), (row, pairs)), shape=(len(users.user_id), len(row)))
    per_fund = csr_matrix((np.ones(len(row)), (fund, pairs)), shape=(len(problem.funds), len(row)))
    demand = problem.funds.demand
    result = milp(
        c=-users.expected_revenue[row, fund],
        integrality=np.ones(len(row)),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(per_user, -np.inf if problem.mode == "partial" else problem.k, problem.k),
            LinearConstraint(per_fund, -np.inf if problem.mode == "at-most" else demand, demand),
        ],
        options={"time_limit": seconds, "mip_rel_gap": 0.0},
    )
    logger.info("highs status=%d message=%s", result.status, result.message)
    if result.x is None and result.status == _LIMIT:
        raise UserError(
            f"the integer program found no allocation in {seconds:g} s: raise --ip-seconds, or use --method exact"
        )
    if result.x is None or result.status not in (_OPTIMAL, _LIMIT):
        raise RuntimeError(f"HiGHS failed: {result.message}")
    held = result.x > 0.5
    columns = np.full((len(users.user_id), problem.k), NOTHING, dtype=np.int64)
    rows, funds = row[held], fund[held]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    columns[rows, place] = funds
    return Assigned(users.user_id, columns)
