"""Trains a model on the warehouse's examples and writes it as a folder of safetensors and JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.config import parse_job
from ptofa_spark.running.java.options import small_inputs
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session
from ptofa_spark.training.settings import TrainSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job; the exit code is 0 only when the model is written."""
    settings, spark_settings = parse_job("train", TrainSettings, SparkSettings, __doc__ or "", argv)
    # Imported here: `--help` needs no package of an extra, and `run_as_job` names a missing one.
    from ptofa_spark.training.train import train

    log_to_stderr()
    with spark_session(spark_settings, small=small_inputs(settings.warehouse)) as spark:
        print(train(spark, settings).line())
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
