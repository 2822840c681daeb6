"""The demand modes: what happens where demands and slots differ. The user names the mode; nothing is relaxed silently.

A mode is a way to make the bounds of a problem. The solvers know bounds, not modes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ptofa_spark.allocation.problem.problem import AllocationProblem, Bounds, Classes, Funds
from ptofa_spark.allocation.settings import DemandMode
from ptofa_spark.arrays import Ints
from ptofa_spark.errors import InfeasibleError
from ptofa_spark.reproducible.whole_shares import largest_remainder


def exact(demand: Ints, k: int) -> Bounds:
    """Each fund gets its demand, each user K funds. demand: (funds,)."""
    return Bounds(demand, demand, k, k)


def at_most(demand: Ints, k: int) -> Bounds:
    """Each fund gets its demand or less, each user K funds. demand: (funds,)."""
    return Bounds(np.zeros_like(demand), demand, k, k)


def partial(demand: Ints, k: int) -> Bounds:
    """Each fund gets its demand, each user K funds or fewer. demand: (funds,)."""
    return Bounds(demand, demand, 0, k)


# Scaled demands are met exactly; `fitted` scales them.
_BOUNDS: dict[DemandMode, Callable[[Ints, int], Bounds]] = {
    "exact": exact,
    "at-most": at_most,
    "partial": partial,
    "scale": exact,
}


@dataclass(frozen=True)
class Campaign:
    """A campaign as the user asks for it: K funds per user, the demands of `funds`, and how they are meant."""

    campaign_id: str
    k: int
    mode: DemandMode
    funds: Funds
    classes: Classes

    def problem(self) -> AllocationProblem:
        """The problem with the bounds of the mode; it may be infeasible."""
        bounds = _BOUNDS[self.mode](self.funds.demand, self.k)
        return AllocationProblem(self.campaign_id, self.funds, self.classes, bounds)


def bounds_of(mode: DemandMode, demand: Ints, k: int, users: int) -> Bounds:
    """The bounds of a mode, of demands (funds,) that may not fit the slots; `scale` scales them if any is above 0."""
    if mode == "scale" and demand.sum() > 0:
        demand = largest_remainder(demand, k * users)
    return _BOUNDS[mode](demand, k)


def fitted(campaign: Campaign) -> Campaign:
    """The campaign with demands that fit its slots: `scale` scales them, the other modes keep them and check their sum.

    Raises:
        InfeasibleError: the sum of the demands does not fit the slots. It names the mode that would accept it.
    """
    demand, k, funds = campaign.funds.demand, campaign.k, len(campaign.funds)
    users = int(campaign.classes.users.sum())
    if k > funds and campaign.mode != "partial":
        raise InfeasibleError(
            f"every user is to get K={k} distinct funds, the campaign has {funds}: lower K, give "
            "more funds a demand, or choose --demand-mode partial"
        )
    wanted, slots = int(demand.sum()), k * users
    said = f"demands add up to {wanted:,} exposures, the {users:,} users have {slots:,} slots (K={k})"
    if campaign.mode == "scale":
        if wanted == 0:
            raise InfeasibleError("every demand is 0: there is nothing to scale; give at least one fund a demand")
        return replace(campaign, funds=replace(campaign.funds, demand=largest_remainder(demand, slots)))
    if campaign.mode == "exact" and wanted != slots:
        other = "at-most" if wanted > slots else "partial"
        raise InfeasibleError(
            f"{said}: change the demands by {slots - wanted:+,}, or choose --demand-mode {other} or scale"
        )
    if campaign.mode == "at-most" and wanted < slots:
        raise InfeasibleError(
            f"{said}: at-most needs at least as many; raise them by {slots - wanted:,}, or use partial"
        )
    if campaign.mode == "partial" and wanted > slots:
        raise InfeasibleError(
            f"{said}: partial needs at most as many; lower them by {wanted - slots:,}, or use at-most"
        )
    return campaign
