"""Features of a user and a fund together, each declared once: for logged pairs in Spark, for all pairs in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pandas as pd
from pyspark.sql import Column, Row
from pyspark.sql import functions as F

from ptofa_spark.arrays import Floats
from ptofa_spark.features.facts.pairs import Fact, Funds, InAll, OfFund, OfUser, PastFact, Tally, Times
from ptofa_spark.tables.names import quoted

T = TypeVar("T")


@dataclass(frozen=True)
class Arithmetic(Generic[T]):
    """What features need besides + - * /, in Spark and in NumPy. An unknown number (null, NaN) stays unknown.

    Spark raises an error on a division by 0, so divide by `at_least_one`.
    """

    log1p: Callable[[T], T]
    at_least_one: Callable[[T], T]


@dataclass(frozen=True)
class PairFeature:
    """A pair feature. facts: what it is made of; value: its value from an Arithmetic and the facts, in their order."""

    facts: tuple[Fact, ...]
    value: Callable[..., Any]


RISK_TOLERANCE, RISK_LEVEL = OfUser("risk_tolerance"), OfFund("risk_level")
# Events of a user, by fund and by type.
PURCHASES_BY_FUND = Tally("purchases_by_fund", "fund", lambda past: past.purchases)
PURCHASES_BY_TYPE = Tally("purchases_by_type", "type", lambda past: past.purchases)

DECLARED_PAIR_FEATURES: dict[str, PairFeature] = {
    "p_bought_fund": PairFeature((Times(PURCHASES_BY_FUND),), lambda of, times: of.log1p(times)),
    "p_bought_type": PairFeature((Times(PURCHASES_BY_TYPE),), lambda of, times: of.log1p(times)),
    "p_risk_gap": PairFeature((RISK_TOLERANCE, RISK_LEVEL), lambda of, tolerance, level: tolerance - level),
    "p_type_share": PairFeature(
        (Times(PURCHASES_BY_TYPE), InAll(PURCHASES_BY_FUND)), lambda of, times, in_all: times / of.at_least_one(in_all)
    ),
}


def _facts(names: Sequence[str]) -> dict[str, Fact]:
    """The facts of the named features, by their columns in logged pairs."""
    return {fact.logged: fact for name in names for fact in DECLARED_PAIR_FEATURES[name].facts}


PAST_FACTS = {name: fact for name, fact in _facts(list(DECLARED_PAIR_FEATURES)).items() if isinstance(fact, PastFact)}
TALLIES = {fact.tally.column: fact.tally for fact in PAST_FACTS.values()}

_SPARK: Arithmetic[Column] = Arithmetic(
    F.log1p, lambda column: F.when(column.isNotNull(), F.greatest(column, F.lit(1.0)))
)
_NUMPY: Arithmetic[Floats] = Arithmetic(np.log1p, lambda values: np.maximum(values, 1.0))


def pair_columns(names: Sequence[str] = tuple(DECLARED_PAIR_FEATURES)) -> list[Column]:
    """The named p_* columns of logged pairs: rows of one user and one fund, with a column per fact."""
    columns = []
    for name in names:
        feature = DECLARED_PAIR_FEATURES[name]
        facts = [F.col(quoted(fact.logged)).cast("double") for fact in feature.facts]
        columns.append(feature.value(_SPARK, *facts).alias(name))
    return columns


def columns_read(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Columns of user_features and of fund_features that the named features are made of. f_fund_type may be missing."""
    of_user, of_fund = [], []
    for fact in _facts(names).values():
        if isinstance(fact, OfFund):
            of_fund.append(fact.column)
        else:
            of_user.append(fact.column if isinstance(fact, OfUser) else fact.tally.column)
    return list(dict.fromkeys(of_user)), of_fund


@dataclass(frozen=True)
class CampaignPairs:
    """All pairs of a campaign's funds with any users. names: the features wanted, of DECLARED_PAIR_FEATURES."""

    funds: Funds
    names: tuple[str, ...]

    @classmethod
    def of(cls, rows: Sequence[Row], names: Sequence[str] = tuple(DECLARED_PAIR_FEATURES)) -> CampaignPairs:
        """Makes it from rows of `fund_features`. The column f_fund_type may be missing.

        Args:
            rows: one per fund.
            names: the features wanted.
        """
        types = [row.asDict().get("f_fund_type") for row in rows]
        numbers = {
            name: tuple(float("nan") if row[name] is None else float(row[name]) for row in rows)
            for name in columns_read(names)[1]
        }
        funds = Funds(
            tuple(row["fund_id"] for row in rows),
            tuple(None if name is None else str(name) for name in types),
            numbers,
        )
        return cls(funds, tuple(names))

    def columns(self) -> list[Column]:
        """What `features` needs of a user, from the columns of `columns_read`."""
        columns: dict[str, Column] = {}
        for fact in _facts(self.names).values():
            columns |= fact.user_columns(self.funds)
        return [column.alias(name) for name, column in columns.items()]

    def features(self, users: pd.DataFrame) -> dict[str, Floats]:
        """The features, each (users * funds,), grouped by user.

        Args:
            users: the columns of `columns`, one row per user.
        """
        shape = len(users), len(self.funds.fund_ids)
        facts = {name: fact.of_all(users, self.funds) for name, fact in _facts(self.names).items()}
        features: dict[str, Floats] = {}
        for name in self.names:
            feature = DECLARED_PAIR_FEATURES[name]
            values = feature.value(_NUMPY, *[facts[fact.logged] for fact in feature.facts])
            features[name] = np.broadcast_to(values, shape).ravel()
        return features
