"""`--method exact`: the certified optimum; HA allocates where the rounds run out."""

from __future__ import annotations

import logging

from ptofa_spark.allocation.exact.price_loop import exact_allocation
from ptofa_spark.allocation.exact.priced import Priced
from ptofa_spark.allocation.exact.prices_file import PRICES_JSON, prices_json, read_prices
from ptofa_spark.allocation.heuristic.phase import Phase
from ptofa_spark.allocation.heuristic.phase_loop import heuristic_allocation
from ptofa_spark.allocation.plan.method import Asked, Method, Solved
from ptofa_spark.allocation.problem.choice_rule import choice_rule
from ptofa_spark.allocation.scores.marked_pairs import WAYS_OUT, a_marked_pair
from ptofa_spark.errors import TableError

logger = logging.getLogger(__name__)


def _allocate(asked: Asked) -> Solved:
    problem, settings = asked.problem, asked.settings
    rule = choice_rule(problem)
    warm = None if settings.prices is None else read_prices(settings.prices, problem, rule.funds)
    optimum = exact_allocation(rule, asked.seen, settings.seed, settings.max_core_pairs, warm, settings.max_rounds)
    if optimum.step is not None:
        files = {} if optimum.start is None else {PRICES_JSON: prices_json(problem, optimum.start)}
        return Solved("exact", (optimum.step,), prices=optimum.prices, clip=asked.clip, files=files)
    if asked.marks is not None:
        raise TableError(
            f"the optimum was not reached in {optimum.rounds} rounds, and HA cannot allocate instead: table "
            f"{settings.scores}: {a_marked_pair(asked.score_table, asked.marks, problem.funds.ids)}: "
            f"{WAYS_OUT}, or raise --max-core-pairs or --max-rounds"
        )
    logger.warning("the optimum was not reached in %d rounds: HA allocates, with its gap certified", optimum.rounds)
    phases, alpha = heuristic_allocation(problem, asked.score_table, asked.grid, settings.max_sweep_rows)
    return Solved("ha", phases, alpha, optimum.prices)


METHOD = Method(_allocate, steps=(Priced, Phase), files=(PRICES_JSON,))
