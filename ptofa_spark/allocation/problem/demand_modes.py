"""What happens where demands and slots differ; the user names the mode, nothing is relaxed silently."""

from __future__ import annotations

from dataclasses import replace

from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.errors import InfeasibleError
from ptofa_spark.reproducible.whole_shares import largest_remainder


def with_demand_mode(problem: AllocationProblem) -> AllocationProblem:
    """The problem as its mode reads the demands: `scale` scales them, the others keep them and check their sum.

    Raises:
        InfeasibleError: the sum of the demands does not fit the slots, with the mode that would accept it.
    """
    if problem.k > len(problem.funds) and problem.mode != "partial":
        raise InfeasibleError(
            f"every user is to get K={problem.k} distinct funds, the campaign has {len(problem.funds)}: lower K, give "
            "more funds a demand, or choose --demand-mode partial"
        )
    wanted, slots = int(problem.funds.demand.sum()), problem.slots
    said = f"demands add up to {wanted:,} exposures, the {problem.users:,} users have {slots:,} slots (K={problem.k})"
    if problem.mode == "scale":
        if wanted == 0:
            raise InfeasibleError("every demand is 0: there is nothing to scale; give at least one fund a demand")
        scaled = largest_remainder(problem.funds.demand, slots)
        return replace(problem, funds=replace(problem.funds, demand=scaled))
    if problem.mode == "exact" and wanted != slots:
        other = "at-most" if wanted > slots else "partial"
        raise InfeasibleError(
            f"{said}: change the demands by {slots - wanted:+,}, or choose --demand-mode {other} or scale"
        )
    if problem.mode == "at-most" and wanted < slots:
        raise InfeasibleError(
            f"{said}: at-most needs at least as many; raise them by {slots - wanted:,}, or use partial"
        )
    if problem.mode == "partial" and wanted > slots:
        raise InfeasibleError(
            f"{said}: partial needs at most as many; lower them by {wanted - slots:,}, or use at-most"
        )
    return problem
