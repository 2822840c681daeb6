"""The results of one arm of a simulated campaign, as in `table_2.json`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptofa_spark.allocation.certificate.summary import Violations
from ptofa_spark.evaluation.bootstrap import Interval
from ptofa_spark.evaluation.json_rows import read_rows
from ptofa_spark.evaluation.logged.lifts import Lift, Rates
from ptofa_spark.evaluation.table_2.arms import Arm
from ptofa_spark.evaluation.truth.true_worth import TrueWorth

TABLE_2_JSON = "table_2.json"


@dataclass(frozen=True)
class ArmResult:
    """The figures of an arm.

    violations: of its allocation; drawn: rates of the simulated outcomes; lift: of these rates over the first arm, None
    for the first arm; expected: rates under the truth; regret: share of the optimum's revenue that is lost (PyEPO's
    normalised regret), the sum of prediction_regret and optimisation_regret; k: funds per user (K), None if an earlier
    version wrote the file.
    """

    predictor: str
    method: str
    users: int
    users_served: int
    violations: Violations
    conversions: int
    drawn: Rates
    lift: Lift | None
    expected: TrueWorth
    regret: float
    prediction_regret: float
    optimisation_regret: float
    k: int | None = None

    @property
    def name(self) -> str:
        """The arm's name, as in the settings."""
        return Arm(self.predictor, self.method).name

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> ArmResult:
        """The arm that was written as this JSON object.

        Raises:
            TypeError, KeyError: a field is unknown or missing.
        """
        lift = found["lift"]
        parts = {
            "violations": Violations(**found["violations"]),
            "drawn": Rates(**_intervals(found["drawn"])),
            "lift": None if lift is None else Lift(**_intervals(lift)),
            "expected": TrueWorth(**found["expected"]),
        }
        return cls(**found | parts)


def read_arms(report: str) -> tuple[ArmResult, ...]:
    """The arms that `simulate_campaign` wrote to the report's directory; an empty tuple if there is no file.

    Raises:
        UserError: the file cannot be read.
    """
    return read_rows(Path(report) / TABLE_2_JSON, ArmResult.of_json, "simulate_campaign")


def _intervals(found: dict[str, dict[str, float | None]]) -> dict[str, Interval]:
    # JSON has no infinity, so the file has null. A lift can have no other number that is not finite.
    return {
        name: Interval(**{end: math.inf if value is None else value for end, value in ends.items()})
        for name, ends in found.items()
    }
