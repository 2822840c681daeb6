"""Changes of a campaign that a planner may ask about, read from text and made: `gold_1+10%`, `drop gold_1`, `k=2`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ptofa_spark.allocation.demand_modes import with_demand_mode
from ptofa_spark.allocation.problem import AllocationProblem
from ptofa_spark.allocation.settings import MOST_SLOTS
from ptofa_spark.errors import ConfigError
from ptofa_spark.whole_shares import largest_remainder

_MOVED = re.compile(r"^(?P<fund>.+?)\s*(?P<percent>[+-]\d+(\.\d+)?)\s*%$", re.DOTALL)
_DROPPED = re.compile(r"^drop\s+(?P<fund>.+)$", re.DOTALL)
_NEW_K = re.compile(r"^k\s*=\s*(?P<k>\d+)$", re.IGNORECASE)


def read_changes(text: str | None, fund_ids: Sequence[str]) -> list[str]:
    """The changes asked for, separated by semicolons; every fund by 10 % if none is.

    Raises:
        ConfigError: a change cannot be read, or names a fund that the campaign has not.
    """
    if text is None:
        return [f"{fund}+10%" for fund in fund_ids]
    asked = [part.strip() for part in text.split(";") if part.strip()]
    for change in asked:
        new_k = _NEW_K.match(change)
        if new_k:
            if int(new_k["k"]) < 1:
                raise ConfigError(f"change {change!r}: K is at least 1")
            if int(new_k["k"]) > MOST_SLOTS:
                raise ConfigError(f"change {change!r}: K is at most {MOST_SLOTS}")
            continue
        named = _DROPPED.match(change) or _MOVED.match(change)
        if not named:
            raise ConfigError(f"change {change!r} cannot be read: write FUND+10%, FUND-10%, drop FUND or k=2")
        if named["fund"] not in fund_ids:
            raise ConfigError(f"change {change!r}: no fund {named['fund']!r}; the campaign has {', '.join(fund_ids)}")
    return asked


def changed(problem: AllocationProblem, change: str) -> AllocationProblem:
    """The problem after a change such as `gold_1+10%`, `drop gold_1` or `k=2`, as `read_changes` gave it.

    The other funds give, or take over, in proportion to their demands, so that the exposures add up as before.

    Raises:
        InfeasibleError: K is larger than the number of funds.
    """
    new_k = _NEW_K.match(change)
    if new_k:
        other = replace(problem, k=int(new_k["k"]))
        # As many exposures for each of the old slots as before: demands below or above the slots stay so.
        wanted = int(problem.funds.demand.sum()) * other.k // problem.k
        scaled = largest_remainder(problem.funds.demand, wanted)
        return with_demand_mode(replace(other, funds=replace(problem.funds, demand=scaled)))
    demand = problem.funds.demand.copy()
    dropped, moved = _DROPPED.match(change), _MOVED.match(change)
    assert dropped or moved  # `read_changes` has read it
    place = problem.funds.ids.index((dropped or moved)["fund"])  # type: ignore[index]
    share = -1.0 if dropped else float(moved["percent"]) / 100.0  # type: ignore[index]
    total = int(demand.sum())
    own = min(max(round(int(demand[place]) * (1.0 + share)), 0), total)
    others = demand.copy()
    others[place] = 0
    demand = largest_remainder(others, total - own) if others.any() else others
    demand[place] = own
    return replace(problem, funds=replace(problem.funds, demand=demand))
