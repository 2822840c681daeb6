"""Features of a user and a fund together: one definition, carried to single pairs and to all funds of a user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F


@dataclass(frozen=True)
class Pair:
    """What is known of one user and one fund, as columns.

    bought_fund, bought_type, bought: purchases of this fund, of its type and of any fund before the campaign.
    """

    risk_tolerance: Column
    risk_level: Column
    bought_fund: Column
    bought_type: Column
    bought: Column


PAIR_FEATURES: dict[str, Callable[[Pair], Column]] = {
    "p_bought_fund": lambda pair: F.log1p(pair.bought_fund),
    "p_bought_type": lambda pair: F.log1p(pair.bought_type),
    "p_risk_gap": lambda pair: pair.risk_tolerance.cast("double") - pair.risk_level.cast("double"),
    "p_type_share": lambda pair: pair.bought_type / F.greatest(pair.bought, F.lit(1.0)),
}


def pair_columns() -> list[Column]:
    """The p_* columns of rows that hold one user and one fund: a column of each name of `Pair`."""
    pair = Pair(*[F.col(field.name) for field in fields(Pair)])
    return [feature(pair).alias(name) for name, feature in PAIR_FEATURES.items()]


def pair_arrays(users: DataFrame, funds: Sequence[Row]) -> DataFrame:
    """The users with one array<double> a pair feature, named as the feature, in the order of the given funds.

    Args:
        users: risk_tolerance, purchases_by_fund and purchases_by_type beside anything else.
        funds: rows of `fund_features` of one campaign; f_fund_type may be missing.
    """
    literals = F.array(
        *[
            F.struct(
                F.lit(fund["fund_id"]).alias("fund_id"),
                F.lit(fund.asDict().get("f_fund_type")).cast("string").alias("fund_type"),
                F.lit(fund["risk_level"]).alias("risk_level"),
            )
            for fund in funds
        ]
    )
    return users.withColumns({name: F.transform(literals, _of_fund(f)) for name, f in PAIR_FEATURES.items()})


def _of_fund(feature: Callable[[Pair], Column]) -> Callable[[Column], Column]:
    bought = F.aggregate(F.map_values("purchases_by_fund"), F.lit(0.0), lambda total, times: total + times)

    def of_fund(fund: Column) -> Column:
        by_fund, by_type = _times("purchases_by_fund", fund["fund_id"]), _times("purchases_by_type", fund["fund_type"])
        return feature(Pair(F.col("risk_tolerance"), fund["risk_level"], by_fund, by_type, bought))

    return of_fund


def _times(tally: str, key: Column) -> Column:
    return F.coalesce(F.try_element_at(tally, key), F.lit(0.0))
