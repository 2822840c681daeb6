"""The world of one platform: what the driver decides once and every worker needs to make any row of any table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from ptofa_spark.simulator.funds import Funds, make_funds
from ptofa_spark.simulator.settings import SCENARIOS, GeneratePlatformSettings, Scenario
from ptofa_spark.simulator.truth import Calibration, calibrate


@dataclass(frozen=True)
class Calendar:
    """Weekly campaigns: `weeks` past ones, numbered from 0, and the target, whose number is `weeks`."""

    weeks: int
    target_date: date

    def campaign_id(self, week: int) -> str:
        """Name of a campaign; names sort as the campaigns do."""
        return f"week_{week + 1:02d}"

    def start_date(self, week: int) -> date:
        """Day of a campaign's exposures, UTC."""
        return self.target_date - timedelta(days=7 * (self.weeks - week))

    def start_seconds(self, week: int) -> int:
        """Start of a campaign in seconds since 1970, UTC."""
        return int(datetime.combine(self.start_date(week), time(), UTC).timestamp())


@dataclass(frozen=True)
class Logging:
    """How past campaigns were logged.

    selects: funds were shown in proportion to their conversion rate with the user too, not to their popularity alone;
    unrecorded_below: least revenue of a conversion that the log holds.
    """

    selects: bool
    unrecorded_below: float


@dataclass(frozen=True)
class World:
    """A platform before its users are made; small, and the same for any number of users."""

    seed: int
    scenario: Scenario
    funds: Funds
    calendar: Calendar
    calibration: Calibration
    logging: Logging


def make_world(settings: GeneratePlatformSettings) -> World:
    """The world of the settings; takes less than a second."""
    scenario = SCENARIOS[settings.scenario]
    funds = make_funds(settings.seed, settings.fund_count, scenario.fund_types)
    return World(
        seed=settings.seed,
        scenario=scenario,
        funds=funds,
        calendar=Calendar(settings.weeks, settings.target_date),
        calibration=calibrate(funds, scenario, settings.weeks),
        logging=Logging(settings.exposure_policy == "selected", settings.unrecorded_below),
    )
