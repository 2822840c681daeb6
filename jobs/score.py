"""Scores every user-fund pair of the target campaign with a trained model, one row per user.

Writes the warehouse's table scores (or --output), which allocate reads. The campaign's old rows are replaced.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.config import parse_job
from ptofa_spark.running.java.options import small_inputs
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session
from ptofa_spark.scoring.settings import ScoreSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job; the exit code is 0 only when the scores are written."""
    settings, spark_settings = parse_job("score", ScoreSettings, SparkSettings, __doc__ or "", argv)
    # Imported here: `--help` needs no package of an extra, and `run_as_job` names a missing one.
    from ptofa_spark.scoring.score import score

    log_to_stderr()
    with spark_session(spark_settings, small=small_inputs(settings.warehouse)) as spark:
        score(spark, settings)
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
