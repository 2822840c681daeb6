"""What `allocate` is compared with: a bare Spark job that reads the same scores and writes the same number of rows."""

from __future__ import annotations

import sys
import time

from pyspark.sql import functions as F

from ptofa_spark.running.session import SparkSettings, spark_session

if __name__ == "__main__":
    scores, output, k, cores, heap = sys.argv[1:]
    with spark_session(SparkSettings(master=f"local[{cores}]", driver_memory=heap, shuffle_partitions=8)) as spark:
        started = time.perf_counter()
        rows = spark.read.format("delta").load(scores)
        slots = F.sequence(F.lit(1), F.lit(int(k)))
        rows.select("campaign_id", "user_id", "fund_ids", "expected_revenue", F.explode(slots).alias("slot")).select(
            "campaign_id",
            "user_id",
            F.col("slot").cast("int").alias("slot"),
            F.col("fund_ids")[F.col("slot") - 1].alias("fund_id"),
            F.col("expected_revenue")[F.col("slot") - 1].alias("expected_revenue"),
        ).write.format("delta").mode("overwrite").save(output)
        print(f"seconds={time.perf_counter() - started:.2f}")
