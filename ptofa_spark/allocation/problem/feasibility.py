"""Says, before any work, whether the problem can be solved, and if not why and what the smallest repair is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from ptofa_spark.allocation.problem.balanced_network import balanced_network
from ptofa_spark.allocation.problem.class_flow import deficit_cut
from ptofa_spark.allocation.problem.demand_modes import Campaign, exact, fitted
from ptofa_spark.allocation.problem.problem import AllocationProblem
from ptofa_spark.arrays import Bools
from ptofa_spark.errors import InfeasibleError
from ptofa_spark.running.whole_file import write_json

INFEASIBLE_JSON = "infeasible.json"


@dataclass(frozen=True)
class Infeasibility:
    """Why a problem cannot be solved, as in infeasible.json.

    users: of the cut, who together must get more exposures than they can; tolerance: lowest and highest they declared;
    needed: what they must get; funds: those they may see; offered: what these can give them; short: needed - offered;
    repair: change of demand by fund, the smallest that mends it, empty if no change of demands would.

    Where the demands do not add up to the slots: all users and all funds, and `short` is negative where the funds offer
    more than the users can take. Where users need no fund at all: the funds whose demands are too high, the
    users who may see them, what the funds need and what these users can take.
    """

    reason: str
    users: int
    tolerance: tuple[int, int]
    needed: int
    funds: tuple[str, ...]
    offered: int
    short: int
    repair: dict[str, int]


def is_feasible(problem: AllocationProblem) -> bool:
    """Whether an allocation exists that keeps C1 and C2, within their bounds, and C3."""
    return balanced_network(problem).is_feasible()


def apply_demand_mode(campaign: Campaign, report: str) -> AllocationProblem:
    """The problem with the bounds of its mode; writes `report/infeasible.json` where the sum of the demands forbids it.

    Raises:
        InfeasibleError: the sum of the demands does not fit the slots, with the smallest change of them that would.
    """
    Path(report, INFEASIBLE_JSON).unlink(missing_ok=True)
    try:
        return fitted(campaign).problem()
    except InfeasibleError as error:
        raise _told(_of_the_sum(campaign, str(error)), report) from error


def require_feasible(problem: AllocationProblem, report: str) -> None:
    """Passes if an allocation exists; writes `report/infeasible.json` and raises if none does.

    Raises:
        InfeasibleError: with the violated cut and the smallest change of demands that mends it.
    """
    if not is_feasible(problem):
        raise _told(explain(problem), report)


def explain(problem: AllocationProblem) -> Infeasibility:
    """The violated cut of an infeasible problem, in words."""
    if problem.bounds.slots_low == 0:
        return _of_the_funds(problem)
    few = problem.classes.eligible.sum(axis=1) < problem.k
    if few.any():
        return _of_the_few(problem, few)
    balanced = balanced_network(problem)
    classes, funds, short = deficit_cut(balanced.network, balanced.state)
    classes, funds = balanced.of_users(classes), balanced.of_campaign(funds)
    users = int(problem.classes.users[classes].sum())
    needed = problem.k * users
    seen = problem.classes.eligible[classes].any(axis=0) & (funds if problem.k == 1 else True)
    repair = _repair(problem)
    ids = tuple(problem.funds.ids[f] for f in np.flatnonzero(seen))
    tolerance = _tolerance(problem, classes)
    reason = _in_words(users, needed, ids, short, tolerance, repair)
    return Infeasibility(reason, users, tolerance, needed, ids, needed - short, short, repair)


def _of_the_few(problem: AllocationProblem, few: Bools) -> Infeasibility:
    """The users of the classes (classes,) with fewer eligible funds than K: no demands would do."""
    users = int(problem.classes.users[few].sum())
    needed = problem.k * users
    offered = int(problem.classes.users[few] @ problem.classes.eligible[few].sum(axis=1))
    lowest, highest = _tolerance(problem, few)
    ids = tuple(problem.funds.ids[f] for f in np.flatnonzero(problem.classes.eligible[few].any(axis=0)))
    reason = _why_few(problem, few)
    return Infeasibility(reason, users, (lowest, highest), needed, ids, offered, needed - offered, {})


def _why_few(problem: AllocationProblem, few: Bools) -> str:
    """Whether the users of the classes (classes,) lack funds of low risk or scores, and the way out of each."""
    classes, levels, k = problem.classes, np.sort(problem.funds.risk_levels), problem.k
    # (classes,): funds whose risk the most and the least tolerant user of the class may bear.
    at_most = np.searchsorted(levels, classes.tolerance_high, side="right")
    at_least = np.searchsorted(levels, classes.tolerance_low, side="right")
    too_risky, unscored = few & (at_most < k), few & (at_least >= k)
    either = few & ~too_risky & ~unscored
    said, ways = [], []
    if too_risky.any():
        lowest, most = levels[0], int(at_most[too_risky].max())
        enough = "no fund is safe enough for them" if most == 0 else f"at most {most} fund(s) are safe enough for them"
        said.append(
            f"{_users(problem, too_risky)}: {enough}, the lowest risk level of the campaign's funds is {lowest}"
        )
        ways.append("give funds of lower risk a demand")
    if unscored.any():
        said.append(f"{_users(problem, unscored)}: funds are safe enough for them, but fewer than K={k} have a score")
        ways.append("score more pairs of them")
    if either.any():
        said.append(f"{_users(problem, either)}: they lack funds that are safe enough, or scores of those")
        ways.append("give funds of lower risk a demand, or score more pairs of them")
    least = int(classes.eligible[few].sum(axis=1).min())
    ways += [f"lower K to {least}"] if least else []
    return (
        f"every user is to get K={k} fund(s); {'; '.join(said)}: {', '.join(dict.fromkeys(ways))}, leave these users "
        "out, or choose --demand-mode partial"
    )


def _users(problem: AllocationProblem, classes: Bools) -> str:
    """How many users the classes (classes,) have, and what they declared."""
    return (
        f"{int(problem.classes.users[classes].sum()):,} user(s) (risk tolerance {_span(_tolerance(problem, classes))})"
    )


def _span(ends: tuple[int, int]) -> str:
    return f"{ends[0]}" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _of_the_funds(problem: AllocationProblem) -> Infeasibility:
    """The cut from its other side: the funds beyond it, whose demands are more than their users can take."""
    balanced = balanced_network(problem)
    _, offering, short = deficit_cut(balanced.network, balanced.state)
    funds = ~balanced.of_campaign(offering)
    classes = problem.classes.eligible[:, funds].any(axis=1)
    wanted, members = int(problem.bounds.demand_low[funds].sum()), int(problem.classes.users[classes].sum())
    ids, repair = tuple(problem.funds.ids[f] for f in np.flatnonzero(funds)), _repair(problem)
    reason = (
        f"fund(s) {_listed(ids)} are to be shown {wanted:,} times, but the {members:,} users who may see them can take "
        f"{wanted - short:,}: {short:,} short; the smallest change of demands that mends it: {_changes(repair)}"
    )
    return Infeasibility(reason, members, _tolerance(problem, classes), wanted, ids, wanted - short, short, repair)


def _told(why: Infeasibility, report: str) -> InfeasibleError:
    write_json(Path(report, INFEASIBLE_JSON), asdict(why))
    return InfeasibleError(why.reason)


def _of_the_sum(campaign: Campaign, reason: str) -> Infeasibility:
    """The cut of all users against all funds."""
    problem = replace(campaign.problem(), bounds=exact(campaign.funds.demand, campaign.k))
    repair = _repair(problem) if problem.k <= len(problem.funds) else {}
    if repair:
        reason += f"; the smallest change: {_changes(repair)}"
    wanted = int(campaign.funds.demand.sum())
    tolerance = _tolerance(problem, np.ones(len(problem.classes), dtype=bool))
    short = problem.slots - wanted
    return Infeasibility(reason, problem.users, tolerance, problem.slots, problem.funds.ids, wanted, short, repair)


def _tolerance(problem: AllocationProblem, classes: Bools) -> tuple[int, int]:
    """The lowest and the highest tolerance that users of the classes (classes,) declared; 0 where there are none."""
    if not classes.any():
        return 0, 0
    return int(problem.classes.tolerance_low[classes].min()), int(problem.classes.tolerance_high[classes].max())


def _repair(problem: AllocationProblem) -> dict[str, int]:
    """The smallest change of demands that makes the problem feasible; empty if none does."""
    balanced = balanced_network(problem)
    repaired = balanced.nearest_demand()
    if repaired is None:
        return {}
    change = balanced.of_campaign(repaired - balanced.state.demand)
    return {problem.funds.ids[f]: int(change[f]) for f in np.flatnonzero(change)}


def _changes(repair: dict[str, int]) -> str:
    return ", ".join(f"{fund} {change:+,}" for fund, change in repair.items())


def _listed(ids: tuple[str, ...]) -> str:
    return ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")


def _in_words(
    users: int,
    needed: int,
    ids: tuple[str, ...],
    short: int,
    tolerance: tuple[int, int],
    repair: dict[str, int],
) -> str:
    if not repair:
        return "no allocation meets the demands, the slots and the risk limits, and no change of demands alone would"
    return (
        f"{users:,} user(s) (risk tolerance {_span(tolerance)}) need {needed:,} exposures, but by risk and scores may "
        f"see only fund(s) {_listed(ids)}, which can give them {needed - short:,}: {short:,} short; "
        f"the smallest change of demands that mends it: {_changes(repair)}"
    )
