"""What `build_features` is compared with: a bare Spark job that reads the same raw tables and writes as many bytes.

The job hashes every column of every row of users, exposures and transactions, and writes one row for each. A row holds
as many 64-bit hashes as the files need to reach the requested number of bytes. Compression cannot shrink hashes.
"""

from __future__ import annotations

import sys
import time
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from ptofa_spark.running.session import SparkSettings, spark_session

_BYTES = 8
_PARTS = 1_000


def _hashes(rows: DataFrame, per_row: float) -> DataFrame:
    """`per_row` hashes per row: one column per whole hash, and for the fraction a column that is null in other rows."""
    every = F.xxhash64(*[F.col(name) for name in rows.columns])
    hashes: list[Column] = [F.xxhash64(every, F.lit(place)).alias(f"h{place}") for place in range(int(per_row))]
    share = int((per_row - int(per_row)) * _PARTS)
    return rows.select(*hashes, F.when(F.pmod(every, F.lit(_PARTS)) < share, every).alias("some"))


if __name__ == "__main__":
    warehouse, written, cores, heap = sys.argv[1:]
    with spark_session(SparkSettings(master=f"local[{cores}]", driver_memory=heap, shuffle_partitions=8)) as spark:
        started = time.perf_counter()
        names = ("users", "exposures", "transactions")
        tables = [spark.read.format("delta").load(f"{warehouse}/{name}") for name in names]
        per_row = int(written) / _BYTES / sum(table.count() for table in tables)
        rows = reduce(DataFrame.unionByName, [_hashes(table, per_row) for table in tables])
        rows.write.format("delta").mode("overwrite").save(f"{warehouse}/bare")
        print(f"seconds={time.perf_counter() - started:.2f}")
