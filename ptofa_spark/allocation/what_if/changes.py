"""Changes of a campaign that a planner may ask about, read from text and made: `gold_1+10%`, `drop gold_1`, `k=2`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ptofa_spark.allocation.problem.demand_modes import Campaign, fitted
from ptofa_spark.allocation.settings import MOST_SLOTS
from ptofa_spark.errors import ConfigError
from ptofa_spark.reproducible.whole_shares import largest_remainder
from ptofa_spark.tables.name_lists import in_quotes, readings
from ptofa_spark.tables.near_names import instead

_MOVED = re.compile(r"(?P<fund>.+?)(?P<percent>[+-]\d+(\.\d+)?)\s*%\s*", re.DOTALL)
_DROPPED = re.compile(r"\s*drop\s(?P<fund>.+)", re.DOTALL)
_NEW_K = re.compile(r"\s*k\s*=\s*(?P<k>\d+)\s*", re.IGNORECASE)
_SEPARATOR = ";"


@dataclass(frozen=True)
class _Change:
    """A change as it is meant: K, or a fund's demand by a share of it, -1.0 where the fund is dropped."""

    k: int | None = None
    fund: str = ""
    share: float = 0.0


def read_changes(text: str | None, fund_ids: Sequence[str]) -> list[str]:
    """The changes asked for, separated by semicolons, without outer blanks; every fund by 10 % if none is.

    A change whose fund has a semicolon stands in double quotes.

    Raises:
        ConfigError: a change cannot be read, can be read in two ways, or names a fund that the campaign has not.
    """
    if text is None:
        return [f"{fund}+10%" for fund in fund_ids]
    refused: list[ConfigError] = []
    for parts in readings(text, _SEPARATOR):
        try:
            return [_as_asked(part, fund_ids) for part in parts if part.strip()]
        except ConfigError as error:
            refused.append(error)
    with_semicolon = [fund for fund in fund_ids if _SEPARATOR in fund]
    if not with_semicolon:
        raise refused[0]
    example = in_quotes(f"drop {with_semicolon[0]}")
    raise ConfigError(f"{refused[0]}; a change whose fund has a semicolon stands in double quotes: {example}")


def changed(campaign: Campaign, change: str) -> Campaign:
    """The campaign after a change such as `gold_1+10%`, `drop gold_1` or `k=2`, as `read_changes` gave it.

    The other funds give, or take over, in proportion to their demands, so that the exposures add up as before.

    Raises:
        InfeasibleError: K is larger than the number of funds.
    """
    meant = _meant(change, campaign.funds.ids)
    if meant.k is not None:
        # As many exposures for each of the old slots as before: demands below or above the slots stay so.
        wanted = int(campaign.funds.demand.sum()) * meant.k // campaign.k
        scaled = largest_remainder(campaign.funds.demand, wanted)
        return fitted(replace(campaign, k=meant.k, funds=replace(campaign.funds, demand=scaled)))
    demand = campaign.funds.demand.copy()
    place = campaign.funds.ids.index(meant.fund)
    total = int(demand.sum())
    own = min(max(round(int(demand[place]) * (1.0 + meant.share)), 0), total)
    others = demand.copy()
    others[place] = 0
    demand = largest_remainder(others, total - own) if others.any() else others
    demand[place] = own
    return replace(campaign, funds=replace(campaign.funds, demand=demand))


def _as_asked(change: str, fund_ids: Sequence[str]) -> str:
    """The change without outer blanks, unless they are the fund's own."""
    bare = change.strip()
    try:
        meant = _meant(change, fund_ids)
    except ConfigError:
        _meant(bare, fund_ids)
        return bare
    try:
        return bare if _meant(bare, fund_ids) == meant else change
    except ConfigError:
        return change


def _meant(change: str, fund_ids: Sequence[str]) -> _Change:
    """The change, by the funds there are: a name as it stands goes before the same without outer blanks."""
    new_k = _NEW_K.fullmatch(change)
    if new_k:
        if int(new_k["k"]) < 1:
            raise ConfigError(f"change {change!r}: K is at least 1")
        if int(new_k["k"]) > MOST_SLOTS:
            raise ConfigError(f"change {change!r}: K is at most {MOST_SLOTS}")
        return _Change(k=int(new_k["k"]))
    moved, dropped = _MOVED.fullmatch(change), _DROPPED.fullmatch(change)
    found = [(moved["fund"], float(moved["percent"]) / 100.0)] if moved else []
    found += [(dropped["fund"], -1.0)] if dropped else []
    if not found:
        raise ConfigError(f"change {change!r} cannot be read: write FUND+10%, FUND-10%, drop FUND or k=2")
    known = [_Change(None, fund, share) for fund, share in found if fund in fund_ids]
    if not known:
        known = [
            _Change(None, fund, share) for name, share in found for fund in fund_ids if fund.strip() == name.strip()
        ]
        known = known if len(known) > 1 or any(each.fund == each.fund.strip() for each in known) else []
    if len(known) > 1:
        both = " and ".join(repr(each.fund) for each in known[:2])
        raise ConfigError(f"change {change!r} can be read in two ways: {both} are funds")
    if known:
        return known[0]
    fund = found[-1][0].strip()
    raise ConfigError(f"change {change!r}: no fund {fund!r}; {instead(fund, fund_ids, 'fund', 'of the campaign')}")
