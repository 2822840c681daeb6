"""Files in their places: with names that look like patterns, in folders and sub-folders, packed, empty, hidden."""

from __future__ import annotations

import bz2
import gzip
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.errors import MissingColumnError, TableError
from ptofa_spark.files.csv.header import CsvForm
from ptofa_spark.tables.contracts.schemas import DEMANDS, LONG_SCORES, TRANSACTIONS, USERS
from ptofa_spark.tables.opening import table_exists
from ptofa_spark.tables.reading import AS_FOUND, read_columns, read_table

HEADER = "campaign_id,fund_id,demand\n"
NAMES = (
    "d[1].csv",
    "d{a,b}.csv",
    "d*.csv",
    "d?.csv",
    "_d.csv",
    ".d.csv",
    "d:1.csv",
    "d e.csv",
    "d%20.csv",
    "d\\.csv",
    "ünï.csv",
)
# Files that one of the names would find if it were a pattern.
DECOYS = ("d1.csv", "da.csv", "db.csv", "dx.csv")


@pytest.fixture(params=["driver", "spark"])
def form(request: pytest.FixtureRequest) -> CsvForm:
    """The driver reads small files. The same test has Spark read them, as it reads large ones."""
    return CsvForm(driver_bytes=-1) if request.param == "spark" else CsvForm()


def rows(spark: SparkSession, place: Path, form: CsvForm = AS_FOUND) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in read_table(spark, str(place), DEMANDS, csv=form).collect())


def test_a_path_is_never_a_pattern(spark: SparkSession, tmp_path: Path, form: CsvForm) -> None:
    for place, name in enumerate((*NAMES, *DECOYS)):
        (tmp_path / name).write_text(f"{HEADER}c,a,{place}\n")
    for place, name in enumerate(NAMES):
        assert rows(spark, tmp_path / name, form) == [("c", "a", place)], name
    assert not table_exists(spark, str(tmp_path / "d[2].csv"))
    for name in ("d[2].csv", "*.csv"):
        with pytest.raises(TableError, match="does not exist"):
            rows(spark, tmp_path / name, form)
    assert read_table(spark, f"file://{tmp_path}/d[1].csv", DEMANDS, csv=form).count() == 1


@pytest.mark.parametrize("name", ["p[1].parquet", "_p.parquet", "p:1.parquet", "p*"])
def test_a_parquet_file_is_opened_by_its_name(spark: SparkSession, tmp_path: Path, name: str) -> None:
    for other, demand in ((name, 7), ("p1.parquet", 8)):
        pq.write_table(pa.table({"campaign_id": ["c"], "fund_id": ["a"], "demand": [demand]}), tmp_path / other)
    assert rows(spark, tmp_path / name) == [("c", "a", 7)]


def test_each_file_of_a_folder_is_read_by_its_own_header(spark: SparkSession, tmp_path: Path, form: CsvForm) -> None:
    """Other orders, a further column, another separator, and packed parts with or without their ending."""
    (tmp_path / "1.csv").write_text(f"{HEADER}c,a,1\n")
    (tmp_path / "2.csv").write_text("demand;p;fund_id;campaign_id\r\n2;9;b;c\r\n\r\n")
    (tmp_path / "3.csv.gz").write_bytes(gzip.compress(f"{HEADER}c,d,3\n".encode()))
    (tmp_path / "4").write_bytes(gzip.compress(f"{HEADER}c,e,4\n".encode()) + gzip.compress(b"c,f,5\n"))
    (tmp_path / "5.bz2").write_bytes(bz2.compress(f"{HEADER}c,g,6\n".encode()))
    for mark in ("_SUCCESS", ".1.csv.crc", "empty.csv"):
        (tmp_path / mark).write_bytes(b"")
    wanted = [("c", "a", 1), ("c", "b", 2), ("c", "d", 3), ("c", "e", 4), ("c", "f", 5), ("c", "g", 6)]
    assert rows(spark, tmp_path, form) == wanted
    assert read_columns(spark, str(tmp_path))[:1] == ["campaign_id"]
    (tmp_path / "6.csv").write_text("campaign_id,fund_id\nc,a\n")
    with pytest.raises(MissingColumnError, match=r"6\.csv lacks column\(s\) demand"):
        rows(spark, tmp_path, form)


def test_folders_within_a_folder_are_partitions(spark: SparkSession, tmp_path: Path, form: CsvForm) -> None:
    for fund, demand in (("007", 3), ("a%3Db", 4)):
        (tmp_path / "csv" / f"fund_id={fund}").mkdir(parents=True)
        (tmp_path / "csv" / f"fund_id={fund}" / "p.csv").write_text(f"campaign_id,demand\nc,{demand}\n")
        (tmp_path / "parquet" / f"fund_id={fund}").mkdir(parents=True)
        made = pa.table({"campaign_id": ["c"], "demand": [demand]})
        pq.write_table(made, tmp_path / "parquet" / f"fund_id={fund}" / "p.parquet")
    for kind in ("csv", "parquet"):
        assert rows(spark, tmp_path / kind, form) == [("c", "007", 3), ("c", "a=b", 4)]


def test_a_folder_that_is_no_partition_is_refused(spark: SparkSession, tmp_path: Path, form: CsvForm) -> None:
    for folder in ("fund_id=007", "late"):
        (tmp_path / folder).mkdir()
    (tmp_path / "fund_id=007" / "p.csv").write_text("campaign_id,demand\nc,3\n")
    (tmp_path / "late" / "p.csv").write_text(f"{HEADER}c,a,1\n")
    with pytest.raises(TableError, match=r"holds the folder 'late' with late/p\.csv, which is no partition"):
        rows(spark, tmp_path, form)
    (tmp_path / "late").rename(tmp_path / "day=1")
    with pytest.raises(TableError, match="partitions by different columns"):
        rows(spark, tmp_path, form)


def test_parquet_files_that_differ_are_named(spark: SparkSession, tmp_path: Path) -> None:
    whole = {"campaign_id": ["c"], "fund_id": ["a"], "demand": pa.array([1], pa.int64())}

    def said(second: dict[str, object]) -> str:
        pq.write_table(pa.table(whole), tmp_path / "1.parquet")
        pq.write_table(pa.table(second), tmp_path / "2.parquet")
        with pytest.raises(TableError) as error:
            rows(spark, tmp_path)
        return str(error.value)

    assert "2.parquet lacks the column demand, which" in said({"campaign_id": ["c"], "fund_id": ["a"]})
    assert "1.parquet lacks the column city" in said({**whole, "city": ["x"]})
    assert "column demand has the type double in" in said({**whole, "demand": [1.0]})
    nothing = pa.table({name: pa.array([], pa.null()) for name in whole})
    pq.write_table(nothing, tmp_path / "0.parquet")
    pq.write_table(pa.table(whole), tmp_path / "2.parquet")
    assert rows(spark, tmp_path) == [("c", "a", 1)] * 2, "a file without a row decides no type"
    (tmp_path / "2.parquet").write_bytes((tmp_path / "1.parquet").read_bytes()[:100])
    with pytest.raises(TableError, match=r"2\.parquet is cut off or damaged"):
        rows(spark, tmp_path)
    (tmp_path / "2.parquet").write_bytes(b"")
    with pytest.raises(TableError, match=r"2\.parquet is empty, its writer ended before"):
        rows(spark, tmp_path)
    (tmp_path / "2.parquet").write_text(f"{HEADER}c,a,1\n")
    with pytest.raises(TableError, match=r"holds Parquet .* beside text"):
        rows(spark, tmp_path)


def test_a_bad_row_is_named_with_file_and_line(spark: SparkSession, tmp_path: Path, form: CsvForm) -> None:
    (tmp_path / "1.csv").write_text(HEADER + "c,a,1\n" * 30_000)
    (tmp_path / "2.csv").write_text("\ufeff" + HEADER + "c,a,1\r\n" * 25_000 + "c,b,1,200\r\n" + "c,d\r\n")
    wanted = r"table .*: line 25002 of .*2\.csv, 'c,b,1,200': has 4 cells, the header has 3: a decimal comma or a thous"
    with pytest.raises(TableError, match=wanted):
        rows(spark, tmp_path, form)


def test_a_bad_cell_is_named_with_line_and_column(spark: SparkSession, tmp_path: Path, form: CsvForm) -> None:
    (tmp_path / "f").write_text(f"{HEADER}c,a,3.0\nc,b,3.5\n")
    with pytest.raises(
        TableError, match=r"line 3: column demand holds '3\.5', which is no bigint: write a whole number"
    ):
        rows(spark, tmp_path / "f", form)


def test_a_line_in_another_encoding_is_named(spark: SparkSession, tmp_path: Path, form: CsvForm) -> None:
    (tmp_path / "g").write_bytes(f"{HEADER}c,Höhe,3\n".encode("cp1252"))
    with pytest.raises(TableError, match=r"line 2.*'c,H.he,3': is not UTF-8, it looks like Windows-1252"):
        rows(spark, tmp_path / "g", form)


def test_leading_zeros_of_ids_are_logged(
    spark: SparkSession, tmp_path: Path, form: CsvForm, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "users.csv").write_text("user_id,risk_tolerance\n007,3\n010,4\n")
    logging.getLogger("ptofa_spark").addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, "ptofa_spark"):
        found = read_table(spark, str(tmp_path / "users.csv"), USERS, csv=form).collect()
    logging.getLogger("ptofa_spark").removeHandler(caplog.handler)
    assert sorted(tuple(row) for row in found) == [(7, 3), (10, 4)]
    assert "column=user_id cells=2 read 7 where 007" in caplog.text


def test_ids_that_are_one_number_in_two_texts_are_refused(spark: SparkSession, tmp_path: Path, form: CsvForm) -> None:
    (tmp_path / "users.csv").write_text("user_id,risk_tolerance\n007,3\n7,4\n")
    with pytest.raises(TableError, match="column user_id holds '007' and '7', which are the same number"):
        read_table(spark, str(tmp_path / "users.csv"), USERS, csv=form).collect()


def test_a_decimal_comma_is_read_where_it_can_be_nothing_else(
    spark: SparkSession, tmp_path: Path, form: CsvForm
) -> None:
    place = tmp_path / "scores.csv"
    head = "user_id;risk_tolerance;fund_id;expected_revenue\n"

    def revenue(*cells: str) -> list[float]:
        place.write_text(head + "".join(f"{user};5;a;{cell}\n" for user, cell in enumerate(cells)))
        return [row[3] for row in read_table(spark, str(place), LONG_SCORES, csv=form).orderBy("user_id").collect()]

    assert revenue("3,5", "1,200", "2") == [3.5, 1.2, 2.0]
    assert revenue("3.5", "2") == [3.5, 2.0]
    for cells, said in ((("1,200", "2"), "1,200 is 1.2 or 1200"), (("3,5", "2.5"), "others of the table have a point")):
        with pytest.raises(TableError, match=f"line 2 of .*{said}"):
            revenue(*cells)


def test_times_without_zone_are_utc(spark: SparkSession, tmp_path: Path, form: CsvForm) -> None:
    place = tmp_path / "t.csv"
    cells = ("2025-01-31 10:00", "2025-01-31T10:00:00+02:00", "2025-01-31")
    place.write_text("user_id,fund_id,transacted_at,amount\n" + "".join(f"1,a,{cell},1\n" for cell in cells))
    found = read_table(spark, str(place), TRANSACTIONS, csv=form).selectExpr("string(transacted_at)").collect()
    assert sorted(row[0] for row in found) == ["2025-01-31 00:00:00", "2025-01-31 08:00:00", "2025-01-31 10:00:00"]


def test_a_time_without_its_day_is_refused(spark: SparkSession, tmp_path: Path, form: CsvForm) -> None:
    place = tmp_path / "t.csv"
    place.write_text("user_id,fund_id,transacted_at,amount\n1,a,10:00,1\n")
    with pytest.raises(TableError, match=r"column transacted_at holds '10:00', .* a time without its day"):
        read_table(spark, str(place), TRANSACTIONS, csv=form)
