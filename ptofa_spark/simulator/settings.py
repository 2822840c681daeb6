"""Settings of the synthetic platform, and the figures of the paper to which its two scenarios are calibrated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from pydantic import Field

from ptofa_spark.config import Settings

# So many users, or fewer, make a small platform.
SMALL_USERS = 100_000


@dataclass(frozen=True)
class Scenario:
    """Targets of the calibration in truth.py.

    fund_types: names, assigned to the funds in turn; funds: default number of funds; conversion_rate: conversions per
    exposure of the logging policy; revenue: mean revenue of a conversion, money; oracle_auc: AUC of the true p_c over
    the logging policy's exposures.
    """

    fund_types: tuple[str, ...]
    funds: int
    conversion_rate: float
    revenue: float
    oracle_auc: float


# Promotion: conversions per mille exposures (CPME) of 2.05 to 4.29 and RPME / CPME of about 5,500 (RPME: revenue per
# mille) in Table 2; AUC .83 of the best model on LCT-A in Table 1. Recommendation: four fund types and AUC .93 on
# LCT-B, whose MSE of .42 corresponds to ten times the conversions at equal revenue.
SCENARIOS = {
    "promotion": Scenario(("money_market", "bond", "mixed", "index", "stock", "gold"), 8, 0.003, 5_500.0, 0.84),
    "recommendation": Scenario(("money_market", "bond", "mixed", "stock"), 4, 0.03, 5_500.0, 0.93),
}


class GeneratePlatformSettings(Settings):
    """Settings of the job `generate_platform`."""

    warehouse: str = Field("warehouse", min_length=1, description="directory, URI or catalog.schema of the tables")
    seed: int = Field(7, ge=0, description="seed of all random numbers")
    users: int = Field(200_000, ge=1, le=10_000_000_000, description="number of users")
    funds: int | None = Field(None, ge=1, le=200, description="number of funds; 8 in promotion, 4 in recommendation")
    scenario: Literal["promotion", "recommendation"] = Field(
        "promotion", description="promotion (2-4 conversions per mille) or recommendation (ten times as many)"
    )
    weeks: int = Field(4, ge=1, le=52, description="past weekly campaigns with exposures, before the target campaign")
    exposure_policy: Literal["popularity", "selected"] = Field(
        "popularity", description="past campaigns showed funds by popularity, or selected: likely converters more often"
    )
    unrecorded_below: float = Field(
        0.0, ge=0, allow_inf_nan=False, description="conversions of less revenue are missing from the log"
    )
    target_date: date = Field(date(2025, 3, 3), description="day on which the target campaign starts, UTC")

    def is_small(self) -> bool:
        """Whether the platform is small: then Java need not optimise its code."""
        return self.users <= SMALL_USERS

    @property
    def fund_count(self) -> int:
        """The number of funds; the scenario's default if the settings have none."""
        return SCENARIOS[self.scenario].funds if self.funds is None else self.funds
