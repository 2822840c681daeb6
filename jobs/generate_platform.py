"""Generates a synthetic platform in a warehouse: raw tables, and the true probabilities and revenues."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.config import parse_job
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session
from ptofa_spark.simulator.platform import generate_platform
from ptofa_spark.simulator.settings import GeneratePlatformSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, generates, and returns the exit code."""
    settings, spark_settings = parse_job(
        "generate_platform", GeneratePlatformSettings, SparkSettings, __doc__ or "", argv
    )
    log_to_stderr()
    with spark_session(spark_settings, small=settings.is_small()) as spark:
        generate_platform(spark, settings)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
