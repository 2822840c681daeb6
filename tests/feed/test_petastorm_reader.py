"""Petastorm on the files of a Delta snapshot: exactly its rows, only the columns asked for, nothing printed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from ptofa_spark.errors import TableError
from ptofa_spark.feed.adapter.petastorm import ThreadPool
from ptofa_spark.feed.petastorm_reader import read_row_groups
from ptofa_spark.feed.row_groups import WHOLE, RowGroupTransform, Shard
from ptofa_spark.feed.snapshot import Snapshot, file_url, pin_snapshot, split_files
from ptofa_spark.tables.contracts.schemas import EXAMPLES
from ptofa_spark.tables.delta.writing import write_table
from ptofa_spark.tables.reading import read_table


def write_examples(spark: SparkSession, path: str, first: int, rows: int, partitions: int = 4) -> None:
    """Users first to first + rows - 1 of the split train, in `partitions` files. Nobody asks for column `u_extra`."""
    users = spark.range(first, first + rows, 1, partitions).withColumnRenamed("id", "user_id")
    constants = {name: F.lit(1.0) for name in ("propensity", "click", "conversion")}
    frame = users.withColumns(constants | {"revenue": F.col("user_id").cast("double") * 0.5, "u_extra": F.rand(1)})
    for name, value in {
        "campaign_id": "c",
        "fund_id": "f",
        "split": "train",
        "snapshot_date": date(2025, 3, 3),
    }.items():
        frame = frame.withColumn(name, F.lit(value))
    write_table(frame.select(*EXAMPLES.names, "u_extra"), path, partition_by=("snapshot_date", "split"))


def keep(group: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"user_id": group["user_id"], "revenue": group["revenue"].astype(np.float32)})


KEEP = RowGroupTransform(keep, {"user_id": np.int64, "revenue": np.float32})
COLUMNS = ("user_id", "revenue")


def users_read(files: tuple[str, ...], order_seed: int | None = None, shard: Shard = WHOLE) -> list[int]:
    groups = read_row_groups(files, COLUMNS, KEEP, order_seed, shard)
    return [int(user) for group in groups for user in group["user_id"]]


@dataclass(frozen=True)
class Table:
    """A table of users 0 to 89, pinned, and the files of its split train."""

    path: str
    pinned: Snapshot
    files: tuple[str, ...]


TableOf = Callable[[int], Table]


@pytest.fixture(scope="module")
def table_of(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> TableOf:
    """Gives the table of so many files. Each is written once, and to be read only."""

    @cache
    def made(files: int) -> Table:
        path = str(tmp_path_factory.mktemp("feed") / "examples")
        write_examples(spark, path, 0, 90, partitions=files)
        pinned = pin_snapshot(spark, path)
        return Table(path, pinned, split_files(pinned, "train"))

    return made


def test_exactly_the_rows_of_the_pinned_version_are_read(spark: SparkSession, warehouse: str) -> None:
    path = f"{warehouse}/with space and %41/examples"
    write_examples(spark, path, 0, 1_000)
    pinned = pin_snapshot(spark, path)
    files = split_files(pinned, "train")
    write_examples(spark, path, 5_000, 700)
    assert pinned.table.version == 0
    assert sorted(users_read(files)) == list(range(1_000))
    assert sorted(users_read(split_files(pinned, "train"))) == list(range(1_000))
    assert sorted(users_read(split_files(pin_snapshot(spark, path), "train"))) == list(range(5_000, 5_700))
    # An independent count of what the two versions hold, by Spark.
    counts = [read_table(spark, path, EXAMPLES, version=version).count() for version in (0, 1)]
    assert counts == [1_000, 700]


def test_only_the_asked_columns_reach_the_transform(table_of: TableOf) -> None:
    seen: list[set[str]] = []

    def note(group: pd.DataFrame) -> pd.DataFrame:
        seen.append(set(group.columns))
        return keep(group)

    transform = RowGroupTransform(note, KEEP.outputs)
    assert len(list(read_row_groups(table_of(4).files, COLUMNS, transform, None))) == 4
    assert seen == [{"user_id", "revenue"}] * 4


def test_the_seed_decides_the_order_of_row_groups(table_of: TableOf) -> None:
    files = table_of(9).files
    assert users_read(files) == list(range(90))
    orders = [users_read(files, seed) for seed in (0, 1, 2)]
    assert orders == [users_read(files, seed) for seed in (0, 1, 2)]
    assert len({tuple(order) for order in orders}) == 3
    assert all(sorted(order) == list(range(90)) for order in orders)


@pytest.mark.parametrize("partitions", [1, 3, 4, 9])
def test_no_row_group_is_lost_at_the_end(table_of: TableOf, monkeypatch: pytest.MonkeyPatch, partitions: int) -> None:
    """The pool asks whether its thread is idle, then whether all is handed out. The last row groups come in between."""
    files = table_of(partitions).files
    idle = ThreadPool.all_workers_done

    def slow(pool: ThreadPool) -> bool:
        answer = idle(pool)
        time.sleep(0.05)
        return bool(answer)

    monkeypatch.setattr(ThreadPool, "all_workers_done", slow)
    assert users_read(files) == list(range(90))


def test_an_error_in_the_transform_reaches_the_reader(table_of: TableOf, capsys: pytest.CaptureFixture[str]) -> None:
    files = table_of(4).files

    def broken(group: pd.DataFrame) -> pd.DataFrame:
        raise KeyError("no such feature")

    with pytest.raises(KeyError, match="no such feature"):
        list(read_row_groups(files, COLUMNS, RowGroupTransform(broken, KEEP.outputs), None))
    capsys.readouterr()


def test_a_reader_left_early_leaves_no_thread_behind(table_of: TableOf) -> None:
    files = table_of(9).files
    before = threading.active_count()
    groups = read_row_groups(files, COLUMNS, KEEP, None)
    next(groups)
    groups.close()  # type: ignore[attr-defined]  # a generator
    assert threading.active_count() == before


def test_a_split_without_rows_is_refused(table_of: TableOf) -> None:
    with pytest.raises(TableError, match="has no rows of split 'validation'"):
        split_files(table_of(4).pinned, "validation")


def test_a_place_without_a_delta_table_is_refused(
    spark: SparkSession, table_of: TableOf, warehouse: str, tmp_path: Path
) -> None:
    table_of(4).pinned.frame.write.parquet(f"{tmp_path}/plain")
    with pytest.raises(TableError, match=r"plain is no Delta table"):
        pin_snapshot(spark, f"{tmp_path}/plain")
    with pytest.raises(TableError, match="does not exist"):
        pin_snapshot(spark, f"{warehouse}/nothing")


def test_a_path_that_petastorm_cannot_open_is_refused() -> None:
    with pytest.raises(TableError, match=r"keep \?, # and ; out"):
        file_url("file:/a#b/part-0.parquet")


@pytest.mark.parametrize(("files", "shards"), [(4, 2), (3, 2), (4, 3), (1, 2), (2, 5)])
@pytest.mark.parametrize("order_seed", [None, 3])
def test_shards_have_every_row_once(table_of: TableOf, files: int, shards: int, order_seed: int | None) -> None:
    parts = [users_read(table_of(files).files, order_seed, Shard(place, shards)) for place in range(shards)]
    assert sorted(user for part in parts for user in part) == list(range(90))
    assert all(parts) == (files >= shards)


def test_a_volume_of_databricks_is_a_directory_to_petastorm() -> None:
    assert file_url("dbfs:/Volumes/main/a/part-0.parquet") == "file:///Volumes/main/a/part-0.parquet"
    assert file_url("file:/a/part-0.parquet") == "file:///a/part-0.parquet"
    assert file_url("s3://bucket/part-0.parquet") == "s3://bucket/part-0.parquet"
