"""PTOFA on Spark: predict each user's expected revenue for each fund, then allocate the funds (arXiv 2503.03165)."""

from ptofa_spark.running.workers import in_spark_worker, skip_work_around_tasks

__version__ = "0.1.0"

if in_spark_worker():
    skip_work_around_tasks()
