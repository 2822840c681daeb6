"""The paper's baseline: the integer program of eq. 1-4 by HiGHS, for small instances and within a time limit."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

from ptofa_spark.allocation.plan.assigned import Assigned
from ptofa_spark.allocation.plan.method import Asked, Method, Solved
from ptofa_spark.allocation.plan.steps import NOTHING
from ptofa_spark.allocation.problem.problem import AllocationProblem, UserBatch
from ptofa_spark.allocation.scores.sample import sampled_users
from ptofa_spark.arrays import Bools, Floats, Ints
from ptofa_spark.errors import UserError

_OPTIMAL, _LIMIT = 0, 1
_NOT_IN_TIME = "not in time"
_CHILD_START = 10.0  # seconds to start an interpreter and import SciPy


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
    bounds = problem.bounds
    # A lower bound of 0 is none: the solver is told so.
    low = np.where(bounds.demand_low < bounds.demand_high, _or_none(bounds.demand_low), bounds.demand_low)
    program = _Program(
        cost=-users.expected_revenue[row, fund],
        row=row,
        fund=fund,
        slots=(float(_or_none(np.array(bounds.slots_low))), float(bounds.slots_high)),
        demand=(low.astype(np.float64), bounds.demand_high.astype(np.float64)),
        users=len(users.user_id),
        seconds=seconds,
    )
    held = _in_time(program)
    columns = np.full((len(users.user_id), problem.k), NOTHING, dtype=np.int64)
    rows, funds = row[held], fund[held]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    columns[rows, place] = funds
    return Assigned(users.user_id, columns)


def _or_none(low: Ints) -> Floats:
    """Lower bounds, minus infinity for 0."""
    return np.where(low > 0, low, -np.inf)


@dataclass(frozen=True)
class _Program:
    """cost, row, fund: (pairs,); slots, demand: least and most, a user and (funds,)."""

    cost: Floats
    row: Ints
    fund: Ints
    slots: tuple[float, float]
    demand: tuple[Floats, Floats]
    users: int
    seconds: float


def _in_time(program: _Program) -> Bools:
    """Which pairs are chosen: (pairs,). HiGHS does not look at its time limit in every phase, so it runs in a child.

    Raises:
        UserError: no allocation was found in time.
        RuntimeError: HiGHS failed.
    """
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    child = spawn.Process(target=_child, args=(there, program), daemon=True)
    child.start()
    there.close()
    try:
        # What HiGHS found by its own limit is worth waiting a little for.
        answer = here.recv() if here.poll(program.seconds * 1.1 + _CHILD_START) else None
    except EOFError:
        answer = (None, "the solver's process ended without an answer")
    finally:
        child.kill()
        child.join()
    if answer is None or answer == _NOT_IN_TIME:
        raise UserError(
            f"the integer program found no allocation in {program.seconds:g} s: raise --ip-seconds, or use --method "
            "exact"
        )
    held, said = answer
    if held is None:
        raise RuntimeError(f"HiGHS failed: {said}")
    chosen: Bools = held
    return chosen


def _child(answer: Connection, program: _Program) -> None:
    """Solves and sends which pairs are chosen, or None, and what HiGHS said."""
    pairs = np.arange(len(program.row))
    ones = np.ones(len(pairs))
    per_user = csr_matrix((ones, (program.row, pairs)), shape=(program.users, len(pairs)))
    per_fund = csr_matrix((ones, (program.fund, pairs)), shape=(len(program.demand[1]), len(pairs)))
    result = milp(
        c=program.cost,
        integrality=ones,
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(per_user, *program.slots), LinearConstraint(per_fund, *program.demand)],
        options={"time_limit": program.seconds, "mip_rel_gap": 0.0},
    )
    if result.x is None and result.status == _LIMIT:
        answer.send(_NOT_IN_TIME)
    elif result.x is None or result.status not in (_OPTIMAL, _LIMIT):
        answer.send((None, result.message))
    else:
        answer.send((result.x > 0.5, result.message))


def _allocate(asked: Asked) -> Solved:
    users, most = asked.problem.users, asked.settings.max_ip_users
    if users > most:
        raise UserError(
            f"method ip is for at most {most:,} users, the campaign has {users:,}: use --method exact, or raise "
            "--max-ip-users"
        )
    everyone = sampled_users(asked.score_table, 1.0, seed=0)
    return Solved("ip", (integer_program_allocation(asked.problem, everyone, asked.settings.ip_seconds),))


METHOD = Method(_allocate, steps=(Assigned,), adds_up_revenues=lambda _: True)
