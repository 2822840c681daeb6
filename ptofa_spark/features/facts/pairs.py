"""Facts of a user and a fund, from which pair features are made. Each can be read in two ways.

Training reads logged pairs: rows of one user and one fund. Scoring reads all pairs of a campaign: rows of users, and
the campaign's few funds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F

from ptofa_spark.arrays import Floats, Ints
from ptofa_spark.features.facts.past import EarlierEvents, Past
from ptofa_spark.tables.names import quoted


@dataclass(frozen=True)
class Funds:
    """A campaign's funds, in one order. types: None where a fund has none; numbers: columns that `OfFund` reads."""

    fund_ids: tuple[str, ...]
    types: tuple[str | None, ...]
    numbers: Mapping[str, tuple[float, ...]]

    @property
    def type_names(self) -> list[str]:
        """The distinct types, sorted."""
        return sorted({name for name in self.types if name is not None})


@dataclass(frozen=True)
class OfUser:
    """A number of the user: a column of user_features, u_* or risk_tolerance."""

    column: str

    @property
    def logged(self) -> str:
        """The column of a logged pair that holds the fact."""
        return self.column

    def user_columns(self, _: Funds) -> dict[str, Column]:
        """What `of_all` needs of a user, by name."""
        return {f"user_{self.column}": F.col(quoted(self.column)).cast("double")}

    def of_all(self, users: pd.DataFrame, _: Funds) -> Floats:
        """The fact of all pairs: (users, funds), or a shape that broadcasts to it."""
        return users[f"user_{self.column}"].to_numpy(dtype=np.float64)[:, None]


@dataclass(frozen=True)
class OfFund:
    """A number of the fund: a column of fund_features, f_* or risk_level."""

    column: str

    @property
    def logged(self) -> str:
        """The column of a logged pair that holds the fact."""
        return self.column

    def user_columns(self, _: Funds) -> dict[str, Column]:
        """Empty: `of_all` needs nothing of a user."""
        return {}

    def of_all(self, _: pd.DataFrame, funds: Funds) -> Floats:
        """The fact of all pairs: (1, funds)."""
        return np.array([funds.numbers[self.column]], dtype=np.float64)


@dataclass(frozen=True)
class Tally:
    """How many events of one sort a user had, by fund or by type of fund: a map column of user_features.

    column: its name; by: what the keys of the map are; events: the sort that is counted.
    """

    column: str
    by: Literal["fund", "type"]
    events: Callable[[Past], EarlierEvents]

    def table(self, past: Past) -> Ints:
        """The counts as of each moment: (moments, funds) or (moments, types)."""
        earlier = self.events(past)
        return earlier.by_fund if self.by == "fund" else earlier.by_type

    def keys(self, funds: Funds) -> list[str]:
        """The keys of the map that a campaign's funds need."""
        return list(funds.fund_ids) if self.by == "fund" else funds.type_names


@dataclass(frozen=True)
class Times:
    """How many of a tally's events were of the pair's fund, or of its type; 0 if the fund has no type."""

    tally: Tally

    @property
    def logged(self) -> str:
        """The column of a logged pair that holds the fact."""
        return f"times_{self.tally.column}"

    def of_logged(self, past: Past, fund: Ints) -> Ints:
        """The fact of logged pairs: (moments,). A pair is a moment's user and its fund in `fund`, (moments,)."""
        earlier = self.tally.events(past)
        return earlier.of_fund(fund) if self.tally.by == "fund" else earlier.of_type(fund)

    def user_columns(self, funds: Funds) -> dict[str, Column]:
        """What `of_all` needs of a user: a plain number per fund or type.

        A map would reach pandas as one Python object per user.
        """
        return {
            f"{self.logged}_{place}": F.coalesce(F.try_element_at(self.tally.column, F.lit(key)), F.lit(0.0))
            for place, key in enumerate(self.tally.keys(funds))
        }

    def of_all(self, users: pd.DataFrame, funds: Funds) -> Floats:
        """The fact of all pairs: (users, funds)."""
        keys = self.tally.keys(funds)
        counts = np.zeros((len(users), len(keys) + 1))  # the last column is that of a fund without a type
        for place in range(len(keys)):
            counts[:, place] = users[f"{self.logged}_{place}"]
        if self.tally.by == "fund":
            return counts[:, :-1]
        return counts[:, [len(keys) if name is None else keys.index(name) for name in funds.types]]


@dataclass(frozen=True)
class InAll:
    """How many events a tally counted over all funds. The tally is by fund, since a fund may have no type."""

    tally: Tally

    @property
    def logged(self) -> str:
        """The column of a logged pair that holds the fact."""
        return f"all_{self.tally.column}"

    def of_logged(self, past: Past, _: Ints) -> Ints:
        """The fact of logged pairs, one per moment: (moments,)."""
        return self.tally.events(past).count()

    def user_columns(self, _: Funds) -> dict[str, Column]:
        """What `of_all` needs of a user: the sum of the map."""
        total = F.aggregate(F.map_values(self.tally.column), F.lit(0.0), lambda total, times: total + times)
        return {self.logged: F.coalesce(total, F.lit(0.0))}

    def of_all(self, users: pd.DataFrame, _: Funds) -> Floats:
        """The fact of all pairs: (users, 1)."""
        return users[self.logged].to_numpy()[:, None]


# Facts that the kernels over the users' records compute; the others are columns already.
PastFact = Times | InAll
Fact = OfUser | OfFund | PastFact
