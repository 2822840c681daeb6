"""The parts of a platform that the driver makes once and every worker needs to make rows of any table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from ptofa_spark.simulator.funds import Funds, make_funds
from ptofa_spark.simulator.settings import SCENARIOS, GeneratePlatformSettings, Scenario
from ptofa_spark.simulator.truth import Calibration, calibrate


@dataclass(frozen=True)
class Calendar:
    """Weekly campaigns: past ones, numbered 0 to weeks - 1, and the target campaign, number `weeks`."""

    weeks: int
    target_date: date

    def campaign_id(self, week: int) -> str:
        """Id of a campaign. Ids sort by date."""
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

    selects: whether funds were shown in proportion to popularity times the pair's conversion probability, not to
    popularity alone; unrecorded_below: least revenue of a recorded conversion, money.
    """

    selects: bool
    unrecorded_below: float


@dataclass(frozen=True)
class World:
    """A platform without its users; small, and independent of the number of users."""

    seed: int
    scenario: Scenario
    funds: Funds
    calendar: Calendar
    calibration: Calibration
    logging: Logging


def make_world(settings: GeneratePlatformSettings) -> World:
    """Makes the world for the settings, in less than a second."""
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
