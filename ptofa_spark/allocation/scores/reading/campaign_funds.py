"""The campaign and its funds, with the demands that they have there."""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame, Row

from ptofa_spark.allocation.problem.problem import Funds
from ptofa_spark.errors import TableError
from ptofa_spark.tables.campaigns import require_campaign
from ptofa_spark.tables.contracts.schemas import DEMANDS, FUNDS
from ptofa_spark.tables.delta.pinned import PinnedTables
from ptofa_spark.tables.near_names import instead, listed

# Up to here floats count exposures one by one, and no sum over funds leaves an int64.
_MOST_EXPOSURES = 2**53


def read_campaign_funds(tables: PinnedTables, funds: str, demands: str, campaign_id: str | None) -> tuple[str, Funds]:
    """The campaign and its funds: those with a demand, sorted by id.

    Args:
        tables: of the run.
        funds: table of fund_id, risk_level: a catalog name, a path or a URI.
        demands: table of campaign_id, fund_id, demand (exposures).
        campaign_id: the campaign; None for the only one in the demands.

    Raises:
        TableError: no such campaign, a fund twice, an unknown fund, a negative demand, or more than can be counted.
    """
    asked = tables.read(demands, DEMANDS).collect()
    campaign = _campaign({row["campaign_id"] for row in asked}, demands, campaign_id)
    # Sorted here: a sort of a few rows would be a Spark job of its own.
    rows = sorted((row for row in asked if row["campaign_id"] == campaign), key=lambda row: str(row["fund_id"]))
    levels = _risk_levels(tables.read(funds, FUNDS), funds)
    seen: set[str] = set()
    for row in rows:
        if row["fund_id"] in seen:
            raise TableError(f"table {demands}: fund {row['fund_id']!r} has two demands in {campaign!r}: keep one")
        if row["fund_id"] not in levels:
            raise TableError(
                f"table {demands}: fund {row['fund_id']!r} is not in {funds}; "
                f"{instead(row['fund_id'], levels, 'fund')}: name it the same way, add it there, or drop the demand"
            )
        if row["demand"] < 0:
            raise TableError(f"table {demands}: fund {row['fund_id']!r} has demand {row['demand']}: give 0 or more")
        seen.add(row["fund_id"])
    _require_countable(rows, demands)
    return campaign, Funds(
        ids=tuple(row["fund_id"] for row in rows),
        risk_levels=np.array([levels[row["fund_id"]] for row in rows], dtype=np.int64),
        demand=np.array([row["demand"] for row in rows], dtype=np.int64),
        others=tuple(sorted(levels.keys() - seen)),
    )


def _require_countable(rows: list[Row], table: str) -> None:
    largest = max(rows, key=lambda row: int(row["demand"]))
    total = sum(int(row["demand"]) for row in rows)
    if total > _MOST_EXPOSURES:
        raise TableError(
            f"table {table}: the demands add up to {total:,} exposures, fund {largest['fund_id']!r} has the largest "
            f"demand, {largest['demand']:,}: give at most {_MOST_EXPOSURES:,} in all"
        )


def _campaign(known: set[str], table: str, campaign_id: str | None) -> str:
    if not known:
        raise TableError(f"table {table} is empty: give each fund of the campaign a demand")
    if campaign_id is None and len(known) > 1:
        raise TableError(f"table {table} holds several campaigns ({listed(known)}): choose one by --campaign-id")
    campaign = next(iter(known)) if campaign_id is None else campaign_id
    require_campaign(known, table, campaign)
    return campaign


def _risk_levels(funds: DataFrame, table: str) -> dict[str, int]:
    levels: dict[str, int] = {}
    for row in sorted(funds.select("fund_id", "risk_level").collect()):
        if row["fund_id"] in levels:
            raise TableError(f"table {table}: fund {row['fund_id']!r} stands there more than once: keep one row")
        levels[row["fund_id"]] = row["risk_level"]
    return levels
