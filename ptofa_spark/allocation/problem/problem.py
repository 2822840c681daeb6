"""The allocation problem in numbers that do not grow with the users: funds, bounds and classes of users."""

from __future__ import annotations

from dataclasses import dataclass, field

from ptofa_spark.allocation.problem.choice import Falling, widened
from ptofa_spark.arrays import Bools, Floats, Ints


@dataclass(frozen=True)
class Funds:
    """The campaign's funds, sorted by id.

    risk_levels: (funds,); demand: (funds,), exposures, as the demands table gives them; others: ids that the funds
    table holds as well, without a demand in the campaign.
    """

    ids: tuple[str, ...]
    risk_levels: Ints
    demand: Ints
    others: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Classes:
    """Users with the same set of eligible funds are one class; classes are sorted by their set.

    eligible: (classes, funds); users: (classes,); tolerance_low, tolerance_high: (classes,), declared by their users.
    """

    eligible: Bools
    users: Ints
    tolerance_low: Ints
    tolerance_high: Ints

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True)
class Bounds:
    """What C1 and C2 allow (paper, section 2); equal bounds are the paper's equalities.

    demand_low, demand_high: (funds,), exposures per fund; slots_low, slots_high: funds per user.
    """

    demand_low: Ints
    demand_high: Ints
    slots_low: int
    slots_high: int


@dataclass(frozen=True)
class AllocationProblem:
    """One campaign: each user gets distinct eligible funds (C3), users and funds as many as `bounds` allow (C1, C2)."""

    campaign_id: str
    funds: Funds
    classes: Classes
    bounds: Bounds

    @property
    def k(self) -> int:
        """K, the most funds that a user gets."""
        return self.bounds.slots_high

    @property
    def users(self) -> int:
        """Users of the campaign."""
        return int(self.classes.users.sum())

    @property
    def slots(self) -> int:
        """Exposures that the users can take together, K each."""
        return self.k * self.users


@dataclass(frozen=True)
class UserBatch:
    """Some users, in no order that matters.

    user_id: (users,); class_index: (users,), row of `Classes`; expected_revenue: (users, funds), money per exposure,
    NaN where the pair is not eligible.
    """

    user_id: Ints
    class_index: Ints
    expected_revenue: Floats
    _falling: dict[int, Falling] = field(default_factory=dict, init=False, repr=False, compare=False)

    def some(self, rows: Ints | Bools | slice) -> UserBatch:
        """The users of these rows."""
        return UserBatch(self.user_id[rows], self.class_index[rows], self.expected_revenue[rows])

    def falling(self, columns: int) -> Falling:
        """Each user's columns by falling expected revenue, sorted at the first call.

        Args:
            columns: choice columns; those beyond the funds bring 0.
        """
        if columns not in self._falling:
            self._falling[columns] = Falling.of(widened(self.expected_revenue, columns))
        return self._falling[columns]
