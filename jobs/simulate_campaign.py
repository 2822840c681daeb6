"""Simulates a campaign of several arms as in Table 2 of the paper, prints it, and writes table_2.md and table_2.json.

An arm is a predictor and an allocation method. A hash puts each user in one arm. The predictors are trained by the
settings of the config file's section train. The outcomes are drawn from the simulator's truth, so the tables must be of
a synthetic platform.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.config import parse_pipeline
from ptofa_spark.evaluation.table_2.settings import SimulateCampaignSettings
from ptofa_spark.running.java.options import small_inputs
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job; the exit code is 0 only when the table is written."""
    settings, spark_settings, file = parse_pipeline(
        "simulate_campaign", SimulateCampaignSettings, SparkSettings, __doc__ or "", argv
    )
    # Imported here: `--help` needs no package of an extra, and `run_as_job` names a missing one.
    from ptofa_spark.evaluation.table_2.simulate_campaign import simulate_campaign
    from ptofa_spark.evaluation.table_2.text import table_2_page

    log_to_stderr()
    with spark_session(spark_settings, small=small_inputs(settings.warehouse)) as spark:
        print(table_2_page(simulate_campaign(spark, settings, file.get("train") or {})))
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
