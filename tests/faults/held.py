"""Runs `allocate` once for each list of words in the file that is named, in one process. Prints each exit code."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ptofa_spark.running.job import run_as_job
from ptofa_spark.running.session import SparkSettings, spark_session
from tests.run_job import job_module


def main() -> int:
    """Runs them in one session, which spares all but the first a cold start."""
    allocate = job_module("allocate").main
    with spark_session(SparkSettings(master="local[1]", driver_memory="1g")):
        for words in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
            print(f"code={run_as_job(allocate, words)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
