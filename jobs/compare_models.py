"""Trains and compares models as in Table 1 of the paper, prints the table, and writes table_1.md and table_1.json.

Each model is trained with several seeds, by the settings of the config file's section train. It is measured on held-out
exposures and compared with the constants zero and mean. If there is a simulator's truth, it also measures the optimal
allocation by each model's expected revenue. This is compared with the optimal allocation by the truth. The job can be
interrupted: the next run keeps what is trained and measured.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ptofa_spark.config import parse_pipeline
from ptofa_spark.evaluation.table_1.settings import CompareModelsSettings
from ptofa_spark.running.java.options import small_inputs
from ptofa_spark.running.job import EXIT_OK, run_as_job
from ptofa_spark.running.progress import log_to_stderr
from ptofa_spark.running.session import SparkSettings, spark_session


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the job; the exit code is 0 only when the table is written."""
    settings, spark_settings, file = parse_pipeline(
        "compare_models", CompareModelsSettings, SparkSettings, __doc__ or "", argv
    )
    # Imported here: `--help` needs no package of an extra, and `run_as_job` names a missing one.
    from ptofa_spark.evaluation.table_1.compare_models import compare_models
    from ptofa_spark.evaluation.table_1.text import table_1_page

    log_to_stderr()
    with spark_session(spark_settings, small=small_inputs(settings.warehouse)) as spark:
        print(table_1_page(compare_models(spark, settings, file.get("train") or {})))
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(run_as_job(main))
