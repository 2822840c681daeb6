"""What an evaluation found, as in `evaluation.json`."""

from __future__ import annotations

from dataclasses import dataclass

from ptofa_spark.allocation.summary import AllocationSummary
from ptofa_spark.evaluation.calibration import CalibrationGroup
from ptofa_spark.evaluation.campaign import TrueWorth
from ptofa_spark.evaluation.metrics import Metrics
from ptofa_spark.evaluation.off_policy import OffPolicy


@dataclass(frozen=True)
class AllocationEvaluation:
    """One allocation: its summary, and what it is worth by the truth or by the log; neither where neither can tell."""

    name: str
    summary: AllocationSummary
    truth: TrueWorth | None
    logged: OffPolicy | None


@dataclass(frozen=True)
class Evaluation:
    """All figures of a run; exposures, conversions: of the test set; calibration: of p_c and of revenue."""

    model: str
    exposures: int
    conversions: int
    allocations: tuple[AllocationEvaluation, ...]
    metrics: tuple[Metrics, ...]
    calibration_error: float | None
    conversion_calibration: tuple[CalibrationGroup, ...]
    revenue_calibration: tuple[CalibrationGroup, ...]
    report: str
