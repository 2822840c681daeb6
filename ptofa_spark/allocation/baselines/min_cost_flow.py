"""`--method mincostflow`: the optimum by one min-cost flow of all users on the driver, to check `exact` against."""

from __future__ import annotations

from ptofa_spark.allocation.exact.price_loop import whole_allocation
from ptofa_spark.allocation.exact.priced import Priced
from ptofa_spark.allocation.plan.method import Asked, Method, Solved
from ptofa_spark.allocation.problem.choice_rule import choice_rule
from ptofa_spark.errors import UserError

# OR-Tools' min-cost flow of 10 M users x 8 funds took 7.8 GB.
_BYTES_A_PAIR = 100


def _allocate(asked: Asked) -> Solved:
    _require_memory(asked)
    whole = whole_allocation(choice_rule(asked.problem), asked.seen)
    return Solved("mincostflow", (whole.step,) if whole.step else (), prices=whole.prices, clip=asked.clip)


def _require_memory(asked: Asked) -> None:
    pairs = asked.problem.users * len(asked.problem.funds)
    needed, allowed = pairs * _BYTES_A_PAIR / 2**30, asked.settings.max_solver_gb
    if needed > allowed:
        raise UserError(
            f"method mincostflow would take about {needed:.1f} GiB on the driver for {pairs:,} pairs, {allowed:g} GiB "
            "are allowed: use --method exact, or raise --max-solver-gb"
        )


METHOD = Method(_allocate, steps=(Priced,))
