"""What `allocate` is asked to do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ptofa_spark.registry import Entry, Registry
from ptofa_spark.running.local_folder import LocalFolder, LocalPath
from ptofa_spark.tables.csv_settings import CsvSettings

DemandMode = Literal["exact", "at-most", "partial", "scale"]
HaVariant = Literal["guarded", "literal"]
MarkedPairs = Literal["values", "not-eligible"]
# Funds a user gets, at most: a campaign's slots stay far below 2^53.
MOST_SLOTS = 200
# Of the exact method: times that the prices get room.
MAX_ROUNDS = 12


FORMER_NAMES = {"expected_revenue": "scores"}


# A method's one line; its module says the rest.
METHODS = Registry(
    what="method",
    package="ptofa_spark.allocation",
    declares="METHOD",
    entries={
        "ha": Entry("heuristic.method", "the paper's heuristic, guarded"),
        "exact": Entry("exact.method", "the certified optimum"),
        "manual": Entry("baselines.manual", "funds in order of priority"),
        "ip": Entry("baselines.integer_program", "the paper's integer program, for small instances"),
        "mincostflow": Entry("baselines.min_cost_flow", "one min-cost flow on the driver, for small instances"),
    },
)


class AllocateSettings(CsvSettings):
    """Settings of `allocate`; a table is a catalog name or the path/URI of Delta, Parquet or CSV."""

    former_names = FORMER_NAMES

    scores: str = Field(
        description="table of scores: one row per user-fund pair (user_id, a whole number, risk_tolerance, fund_id, "
        "expected_revenue; absent or null: ineligible), or the compact form that `score` writes"
    )
    funds: str = Field(description="table of funds: fund_id, risk_level")
    demands: str = Field(description="table of demands: campaign_id, fund_id, demand")
    output: str = Field(description="Delta table to write: campaign_id, user_id, slot, fund_id, expected_revenue")
    report: LocalFolder = Field(
        description="directory for allocation.json, or infeasible.json, and the allocation plan"
    )
    campaign_id: str | None = Field(
        None, description="campaign to allocate; may be left out if the demands hold one only"
    )
    k: int = Field(1, ge=1, le=MOST_SLOTS, description="funds that a user gets (K)")
    method: Annotated[str, AfterValidator(METHODS.known)] = Field("ha", description=METHODS.help)
    ha_variant: HaVariant = Field(
        "guarded", description="literal: the paper's sweep as printed, which leaves users without a fund"
    )
    demand_mode: DemandMode = Field(
        "exact",
        description="exact: demands and slots must agree; at-most: demands are upper limits; partial: users may get "
        "fewer than K; scale: demands are scaled to the slots",
    )
    allow_unscored: bool = Field(
        False, description="take a demand for a fund that no row scores, or whose pairs stand under a name that differs"
    )
    marked_pairs: MarkedPairs = Field(
        "values",
        description="what numbers far beyond all other revenues are, such as -1e15: values, as they stand; "
        "not-eligible: negative ones are pairs that must not be allocated",
    )
    seed: int = Field(7, description="seed of the sample that prices come from, and of exact's tie-breaking")
    prices: LocalPath | None = Field(
        None, description="exact: prices.json of an earlier run, or its report, to start from"
    )
    priority: str | None = Field(
        None, description="manual: funds in order of priority, comma-separated; a name with a comma in double quotes"
    )
    exposures: str | None = Field(
        None, description="manual: logged exposures, whose conversion rates set the priority if none is given"
    )
    max_classes: int = Field(1_000, ge=1, description="distinct sets of eligible funds that the class flow may hold")
    driver_users: int = Field(
        250_000,
        ge=0,
        description="up to so many users (and 20 million pairs) the passes run on the driver, with the same result; "
        "0: never",
    )
    max_core_pairs: int = Field(
        4_000_000, ge=1_000, description="user-fund pairs that the driver solves at once (exact, and every bound)"
    )
    max_rounds: int = Field(
        MAX_ROUNDS, ge=0, description="exact: rounds until HA allocates instead, with the gap that was proved"
    )
    max_ip_users: int = Field(20_000, ge=1, description="users that method ip accepts")
    ip_seconds: float = Field(600.0, gt=0, description="time limit of method ip")
    max_solver_gb: float = Field(
        8.0, gt=0, description="GiB of driver memory that method mincostflow may be thought to take"
    )
    max_sweep_rows: int = Field(500_000, ge=1, description="users that the driver sweeps in one step, at most")


class AuditSettings(CsvSettings):
    """Settings of `audit`; a table is a catalog name or the path/URI of Delta, Parquet or CSV."""

    former_names = FORMER_NAMES

    allocation: str = Field(description="the allocation: campaign_id, user_id, slot, fund_id, expected_revenue")
    scores: str = Field(description="the scores it was made from, in either form that allocate reads")
    funds: str = Field(description="table of funds: fund_id, risk_level")
    demands: str = Field(description="table of demands: campaign_id, fund_id, demand")
    campaign_id: str | None = Field(None, description="campaign to audit; may be left out if the demands hold one only")
    k: int = Field(1, ge=1, le=MOST_SLOTS, description="funds that a user is to get (K)")
    demand_mode: DemandMode = Field("exact", description="how the demands are read, as in allocate")
    allow_unscored: bool = Field(
        False, description="take a demand for a fund that no row scores, or whose pairs stand under a name that differs"
    )
    marked_pairs: MarkedPairs = Field("values", description="how numbers such as -1e15 are read, as in allocate")
