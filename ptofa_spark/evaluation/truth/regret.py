"""Regret is measured against an optimum, so that must be one."""

from __future__ import annotations

from ptofa_spark.allocation.certificate.summary import AllocationSummary
from ptofa_spark.errors import UserError

# Far below what any figure of regret shows.
_OPTIMAL_WITHIN = 1e-5


def require_optimal(summary: AllocationSummary) -> None:
    """Refuses an allocation that stands for the optimum and is not proved to be one.

    Raises:
        UserError: `exact` ended before it had closed the gap.
    """
    gap = summary.certified_gap
    if gap is None and summary.objective == 0.0:
        return
    if gap is None or gap > _OPTIMAL_WITHIN:
        raise UserError(
            f"campaign {summary.campaign_id}: the optimum was not proved (certified gap {gap}), so no regret can be "
            "measured against it: use a smaller campaign, or other seeds"
        )
