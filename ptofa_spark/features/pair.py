"""Features of a user and a fund together: one definition, carried to single pairs and to all funds of a user."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

PairFeature = Callable[[Column, Column, Column], Column]


def _risk_gap(fund_id: Column, fund_type: Column, risk_level: Column) -> Column:
    return F.col("risk_tolerance").cast("double") - risk_level.cast("double")


def _bought_fund(fund_id: Column, fund_type: Column, risk_level: Column) -> Column:
    return F.log1p(_times("purchases_by_fund", fund_id))


def _bought_type(fund_id: Column, fund_type: Column, risk_level: Column) -> Column:
    return F.log1p(_times("purchases_by_type", fund_type))


def _type_share(fund_id: Column, fund_type: Column, risk_level: Column) -> Column:
    bought = F.aggregate(F.map_values("purchases_by_fund"), F.lit(0.0), lambda total, times: total + times)
    return _times("purchases_by_type", fund_type) / F.greatest(bought, F.lit(1.0))


def _times(tally: str, key: Column) -> Column:
    return F.coalesce(F.try_element_at(tally, key), F.lit(0.0))


# Each a function of the fund's fund_id, fund_type and risk_level, and of the user's columns risk_tolerance,
# purchases_by_fund and purchases_by_type, which stand in the row.
PAIR_FEATURES: dict[str, PairFeature] = {
    "p_bought_fund": _bought_fund,
    "p_bought_type": _bought_type,
    "p_risk_gap": _risk_gap,
    "p_type_share": _type_share,
}


def pair_columns(fund_type: str) -> list[Column]:
    """The p_* columns of rows that hold one user and one fund; `fund_type` names the column with the fund's type."""
    fund = (F.col("fund_id"), F.col(fund_type), F.col("risk_level"))
    return [feature(*fund).alias(name) for name, feature in PAIR_FEATURES.items()]


def pair_arrays(users: DataFrame, funds: Sequence[Row]) -> DataFrame:
    """The users with one array<double> a pair feature, named as the feature, in the order of the given funds.

    Args:
        users: risk_tolerance, purchases_by_fund and purchases_by_type beside anything else.
        funds: rows of `fund_features` of one campaign; f_fund_type may be missing.
    """
    kinds = {fund["fund_id"]: fund.asDict().get("f_fund_type") for fund in funds}
    literals = F.array(
        *[
            F.struct(
                F.lit(fund["fund_id"]).alias("fund_id"),
                F.lit(kinds[fund["fund_id"]]).cast("string").alias("fund_type"),
                F.lit(fund["risk_level"]).alias("risk_level"),
            )
            for fund in funds
        ]
    )
    return users.withColumns({name: F.transform(literals, _of_fund(f)) for name, f in PAIR_FEATURES.items()})


def _of_fund(feature: PairFeature) -> Callable[[Column], Column]:
    return lambda fund: feature(fund["fund_id"], fund["fund_type"], fund["risk_level"])
