"""Features of a user and a fund together: one definition, carried to logged pairs by Spark, to all pairs by NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
from pyspark.sql import Column, Row
from pyspark.sql import functions as F

from ptofa_spark.arrays import Floats

T = TypeVar("T")


@dataclass(frozen=True)
class Pair(Generic[T]):
    """What is known of one user and one fund, as columns or as arrays.

    bought_fund, bought_type, bought: purchases of this fund, of its type and of any fund before the campaign.
    """

    risk_tolerance: T
    risk_level: T
    bought_fund: T
    bought_type: T
    bought: T


@dataclass(frozen=True)
class Arithmetic(Generic[T]):
    """What the features need beside + - * /."""

    log1p: Callable[[T], T]
    at_least_one: Callable[[T], T]


PAIR_FEATURES: dict[str, Callable[[Pair[Any], Arithmetic[Any]], Any]] = {
    "p_bought_fund": lambda pair, of: of.log1p(pair.bought_fund),
    "p_bought_type": lambda pair, of: of.log1p(pair.bought_type),
    "p_risk_gap": lambda pair, of: pair.risk_tolerance - pair.risk_level,
    "p_type_share": lambda pair, of: pair.bought_type / of.at_least_one(pair.bought),
}
_SPARK: Arithmetic[Column] = Arithmetic(F.log1p, lambda column: F.greatest(column, F.lit(1.0)))
_NUMPY: Arithmetic[Floats] = Arithmetic(np.log1p, lambda values: np.maximum(values, 1.0))
_TOLERANCE, _BOUGHT = "risk_tolerance", "bought"


def pair_columns() -> list[Column]:
    """The p_* columns of rows that hold one user and one fund: a column of each name of `Pair`."""
    pair = Pair(*[F.col(field.name).cast("double") for field in fields(Pair)])
    return [feature(pair, _SPARK).alias(name) for name, feature in PAIR_FEATURES.items()]


@dataclass(frozen=True)
class CampaignPairs:
    """A campaign's funds, for the pairs of each with any user.

    fund_ids, risk_levels, types: of each fund, in one order; a type is None where the fund has none.
    """

    fund_ids: tuple[str, ...]
    risk_levels: tuple[int, ...]
    types: tuple[str | None, ...]

    @classmethod
    def of(cls, funds: Sequence[Row]) -> CampaignPairs:
        """Of rows of `fund_features`; f_fund_type may be missing."""
        types = [fund.asDict().get("f_fund_type") for fund in funds]
        return cls(
            tuple(fund["fund_id"] for fund in funds),
            tuple(int(fund["risk_level"]) for fund in funds),
            tuple(None if kind is None else str(kind) for kind in types),
        )

    def columns(self) -> list[Column]:
        """What `features` needs of a user, from risk_tolerance, purchases_by_fund and purchases_by_type.

        A plain number per fund and a type: arrays and maps would reach pandas as one Python object a user.
        """
        total = F.aggregate(F.map_values("purchases_by_fund"), F.lit(0.0), lambda total, times: total + times)
        return [
            F.col(_TOLERANCE).cast("double").alias(_TOLERANCE),
            F.coalesce(total, F.lit(0.0)).alias(_BOUGHT),
            *[_times("purchases_by_fund", fund, _of_fund(place)) for place, fund in enumerate(self.fund_ids)],
            *[_times("purchases_by_type", kind, _of_type(place)) for place, kind in enumerate(self._kinds)],
        ]

    def features(self, users: pd.DataFrame, names: Sequence[str]) -> dict[str, Floats]:
        """The named p_* features, each (users * funds,), a user's funds together.

        Args:
            users: the columns of `columns`, a row per user.
            names: keys of PAIR_FEATURES.
        """
        shape = len(users), len(self.fund_ids)
        of_type = np.zeros((len(users), len(self._kinds) + 1))  # the last column is that of a fund without a type
        for place in range(len(self._kinds)):
            of_type[:, place] = users[_of_type(place)]
        of_fund = np.empty(shape)
        for place in range(shape[1]):
            of_fund[:, place] = users[_of_fund(place)]
        places = [len(self._kinds) if kind is None else self._kinds.index(kind) for kind in self.types]
        pair = Pair(
            users[_TOLERANCE].to_numpy()[:, None],
            np.array(self.risk_levels, dtype=np.float64),
            of_fund,
            of_type[:, places],
            users[_BOUGHT].to_numpy()[:, None],
        )
        found = {name: PAIR_FEATURES[name](pair, _NUMPY) for name in names}
        return {name: np.broadcast_to(values, shape).ravel() for name, values in found.items()}

    @property
    def _kinds(self) -> list[str]:
        return sorted({kind for kind in self.types if kind is not None})


def _times(tally: str, key: str, name: str) -> Column:
    return F.coalesce(F.try_element_at(tally, F.lit(key)), F.lit(0.0)).alias(name)


def _of_fund(place: int) -> str:
    return f"bought_fund_{place}"


def _of_type(place: int) -> str:
    return f"bought_type_{place}"
