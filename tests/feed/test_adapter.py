"""Petastorm with its stand-ins gives what pyarrow reads, as the plain reader does. Nobody else sees a stand-in."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import fsspec  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from ptofa_spark.errors import MachineError
from ptofa_spark.feed.adapter.petastorm import require_version
from ptofa_spark.feed.adapter.stand_ins import Dataset
from ptofa_spark.feed.files import open_files
from ptofa_spark.feed.row_groups import READERS, WHOLE, RowGroupReader, RowGroupTransform, Shard

COLUMNS = ["id", "text", "flag", "amount", "tags"]
LENGTHS = {"id": np.int64, "length": np.int64, "flag": np.int64, "amount": np.float64, "tags": np.int64}


def rows(first: int, count: int) -> pa.Table:
    """Strings beyond ASCII, booleans, numbers and lists, each with nulls. Nobody asks for `unread`."""
    ids = range(first, first + count)
    return pa.table(
        {
            "text": pa.array([None if i % 5 == 0 else "é" * (i % 7) for i in ids], pa.string()),
            "flag": pa.array([None if i % 11 == 0 else i % 3 == 0 for i in ids], pa.bool_()),
            "amount": pa.array([None if i % 4 == 0 else i / 8 for i in ids], pa.float64()),
            "tags": pa.array([None if i % 6 == 0 else ["a"] * (i % 4) for i in ids], pa.list_(pa.string())),
            "unread": pa.array([0] * count, pa.int64()),
            "id": pa.array(ids, pa.int64()),
        }
    )


def write(folder: Path, groups: list[list[int]]) -> tuple[list[str], pa.Table]:
    """One file per list, one row group per number, in partition folders that no column is named by. URLs and rows."""
    urls, tables, first = [], [], 0
    for number, sizes in enumerate(groups):
        path = folder / "day=2025-03-03" / f"split=part {number}" / f"part-{number:03}.parquet"
        path.parent.mkdir(parents=True)
        with pq.ParquetWriter(path, rows(0, 0).schema) as writer:
            for size in sizes:
                table = rows(first, size)
                writer.write_table(table, row_group_size=max(size, 1))
                tables.append(table)
                first += size
        urls.append(f"file://{path}")
    return urls, pa.concat_tables(tables)


def measured(group: pd.DataFrame) -> pd.DataFrame:
    """Numbers that tell each value from each other and from null."""
    return pd.DataFrame(
        {
            "id": group["id"],
            "length": [-1 if text is None else len(text) for text in group["text"]],
            "flag": [-1 if flag is None else int(flag) for flag in group["flag"]],
            "amount": group["amount"],
            "tags": [-1 if tags is None else len(tags) for tags in group["tags"]],
        }
    )


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> RowGroupReader:
    return READERS.load(request.param, RowGroupReader)


def read(
    reader: RowGroupReader, urls: list[str], order_seed: int | None = None, shard: Shard = WHOLE
) -> list[dict[str, np.ndarray]]:
    return list(reader.read(urls, COLUMNS, RowGroupTransform(measured, LENGTHS), order_seed, shard))


def ids(groups: list[dict[str, np.ndarray]]) -> list[list[int]]:
    return [group["id"].tolist() for group in groups]


def test_strings_booleans_lists_and_nulls_arrive_as_pyarrow_reads_them(reader: RowGroupReader, tmp_path: Path) -> None:
    urls, table = write(tmp_path, [[40, 25], [60], [1]])
    found = {name: np.concatenate([group[name] for group in read(reader, urls)]) for name in LENGTHS}
    for column, values in measured(table.select(COLUMNS).to_pandas()).items():
        np.testing.assert_array_equal(found[str(column)], values.to_numpy())
    assert found["length"].max() == 6
    assert np.isnan(found["amount"]).sum() == 32


def test_a_row_group_is_read_alone_and_empty_files_give_nothing(reader: RowGroupReader, tmp_path: Path) -> None:
    urls, _ = write(tmp_path, [[], [3, 2], [], [1]])
    assert ids(read(reader, urls)) == [[0, 1, 2], [3, 4], [5]]


def test_partition_folders_give_no_column(reader: RowGroupReader, tmp_path: Path) -> None:
    urls, _ = write(tmp_path, [[5]])
    seen: list[list[str]] = []

    def note(group: pd.DataFrame) -> pd.DataFrame:
        seen.append(list(group.columns))
        return measured(group)

    list(reader.read(urls, [*COLUMNS, "day", "split"], RowGroupTransform(note, LENGTHS), None))
    assert [sorted(columns) for columns in seen] == [sorted(COLUMNS)]


def test_the_seed_alone_decides_the_order_of_row_groups(reader: RowGroupReader, tmp_path: Path) -> None:
    urls, _ = write(tmp_path, [[1] * 6, [1] * 6])
    orders = [ids(read(reader, urls, seed)) for seed in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == [[number] for number in range(12)]


@pytest.mark.parametrize(("groups", "count"), [(5, 2), (3, 3), (1, 3)])
@pytest.mark.parametrize("order_seed", [None, 4])
def test_the_shards_have_each_row_group_once(
    reader: RowGroupReader, tmp_path: Path, groups: int, count: int, order_seed: int | None
) -> None:
    urls, _ = write(tmp_path, [[2] * groups])
    parts = [ids(read(reader, urls, order_seed, Shard(place, count))) for place in range(count)]
    assert sorted(group for part in parts for group in part) == [[2 * n, 2 * n + 1] for n in range(groups)]
    assert [bool(part) for part in parts] == [place < groups for place in range(count)]


@pytest.mark.parametrize("order_seed", [None, 0, 3])
@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_both_readers_give_the_same_row_groups(tmp_path: Path, order_seed: int | None, shards: int) -> None:
    urls, _ = write(tmp_path, [[3, 1], [], [2, 2, 5]])
    for place in range(shards):
        shard = Shard(place, shards)
        one, other = (read(READERS.load(name, RowGroupReader), urls, order_seed, shard) for name in READERS)
        assert ids(one) == ids(other)
        for group, same in zip(one, other, strict=True):
            assert {name: (a.dtype, a.tobytes()) for name, a in group.items()} == {
                name: (a.dtype, a.tobytes()) for name, a in same.items()
            }


def test_nobody_else_sees_a_stand_in() -> None:
    """A process that imports the feed finds in pyarrow and NumPy what one finds that does not."""
    told = (
        "import sys, numpy, pyarrow, pyarrow.parquet as pq\n"
        "print('pyarrow.filesystem' in sys.modules, hasattr(pyarrow, 'localfs'), hasattr(numpy, 'unicode_'), "
        "hasattr(pq, 'ParquetDatasetPiece'), pq.ParquetDataset, pq.read_metadata)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", imports + told], capture_output=True, text=True, check=True
        ).stdout.split(" at 0x")[0]
        for imports in ("", "import ptofa_spark.feed.petastorm_reader\n")
    ]
    assert said[0] == said[1] != ""


def test_reading_warns_of_nothing(reader: RowGroupReader, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    urls, _ = write(tmp_path, [[4]])
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(reader, urls)
    assert capsys.readouterr() == ("", "")


def test_another_version_of_petastorm_is_rejected() -> None:
    with pytest.raises(MachineError, match=r"petastorm 0\.13\.2 is installed.*pip install petastorm==0\.13\.1"):
        require_version("0.13.2")


@pytest.mark.parametrize(
    "asked", [{"path_or_paths": "/a"}, {"path_or_paths": ["/a"], "filters": [("x", "=", 1)]},
              {"path_or_paths": ["/a"], "validate_schema": True}],
)  # fmt: skip
def test_what_the_stand_ins_do_not_do_is_rejected(asked: dict[str, object]) -> None:
    with pytest.raises(NotImplementedError, match="lists of Parquet files"):
        Dataset(filesystem=open_files("file:///a"), **asked)  # type: ignore[arg-type]


def test_a_file_system_that_pyarrow_lacks_is_opened_by_fsspec(reader: RowGroupReader) -> None:
    memory = fsspec.filesystem("memory")
    with memory.open("/feed/part.parquet", "wb") as file:
        pq.write_table(rows(0, 3), file, row_group_size=2)
    assert ids(read(reader, ["memory://feed/part.parquet"])) == [[0, 1], [2]]
    memory.rm("/feed", recursive=True)


@pytest.mark.parametrize("url", ["nowhere://feed/part.parquet", "oss://feed/part.parquet"])
def test_a_file_system_that_nobody_knows_is_named(url: str) -> None:
    with pytest.raises(MachineError, match=rf"files of {url[:-12]} cannot be opened: "):
        open_files(url)
