"""Requires a proof of the optimum with which regret compares an allocation."""

from __future__ import annotations

from ptofa_spark.allocation.certificate.summary import AllocationSummary
from ptofa_spark.errors import UserError

# Far below the last digit of regret in any table.
_OPTIMAL_WITHIN = 1e-5


def require_optimal(summary: AllocationSummary) -> None:
    """Rejects an allocation that serves as the optimum if it is not proved to be one.

    Raises:
        UserError: `exact` ended before it closed the gap.
    """
    gap = summary.certified_gap
    if gap is None and summary.objective == 0.0:
        return
    if gap is None or gap > _OPTIMAL_WITHIN:
        raise UserError(
            f"campaign {summary.campaign_id}: the optimum was not proved (certified gap {gap}), so no regret can be "
            "computed: use a smaller campaign, or other seeds"
        )
