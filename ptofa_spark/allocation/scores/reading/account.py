"""What was read of the scores, what became of it, and the names in it that meet no demand, though one was meant."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ptofa_spark.allocation.problem.problem import Classes, Funds
from ptofa_spark.arrays import Ints
from ptofa_spark.errors import TableError
from ptofa_spark.tables.near_names import difference, folded, instead, look_the_same, nearest_name

_TOLD = 3
_ALLOW = "give --allow-unscored"


@dataclass(frozen=True)
class ScoresRead:
    """What the table of scores held.

    table: the argument, for messages; users: of the campaign; rows: of the whole table; of_other_campaigns: rows left
    out for their campaign; pairs: rows or elements of the campaign, nulls among them; pairs_without_demand: those of
    funds that have no demand in the campaign; without_demand: the same by fund, of those 10,000 that have the most.
    """

    table: str
    users: int
    rows: int
    of_other_campaigns: int
    pairs: int
    pairs_without_demand: int
    without_demand: Mapping[str, int]


@dataclass(frozen=True)
class InputsUsed:
    """How much was read of the scores and the funds, how much was used, and why the rest was left out.

    rows: of the table of scores. pairs: users by funds that the campaign's rows name, the sum of the five pairs_*:
    used, of funds that have no demand in the campaign, with a null for a score, marked and left out as asked for, of
    funds riskier than the user declared to bear. users_used: with at least one pair used. funds: of the funds table;
    funds_used: with a demand above 0; funds_scored_without_demand: names in the scores.
    """

    rows: int
    rows_of_other_campaigns: int
    users: int
    users_used: int
    pairs: int
    pairs_used: int
    pairs_of_funds_without_demand: int
    pairs_without_score: int
    pairs_marked: int
    pairs_above_risk: int
    funds: int
    funds_used: int
    funds_scored_without_demand: int

    def line(self) -> str:
        """The account in a few words; what is 0 is left out."""
        left_out = {
            "row(s) of other campaigns": self.rows_of_other_campaigns,
            "pair(s) of funds without a demand": self.pairs_of_funds_without_demand,
            "pair(s) without a score": self.pairs_without_score,
            "pair(s) marked by a number such as -1e15": self.pairs_marked,
            "pair(s) above a user's risk tolerance": self.pairs_above_risk,
            "user(s) who may see no fund": self.users - self.users_used,
        }
        rest = ", ".join(f"{count:,} {what}" for what, count in left_out.items() if count)
        used = f"read {self.rows:,} rows: {self.pairs_used:,} pairs of {self.users_used:,} users used"
        return f"{used}, left out {rest}" if rest else used


def inputs_used(read: ScoresRead, funds: Funds, classes: Classes, scored: Ints, not_eligible: int) -> InputsUsed:
    """The account of the inputs.

    Args:
        read: of the scores.
        funds: of the campaign.
        classes: of its users.
        scored: (funds,), users with a score for the fund.
        not_eligible: marked pairs that were left out, as asked for.
    """
    used, with_score = int(classes.users @ classes.eligible.sum(axis=1)), int(scored.sum())
    users = int(classes.users.sum())
    return InputsUsed(
        rows=read.rows,
        rows_of_other_campaigns=read.of_other_campaigns,
        users=users,
        users_used=users - int(classes.users[~classes.eligible.any(axis=1)].sum()),
        pairs=read.pairs,
        pairs_used=used,
        pairs_of_funds_without_demand=read.pairs_without_demand,
        pairs_without_score=read.pairs - read.pairs_without_demand - with_score,
        pairs_marked=not_eligible,
        pairs_above_risk=with_score - used - not_eligible,
        funds=len(funds) + len(funds.others),
        funds_used=int((funds.demand > 0).sum()),
        funds_scored_without_demand=len(read.without_demand),
    )


def require_scored(read: ScoresRead, funds: Funds, scored: Ints) -> None:
    """Refuses a fund that is to be shown and that the scores do not know, or know under two names.

    Args:
        read: of the scores.
        funds: of the campaign.
        scored: (funds,), users with a score for the fund.

    Raises:
        TableError: a fund with a demand above 0 has no score at all, or a fund that has no demand, and whose pairs are
            left out, nearly meets one that has; with the names and their difference.
    """
    absent = [int(f) for f in np.flatnonzero((funds.demand > 0) & (scored == 0))]
    if absent:
        there = [funds.ids[f] for f in np.flatnonzero(scored)]
        told = [_unscored(funds.ids[f], int(funds.demand[f]), there, read.without_demand) for f in absent[:_TOLD]]
        told += [f"and so {len(absent) - _TOLD} more fund(s)"] if len(absent) > _TOLD else []
        raise TableError(
            f"table {read.table}: {'; '.join(told)}: name each fund the same way in every table, score it, or "
            f"{_ALLOW} to leave its demand undelivered"
        )
    wanted = [funds.ids[f] for f in np.flatnonzero(funds.demand > 0)]
    for fund, other in mistaken(wanted, read.without_demand, funds.others):
        raise TableError(
            f"table {read.table}: fund {other!r} has {read.without_demand[other]:,} pair(s) and no demand; fund "
            f"{fund!r} has one (they differ by {difference(fund, other)}): name it the same way in every table, or "
            f"{_ALLOW} to leave the pairs of {other!r} out"
        )


def mistaken(wanted: Collection[str], others: Collection[str], funds: Collection[str]) -> list[tuple[str, str]]:
    """Pairs of a wanted fund and another name that most likely means it, sorted.

    A name of the funds table is a fund of its own if a letter's case tells it apart; blanks and Unicode forms do not.

    Args:
        wanted: funds of the campaign.
        others: names that are none of them.
        funds: of the funds table, that have no demand.

    >>> mistaken(["a", "b"], ["A", "b ", "c"], funds=["A"])
    [('b', 'b ')]
    """
    by_form: dict[str, list[str]] = {}
    for other in sorted(others):
        by_form.setdefault(folded(other), []).append(other)
    return [
        (fund, other)
        for fund in sorted(wanted)
        for other in by_form.get(folded(fund), ())
        if other not in funds or look_the_same(fund, other)
    ]


def _unscored(fund: str, demand: int, there: list[str], without_demand: Mapping[str, int]) -> str:
    """One fund's clause. A fund that has a demand of its own is not the one that was meant."""
    names = without_demand if nearest_name(fund, without_demand) else [*there, *without_demand]
    return f"fund {fund!r} has a demand of {demand:,}, but no score; {instead(fund, names, 'fund', 'in the scores')}"
