"""Builds user_features, fund_features and examples from raw tables, using only data before each snapshot."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.config import parse_job
from ptofa_spark.features.build import build_features
from ptofa_spark.features.settings import BuildFeaturesSettings
from ptofa_spark.running.java.options import small_inputs
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job; the exit code is 0 only when all three tables are written."""
    settings, spark_settings = parse_job("build_features", BuildFeaturesSettings, SparkSettings, __doc__ or "", argv)
    log_to_stderr()
    with spark_session(spark_settings, small=small_inputs(settings.warehouse)) as spark:
        build_features(spark, settings)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
