"""Reads public data or your own tables, checks them, and writes a warehouse's raw tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.config import parse_job
from ptofa_spark.ingest.datasets import ingest
from ptofa_spark.ingest.settings import IngestSettings
from ptofa_spark.running.java.options import small_inputs
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session


def main(argv: Sequence[str] | None = None) -> int:
    """Parses the command line, ingests, and returns the exit code."""
    settings, spark_settings = parse_job("ingest", IngestSettings, SparkSettings, __doc__ or "", argv)
    log_to_stderr()
    small = settings.source is not None and small_inputs(settings.source)
    with spark_session(spark_settings, small=small) as spark:
        ingest(spark, settings)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
