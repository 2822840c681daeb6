"""The results of an evaluation, as in `evaluation.json`."""

from __future__ import annotations

from dataclasses import dataclass

from ptofa_spark.allocation.certificate.summary import AllocationSummary
from ptofa_spark.evaluation.logged.off_policy import OffPolicy
from ptofa_spark.evaluation.predictions.calibration import CalibrationGroup
from ptofa_spark.evaluation.predictions.intervals import Ends
from ptofa_spark.evaluation.predictions.metrics import FundCalibration, Metrics
from ptofa_spark.evaluation.truth.true_worth import TrueWorth


@dataclass(frozen=True)
class AllocationEvaluation:
    """One allocation: its summary, and its worth by the truth or by the randomised log.

    truth, logged: at most one is set; both are None if there is no truth and the log was not randomised.
    """

    name: str
    summary: AllocationSummary
    truth: TrueWorth | None
    logged: OffPolicy | None


@dataclass(frozen=True)
class Evaluation:
    """All figures of a run.

    exposures, conversions: of the test set; metrics: one row per predictor; intervals: of their figures, by predictor
    and figure; by_fund: of the model; *_calibration: of the conversion probability and of revenue, by tenth of the
    exposures; table_versions: of the tables that were read, None if a table has no version.
    """

    model: str
    exposures: int
    conversions: int
    allocations: tuple[AllocationEvaluation, ...]
    metrics: tuple[Metrics, ...]
    intervals: dict[str, dict[str, Ends]]
    by_fund: tuple[FundCalibration, ...]
    conversion_calibration: tuple[CalibrationGroup, ...]
    revenue_calibration: tuple[CalibrationGroup, ...]
    table_versions: dict[str, int | None]
    report: str
