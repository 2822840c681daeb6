"""Evaluates a trained model and its allocations, prints the figures and writes report.html and evaluation.json.

CPME and RPME are conversions and revenue per mille exposures. If there is a simulator's truth, they are measured under
it. Otherwise they are estimated by inverse propensity weighting of randomised exposures. If the log was not randomised,
the report says that they cannot be estimated. The report also shows Tables 1 and 2 of the paper, if compare_models and
simulate_campaign wrote them to its directory.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.config import parse_job
from ptofa_spark.evaluation.settings import EvaluateSettings
from ptofa_spark.running.java.options import small_inputs
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job; the exit code is 0 only when the report is written."""
    settings, spark_settings = parse_job("evaluate", EvaluateSettings, SparkSettings, __doc__ or "", argv)
    # Imported here: `--help` needs no package of an extra, and `run_as_job` names a missing one.
    from ptofa_spark.evaluation.evaluate import evaluate
    from ptofa_spark.evaluation.report.contents import terminal_table

    log_to_stderr()
    with spark_session(spark_settings, small=small_inputs(settings.warehouse)) as spark:
        print(terminal_table(evaluate(spark, settings)))
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
