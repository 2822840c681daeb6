"""Evaluates a trained model and its allocations, prints the figures and writes report.html and evaluation.json.

CPME and RPME are measured under the simulator's truth where there is one, else by inverse propensity weighting of
randomised exposures; where the log was not randomised it says that they cannot be estimated. With --table1 it trains
all models and compares them instead, as Table 1 of the paper does; with --campaign it simulates a campaign of several
arms, as its Table 2 reports.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.config import parse_pipeline
from ptofa_spark.evaluation.evaluate import evaluate
from ptofa_spark.evaluation.report.contents import terminal_table
from ptofa_spark.evaluation.settings import EvaluateSettings
from ptofa_spark.evaluation.table_1.table_1 import table_1
from ptofa_spark.evaluation.table_2.table_2 import table_2
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job; the exit code is 0 only when the report is written."""
    settings, spark_settings, file = parse_pipeline("evaluate", EvaluateSettings, SparkSettings, __doc__ or "", argv)
    log_to_stderr()
    with spark_session(spark_settings) as spark:
        if settings.campaign:
            print(table_2(spark, settings, file.get("train") or {}))
        elif settings.table1:
            print(table_1(spark, settings, file.get("train") or {}))
        else:
            print(terminal_table(evaluate(spark, settings)))
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
