"""Audits an allocation against the tables: K funds per user, demands, risk limits, and equality with the scores.

Reads the allocation, the scores, the funds and the demands. Writes nothing. The exit code is 0 only if all constraints
(C1, C2 and C3 of the paper) hold.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.allocation.certificate.audit_tables import audit_tables
from ptofa_spark.allocation.settings import AuditSettings
from ptofa_spark.config import parse_job
from ptofa_spark.running.java.options import small_inputs
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job."""
    settings, spark_settings = parse_job("audit", AuditSettings, SparkSettings, __doc__ or "", argv)
    log_to_stderr()
    small = small_inputs(settings.allocation, settings.scores, settings.funds, settings.demands)
    with spark_session(spark_settings, small=small) as spark:
        found = audit_tables(spark, settings)
    print(
        f"kept: {found.users_served:,} of {found.users:,} users served, {found.exposures:,} exposures, "
        f"objective {found.objective:,.2f}"
    )
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
