"""The optimum at any number of users: prices from a sample, one pass, a small core solved exactly.

The constraints form a transportation polytope, so the optimum has a price for each fund, and every user takes the top K
of E - price. A loop finds these prices:

1. A sample is solved exactly; its prices are close to those of all users.
2. The prices are given some room, enough for where the true ones may lie. Users who would choose the same at all
   prices of the room are decided. One pass counts them and brings the others, the core, to the driver.
3. The core is solved exactly with what the decided users leave of the demands. If every demand is met in the room,
   the decided users and the core are an optimum together. If not, the solution's prices are the best ones of the room:
   they are given more of it, and the loop goes on with 2.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from ptofa_spark.allocation.exact.core import CoreSolution, solve_core
from ptofa_spark.allocation.exact.core_pass import CoreUsers, collect_core
from ptofa_spark.allocation.exact.nudge import NO_NUDGE, Nudge
from ptofa_spark.allocation.exact.price_room import times_held
from ptofa_spark.allocation.exact.priced import Priced
from ptofa_spark.allocation.exact.sample_prices import nudged_values, price_sample
from ptofa_spark.allocation.problem.choice_rule import ChoiceRule
from ptofa_spark.allocation.scores.sample import sampled_users
from ptofa_spark.allocation.scores.score_table import ScoreTable
from ptofa_spark.allocation.settings import MAX_ROUNDS
from ptofa_spark.arrays import Floats, Ints

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PriceStart:
    """Where a loop begins, or a later one may: prices (funds,), their room (funds, funds), and the nudge."""

    prices: Floats
    room: Floats
    nudge: Nudge


@dataclass(frozen=True)
class ExactSolution:
    """What the loop found.

    step: the allocation, or None where the rounds ran out before every demand was met; prices: (funds,), money;
    start: for a later run on much the same scores, None without an allocation; rounds; core_users: in the last of them.
    """

    step: Priced | None
    prices: Floats
    start: PriceStart | None
    rounds: int
    core_users: int


def exact_allocation(
    rule: ChoiceRule,
    score_table: ScoreTable,
    seed: int,
    max_core_pairs: int,
    warm: PriceStart | None = None,
    max_rounds: int = MAX_ROUNDS,
) -> ExactSolution:
    """Allocates at the optimum.

    Args:
        rule: the choices of a feasible problem.
        score_table: the score table.
        seed: of the sample and of the nudge.
        max_core_pairs: user-fund pairs that the driver may solve at once.
        warm: prices of an earlier run, tried before any sample is drawn.
        max_rounds: times that the prices get room; each costs a pass.

    Raises:
        CoreUnsolvedError: the solver failed.
    """
    if int(score_table.classes.users.sum()) * rule.funds <= max_core_pairs:
        return whole_allocation(rule, score_table)
    if warm is not None:
        core, solution = _round(rule, score_table, warm)
        if solution.missed == 0:
            return _solved(rule, warm, core, solution, rounds=1)
        logger.info("the earlier prices do not fit: missed=%d", solution.missed)
    sample = price_sample(rule, score_table, seed, max_core_pairs)
    prices = sample.prices
    for rounds in range(1, max_rounds + 1):
        widening = 2 ** (rounds - 1)
        start = PriceStart(prices, sample.room(rule, prices, widening, max_core_pairs), sample.nudge)
        core, solution = _round(rule, score_table, start)
        if solution.missed == 0:
            return _solved(rule, start, core, solution, rounds)
        prices = start.prices + solution.change
    return ExactSolution(None, rule.anchored(prices), None, max_rounds, 0)


def whole_allocation(rule: ChoiceRule, score_table: ScoreTable) -> ExactSolution:
    """Allocates at the optimum by one min-cost flow of all users on the driver; arguments as in `exact_allocation`.

    Raises:
        CoreUnsolvedError: the solver failed.
    """
    everyone = CoreUsers(sampled_users(score_table, 1.0, seed=0), np.zeros(rule.funds, dtype=np.int64))
    start = PriceStart(np.zeros(rule.funds), np.zeros((rule.funds, rule.funds)), NO_NUDGE)
    solution = solve_core(everyone.problem(rule, start.prices, NO_NUDGE))
    return _solved(rule, start, everyone, solution, rounds=1)


def _round(rule: ChoiceRule, score_table: ScoreTable, start: PriceStart) -> tuple[CoreUsers, CoreSolution]:
    core = collect_core(rule, score_table, start.prices, start.room, start.nudge)
    solution = solve_core(core.problem(rule, start.prices, start.nudge), start.room)
    logger.info("core_users=%d missed=%d", len(core.users.user_id), solution.missed)
    return core, solution


def _solved(rule: ChoiceRule, start: PriceStart, core: CoreUsers, solution: CoreSolution, rounds: int) -> ExactSolution:
    """The solution as one step: the prices, and the few users whom the prices alone leave undecided."""
    prices = rule.anchored(start.prices + solution.change)
    index = core.users.class_index
    holds = solution.held + rule.settled[index]
    chosen = rule.choose(nudged_values(rule, core.users, prices, start.nudge), index)
    off = np.flatnonzero((times_held(rule, chosen) != holds).any(axis=1))
    columns = _columns(rule, holds[off])
    step = Priced(rule, prices, start.nudge, core.users.user_id[off], columns)
    logger.info("rounds=%d undecided_at_prices=%d", rounds, len(off))
    return ExactSolution(step, prices, PriceStart(prices, start.room, start.nudge), rounds, len(core.users.user_id))


def _columns(rule: ChoiceRule, holds: Ints) -> Ints:
    """The columns of what each row holds: (users, k), rows of `holds` add up to k."""
    copy = np.arange(len(rule.columns)) - np.searchsorted(rule.columns, rule.columns)
    held = copy[None, :] < holds[:, rule.columns]
    return np.nonzero(held)[1].reshape(len(holds), rule.k)
