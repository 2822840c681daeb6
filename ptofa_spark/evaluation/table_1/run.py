"""A row behind Table 1: one predictor on one warehouse, as in `table_1.json`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptofa_spark.evaluation.json_rows import read_rows
from ptofa_spark.evaluation.predictions.metrics import Metrics

TABLE_1_JSON = "table_1.json"


@dataclass(frozen=True)
class Run:
    """A predictor's figures: one training of a model, or the oracle, or a constant.

    seed, learning_rate, dropout: of the training, None without one; rpme: revenue per mille exposures under the truth
    of the optimal allocation of its expected revenue; regret: the share of the oracle's that is lost; both None without
    a truth; measured_on: digest of the model and of every table that a figure came from, empty where a table has no
    version.
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
    """The runs that `compare_models` left in the report's directory; none if it left none.

    Raises:
        UserError: the file cannot be read.
    """
    return read_rows(Path(report) / TABLE_1_JSON, Run.of_json, "compare_models")
