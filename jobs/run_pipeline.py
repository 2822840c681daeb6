"""Runs the whole pipeline in one Spark session: raw tables, features, training, scores, allocations, evaluation.

By default it uses the synthetic platform. hillstrom, completejourney and your own raw tables (`--dataset own --source
DIR`) go through the same stages. At the end it prints a table of the allocations and predictors, and the report's path.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.config import parse_pipeline
from ptofa_spark.pipeline.settings import RunPipelineSettings
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job; the exit code is 0 only when every stage is written."""
    settings, spark_settings, sections = parse_pipeline(
        "run_pipeline", RunPipelineSettings, SparkSettings, __doc__ or "", argv
    )
    # Imported here: `--help` needs no package of an extra, and `run_as_job` names a missing one.
    from ptofa_spark.evaluation.report.contents import terminal_table
    from ptofa_spark.pipeline.run import run_pipeline

    log_to_stderr()
    with spark_session(spark_settings, small=settings.is_small()) as spark:
        print(terminal_table(run_pipeline(spark, settings, sections)))
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
