"""Allocates a campaign's funds to its users: K funds per user, each fund's demand, no fund riskier than declared.

Reads scores (one row per user-fund pair, or the compact table that score writes), funds and demands. Writes the
allocation as a Delta table. Writes allocation.json, plan.json and, if exact reached the optimum, prices.json to the
report directory. For an infeasible campaign, only infeasible.json is written there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.config import parse_job
from ptofa_spark.running.java.options import small_inputs
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job; the exit code is 0 only when the table is written."""
    settings, spark_settings = parse_job("allocate", AllocateSettings, SparkSettings, __doc__ or "", argv)
    log_to_stderr()
    small = small_inputs(settings.scores, settings.funds, settings.demands, settings.exposures)
    with spark_session(spark_settings, small=small) as spark:
        print(allocate(spark, settings).line())
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
