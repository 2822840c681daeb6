"""What one arm of a simulated campaign came to, as in `table_2.json`."""

from __future__ import annotations

from dataclasses import dataclass

from ptofa_spark.allocation.certificate.summary import Violations
from ptofa_spark.evaluation.logged.lifts import Lift, Rates
from ptofa_spark.evaluation.table_2.arms import Arm
from ptofa_spark.evaluation.truth.true_worth import TrueWorth


@dataclass(frozen=True)
class ArmResult:
    """An arm's figures.

    violations: of its allocation; drawn: rates of the simulated outcomes; lift: of these over the first arm, None for
    that arm itself; expected: under the truth; regret: share of the optimum's revenue that is lost (PyEPO's normalised
    regret), the sum of prediction_regret and optimisation_regret.
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

    @property
    def name(self) -> str:
        """The arm as its settings name it."""
        return Arm(self.predictor, self.method).name
