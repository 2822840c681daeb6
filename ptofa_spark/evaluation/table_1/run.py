"""A row of `table_1.json`, from which Table 1 is made: one predictor on one warehouse."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptofa_spark.evaluation.json_rows import read_rows
from ptofa_spark.evaluation.predictions.metrics import Metrics

TABLE_1_JSON = "table_1.json"


@dataclass(frozen=True)
class Run:
    """The figures of a predictor: of one training of a model, of the oracle, or of a constant.

    seed, learning_rate, dropout: of the training, None without one; rpme: revenue per mille exposures, under the truth,
    of the optimal allocation by the predictor's expected revenue, None without a truth; regret: share of the oracle's
    rpme that is lost, None without a truth; measured_on: digest of the model and of every table that was read, empty
    if a table has no version.
    """

    warehouse: str
    predictor: str
    seed: int | None
    learning_rate: float | None
    dropout: float | None
    metrics: Metrics
    rpme: float | None
    regret: float | None
    measured_on: str = ""

    @classmethod
    def of_json(cls, found: dict[str, Any]) -> Run:
        """The run that was written as this JSON object.

        Raises:
            TypeError, KeyError: a field is unknown or missing.
        """
        return cls(**found | {"metrics": Metrics(**found["metrics"])})


def read_runs(report: str) -> tuple[Run, ...]:
    """The runs that `compare_models` wrote to the report's directory; an empty tuple if there is no file.

    Raises:
        UserError: the file cannot be read.
    """
    return read_rows(Path(report) / TABLE_1_JSON, Run.of_json, "compare_models")
