"""Row groups for the training feed: the same examples, written with several sizes of row group and read for one epoch.

Each copy is a Delta table, written as `write_table` writes, with its own `parquet.block.size`. Size `0` stands for
Parquet's own settings: 128 MiB, and pages four times as long. Spark writes the copies and fits the encoders. Each epoch
is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import torch

from benchmarks.lines import add_place, keep
from ptofa_spark.feed.encoding import FeatureEncoding, fit_encoding
from ptofa_spark.feed.examples import ExamplesFeed
from ptofa_spark.feed.snapshot import file_url, pin_snapshot
from ptofa_spark.reproducible.splits import TRAIN
from ptofa_spark.running.session import SparkSettings, spark_session
from ptofa_spark.tables.delta.writing import in_session, small_row_groups

_MIB = 2**20


def main() -> None:
    """Writes the copies, reads each one in a process of its own, and appends one line per copy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", default="1000000", help="size whose examples are read; the first, if several")
    parser.add_argument("--sizes", default="0,1,2,4,8,16,64", help="sizes of row group, MiB; 0: Parquet's own settings")
    add_place(parser)
    parser.add_argument("--read", type=Path, help="read this copy and print its line")
    # `make bench-features` passes the same options to features.py, which has others too: these are passed over.
    args, _ = parser.parse_known_args()
    if args.read is not None:
        print(json.dumps(_epoch(args.read)))
        return
    warehouse = args.bench / "features" / args.users.split(",")[0]
    copies = warehouse / "row_groups"
    sizes = [int(size) for size in args.sizes.split(",")]
    written = _write(warehouse, copies, sizes)
    for size in sizes:
        words = [sys.executable, __file__, "--read", str(copies / str(size))]
        read = subprocess.run(words, check=True, capture_output=True, text=True)
        line = {"row_group_mib": size, "write_seconds": written[size], **json.loads(read.stdout.splitlines()[-1])}
        keep(args.bench / "row_groups.jsonl", line)


def _write(warehouse: Path, copies: Path, sizes: list[int]) -> dict[int, float]:
    """Copies the training examples once per size. Returns the seconds per size."""
    seconds = {}
    settings = SparkSettings(master="local[2]", driver_memory="6g", shuffle_partitions=8)
    shutil.rmtree(copies, ignore_errors=True)
    with spark_session(settings) as spark:
        snapshot = pin_snapshot(spark, str(warehouse / "examples"))
        train = snapshot.frame.where(f"split = '{TRAIN}'")
        files = len(train.inputFiles())
        fed = small_row_groups(len(train.columns))
        train.write.format("noop").mode("overwrite").save()  # the first pass starts the JVM: it is not measured
        for size in sizes:
            started = time.perf_counter()
            with in_session(spark, fed | {"parquet.block.size": str(size * _MIB)} if size else {}):
                train.coalesce(files).write.format("delta").save(str(copies / str(size)))
            seconds[size] = round(time.perf_counter() - started, 1)
        (copies / "encoders.json").write_text(fit_encoding(snapshot.frame).to_json(), encoding="utf-8")
    return seconds


def _epoch(copy: Path) -> dict[str, float]:
    """Reads a copy for one epoch: rows, rows per group, seconds, peak memory (GiB), bytes of the files."""
    torch.set_num_threads(1)
    files = sorted(copy.glob("*.parquet"))
    groups = [pq.ParquetFile(file).metadata for file in files]
    rows = sum(meta.num_rows for meta in groups)
    feed = ExamplesFeed(
        train_files=tuple(file_url(f"file:{file}") for file in files),
        validation_files=(),
        encoding=FeatureEncoding.from_json((copy.parent / "encoders.json").read_text(encoding="utf-8")),
        train_rows=rows,
        validation_rows=0,
        batch_size=512,
        buffer_rows=100_000,
        seed=7,
    )
    started = time.perf_counter()
    read = sum(len(batch) for batch in feed.train(0))
    seconds = time.perf_counter() - started
    assert read == rows
    return {
        "rows": rows,
        "rows_a_group": rows / sum(meta.num_row_groups for meta in groups),
        "seconds": round(seconds, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "file_bytes": sum(file.stat().st_size for file in files),
    }


if __name__ == "__main__":
    main()
