"""Bounds the expected revenue after a change of a demand, the funds or K, without allocating again.

Reads the scores once per change. Prints the upper bound of the changed problem, just above its optimum, and the
estimate from the present fund prices. Writes both and the new prices to what_if.json.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.allocation.what_if.settings import WhatIfSettings
from ptofa_spark.allocation.what_if.text import outlook_table
from ptofa_spark.allocation.what_if.what_if import what_if
from ptofa_spark.config import parse_job
from ptofa_spark.running.java.options import small_inputs
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job."""
    settings, spark_settings = parse_job("what_if", WhatIfSettings, SparkSettings, __doc__ or "", argv)
    log_to_stderr()
    small = small_inputs(settings.scores, settings.funds, settings.demands)
    with spark_session(spark_settings, small=small) as spark:
        print(outlook_table(what_if(spark, settings)))
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
