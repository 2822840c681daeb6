"""Runs all stages in the current directory, one after another and in one session, which saves five cold starts.

Prints as JSON about how many seconds each would take by itself: the session's start, its own seconds here, and the
seconds of the first stage, which is the only one that had to warm up.
"""

from __future__ import annotations

import json
import sys
import time

from ptofa_spark.running.session import SparkSettings, spark_session
from tests.faults.stages import SIZE, STAGES
from tests.run_job import job_module


def main() -> int:
    """Runs them; the exit code is 0 when all have ended well."""
    begun = time.monotonic()
    with spark_session(SparkSettings(master="local[2]", driver_memory="1g", shuffle_partitions=4)):
        start = time.monotonic() - begun
        took: dict[str, float] = {}
        for stage in STAGES.values():
            begun = time.monotonic()
            code = job_module(stage.job).main([*stage.words, *SIZE, "--spark.master=local[2]"])
            if code:
                return int(code)
            took[stage.job] = time.monotonic() - begun
    first = next(iter(took))
    warming = {job: 0.0 if job == first else took[first] for job in took}
    print(json.dumps({job: start + warming[job] + seconds for job, seconds in took.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
