"""`--method ha`: the paper's heuristic, guarded, or as the paper prints it."""

from __future__ import annotations

from ptofa_spark.allocation.heuristic.literal import literal_allocation
from ptofa_spark.allocation.heuristic.phase import Phase
from ptofa_spark.allocation.heuristic.phase_loop import heuristic_allocation
from ptofa_spark.allocation.plan.method import Asked, Method, Solved


def _allocate(asked: Asked) -> Solved:
    sweep = literal_allocation if asked.settings.ha_variant == "literal" else heuristic_allocation
    phases, alpha = sweep(asked.problem, asked.score_table, asked.grid, asked.settings.max_sweep_rows)
    return Solved("ha", phases, alpha)


METHOD = Method(
    _allocate,
    steps=(Phase,),
    keeps_every_demand=lambda settings: settings.ha_variant == "guarded",
    adds_up_revenues=lambda _: True,
)
