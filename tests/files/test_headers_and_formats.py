"""Headers, names of columns and formats, by the first bytes of a file alone."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from ptofa_spark.files.column_names import match_columns
from ptofa_spark.files.csv.header import read_header
from ptofa_spark.files.formats import Foreign, format_of, looks_like

WANTED = ("user_id", "risk_tolerance", "fund_id", "expected_revenue")
TABLE = pa.table({"user_id": [1, 2], "fund_id": ["a", "b"]})


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_in_the_header_alone(separator: str) -> None:
    head = f"{separator.join(WANTED)}\n1;2,3|4\t5\n".encode()
    found = read_header(head, WANTED)
    assert found is not None
    assert (found.separator, found.names, found.number) == (separator, WANTED, 1)


def test_a_header_is_found_below_other_lines() -> None:
    found = read_header(b"\xef\xbb\xbfsep=;\r\n\r\nUser_ID ;x,y\r\n1;2", WANTED)
    assert found is not None
    assert (found.separator, found.names, found.above, found.number) == (
        ";",
        ("User_ID ", "x,y"),
        (b"sep=;", b"User_ID ;x,y"),
        3,
    )
    assert read_header(b"\n \n", WANTED) is None


def test_a_separator_that_the_user_gives_is_used() -> None:
    asked = read_header(b"user_id;a|b\n", WANTED, "|")
    assert asked is not None
    assert asked.names == ("user_id;a", "b")


def test_a_quoted_header_is_cut_as_its_rows_are() -> None:
    found = read_header(b'"user_id","a, ""b""",fund_id\n', WANTED)
    assert found is not None
    assert found.names == ("user_id", 'a, "b"', "fund_id")


def test_case_and_outer_blanks_of_a_column_do_not_matter() -> None:
    found = match_columns(["\ufeffUSER_ID", "fund_id ", "Fund-Id", "\u00a0expected_revenue"], WANTED)
    assert found.position == {"user_id": 0, "fund_id": 1, "expected_revenue": 3}
    assert found.renamed == {
        "user_id": "\ufeffUSER_ID",
        "fund_id": "fund_id ",
        "expected_revenue": "\u00a0expected_revenue",
    }
    assert match_columns(["user_id", "User_Id"], WANTED).doubled == ("user_id", "User_Id")


def _zip(*names: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        for name in names:
            made.writestr(name, "x" * 100)
    return content.getvalue()


def _written(write: Callable[[pa.Table, io.BytesIO], object]) -> bytes:
    content = io.BytesIO()
    write(TABLE, content)
    return content.getvalue()


FOREIGN = {
    "Excel workbook (xlsx": _zip("[Content_Types].xml", "xl/workbook.xml"),
    "a zip file": _zip("scores.csv"),
    "Arrow (Feather)": _written(pyarrow.feather.write_feather),
    "ORC": _written(pyarrow.orc.write_table),
    "pickle": pickle.dumps({"a": 1}),
    "UTF-16": "user_id,fund_id\n".encode("utf-16"),
    "text in UTF-16": "user_id,fund_id\n".encode("utf-16-le"),
    "JSON": b'[{"user_id": 1}]',
    "HTML": b"\n<!DOCTYPE html><html>",
    "SQLite": b"SQLite format 3\x00....",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "binary file": b"\x00\x01\x02\x03\x04" * 20,
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_foreign_format_is_named(what: str) -> None:
    found = format_of(FOREIGN[what])
    assert isinstance(found, Foreign)
    assert what in found.what
    assert found.way_out


def test_the_first_bytes_tell_the_format() -> None:
    assert format_of(_written(pq.write_table)) == "parquet"
    assert format_of(gzip.compress(b"user_id,fund_id\n")) == "gzip"
    assert format_of("user_id,fund_id\n1,基金\n".encode()) == "csv"
    assert format_of(b"\xef\xbb\xbfuser_id\n") == "csv"


@pytest.mark.parametrize(
    ("encoding", "said"), [("cp1252", "Windows-1252"), ("gb18030", "GB 18030 (GBK)"), ("utf-16", "UTF-16")]
)
def test_an_encoding_is_named_by_its_bytes(encoding: str, said: str) -> None:
    words = "基金一号产品收益" if encoding == "gb18030" else "Fonds équilibré, Höhe"
    assert looks_like(words.encode(encoding)) == said
