"""What `what_if` is asked to do."""

from __future__ import annotations

from pydantic import Field

from ptofa_spark.allocation.settings import FORMER_NAMES, MOST_SLOTS, DemandMode, MarkedPairs
from ptofa_spark.running.local_folder import LocalFolder
from ptofa_spark.tables.csv_settings import CsvSettings


class WhatIfSettings(CsvSettings):
    """Settings of `what_if`; a table is a catalog name or the path/URI of Delta, Parquet or CSV."""

    former_names = FORMER_NAMES

    scores: str = Field(description="table of scores, in either form that allocate reads")
    funds: str = Field(description="table of funds: fund_id, risk_level")
    demands: str = Field(description="table of demands: campaign_id, fund_id, demand")
    report: LocalFolder = Field(description="directory for what_if.json")
    campaign_id: str | None = Field(
        None, description="campaign to look at; may be left out if the demands hold one only"
    )
    k: int = Field(1, ge=1, le=MOST_SLOTS, description="funds that a user gets (K)")
    demand_mode: DemandMode = Field("exact", description="how the demands are read, as in allocate")
    marked_pairs: MarkedPairs = Field("values", description="how numbers such as -1e15 are read, as in allocate")
    changes: str | None = Field(
        None,
        description="changes to look at, separated by semicolons, each FUND+10%, FUND-10%, drop FUND or k=2; a "
        "change with a semicolon in its fund in double quotes; the other funds make up for it in proportion; every "
        "fund by +10% if empty",
    )
    allow_unscored: bool = Field(
        False, description="take a demand for a fund that no row scores, or whose pairs stand under a name that differs"
    )
    seed: int = Field(7, description="seed of the sample that prices come from")
    max_classes: int = Field(1_000, ge=1, description="distinct sets of eligible funds that the class flow may hold")
    driver_users: int = Field(250_000, ge=0, description="up to so many users the passes run on the driver; 0: never")
    max_core_pairs: int = Field(4_000_000, ge=1_000, description="user-fund pairs that the driver solves at once")
