"""Rows of a CSV, compared with Python's csv module: each line is one row or a fault, wherever the file is cut."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptofa_spark.files.csv.layout import Field, Layout
from ptofa_spark.files.csv.report import Fault, Report, merged
from ptofa_spark.files.csv.rows import check, first_fault, read, shown

NAMES = ("user_id", "risk_tolerance", "fund_id", "expected_revenue")
HEADER = ",".join(NAMES).encode()
FIELDS = (
    Field("user_id", "long", 0, required=True),
    Field("risk_tolerance", "int", 1, required=True),
    Field("fund_id", "string", 2, required=True),
    Field("expected_revenue", "double", 3),
)
LAYOUT = Layout(",", 4, (HEADER,), ".", FIELDS)
GOOD = [HEADER, b"1,5,a,3.5", b'2,5,"b, ""c""",', b"3,1,\xe5\x9f\xba\xe9\x87\x91,1e-3"]
BAD = {
    b"1,5,a,3,5": "has 5 cells, the header has 4: a decimal comma or a thousands separator",
    b"1,5,Growth, Balanced,3.5": "has 5 cells, the header has 4: a separator within a cell? quote the cell",
    b"3,5,b": "has 3 cells, the header has 4: an export that was cut off",
    b'3,5,"b,9.0': "a quote is opened and not closed",
    b'3,5,b,"9.0': "a quote is opened and not closed",
    b'3,5" wide,b,"9.0': "a quote is opened and not closed",
    "3,5,Höhe,1".encode("cp1252"): "is not UTF-8, it looks like Windows-1252",
    "3,5,基金一号产品,1".encode("gb18030"): "is not UTF-8, it looks like GB 18030",
}
text = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x85\u2028\u2029"), max_size=8)


def lines(*given: bytes) -> pa.Array:
    return pa.array(given, pa.binary())


def test_good_rows_are_read_unchanged() -> None:
    found = check(lines(*GOOD), LAYOUT)
    assert (found.rows, found.above, found.fault, found.nulls) == (3, 1, None, {})
    assert read(lines(*GOOD), LAYOUT).to_pydict() == {
        "user_id": [1, 2, 3],
        "risk_tolerance": [5, 5, 1],
        "fund_id": ["a", 'b, "c"', "基金"],
        "expected_revenue": [3.5, None, 0.001],
    }


@pytest.mark.thorough
@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(1, 5), text, st.floats(allow_nan=False))),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.integers(1, 5),
)
def test_what_pythons_csv_writes_is_read_back(
    rows: list[tuple[int, int, str, float]], separator: str, quoting: int, size: int
) -> None:
    written = io.StringIO()
    csv.writer(written, delimiter=separator, quoting=quoting, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    given_lines = written.getvalue().encode().split(b"\n")[:-1]
    layout = replace(LAYOUT, separator=separator)
    chunks = [lines(*given_lines[start : start + size]) for start in range(0, len(given_lines), size)]
    report = merged([check(chunk, layout) for chunk in chunks])
    assert (report.fault, report.rows) == (None, len(rows))
    found = [row for chunk in chunks for row in read(chunk, layout).to_pylist()]
    assert [tuple(row.values()) for row in found] == [(u, r, f or None, e) for u, r, f, e in rows]


@pytest.mark.parametrize("bad", BAD, ids=repr)
def test_a_bad_line_is_found_wherever_it_is(bad: bytes) -> None:
    for before in range(len(GOOD) + 1):
        given_lines = [*GOOD[:before], bad, *GOOD[before:]]
        found = first_fault(given_lines, LAYOUT)
        assert found is not None
        assert found[0] == before
        assert BAD[bad] in found[1].why
        # A chunk of the file may begin and end at any line.
        assert first_fault([bad], LAYOUT) == (0, found[1])
        assert first_fault([*given_lines, *given_lines], LAYOUT) == found


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([*GOOD[1:], *BAD, b"", b",,,", b"x,1,a,1", b'4,1,a"b"c,2', b'"5,1,a",1,a,2']), max_size=9)
)
def test_no_line_changes_how_another_is_read(given_lines: list[bytes]) -> None:
    """The first fault of many lines is that of the first line that is bad alone. Without a fault every row is read."""
    alone = [check(lines(line), LAYOUT).fault for line in given_lines]
    found = first_fault(given_lines, LAYOUT)
    bad = [place for place, fault in enumerate(alone) if fault is not None]
    assert (None if found is None else found[0]) == (bad[0] if bad else None)
    if not bad:
        assert check(lines(*given_lines), LAYOUT).rows == sum(bool(line.strip(b",")) for line in given_lines)


def test_a_cell_that_does_not_fit_is_named_with_its_column() -> None:
    place, fault = first_fault([*GOOD, b"u-17,1,a,2"], LAYOUT) or (None, None)
    assert place == len(GOOD)
    assert fault == Fault("", FIELDS[0], "u-17")


def test_blank_lines_and_repeated_headers_are_no_rows() -> None:
    found = check(lines(HEADER, *GOOD[1:], b"", b",,,", b" ", b',"",,', HEADER), LAYOUT)
    assert (found.rows, found.blank, found.above, found.fault) == (3, 4, 2, None)


def test_empty_cells_of_required_columns_are_counted() -> None:
    found = check(lines(b",1,a,1", b'"",1,"",', b"1,1,b,"), LAYOUT)
    assert (found.nulls, found.fault) == ({"user_id": 2, "fund_id": 1}, None)


def test_a_partitions_text_is_a_column() -> None:
    of_folder = replace(LAYOUT, fields=(*FIELDS[:2], Field("fund_id", "string", None, True, "007"), FIELDS[3]))
    assert read(lines(b"1,5,a,1", b"2,5,b,2"), of_folder).column("fund_id").to_pylist() == ["007", "007"]


def test_a_partitions_text_must_fit_its_type() -> None:
    bad = replace(LAYOUT, fields=(replace(FIELDS[0], position=None, constant="x"), *FIELDS[1:]))
    assert check(lines(b"1,5,a,1"), bad).fault == Fault("", bad.fields[0], "x")


def test_a_report_is_read_back_from_its_json() -> None:
    found = check(lines(b"007,5,a,1", b",1,a,2"), LAYOUT)
    assert Report.of_json(found.to_json()) == found
    assert Report.of_json(Report(fault=Fault("x", FIELDS[0], "y")).to_json()).fault is not None


def test_a_bad_line_is_shown_in_printable_characters() -> None:
    assert shown(b"a\x00\xff\tb\x1b[31m") == "a?\ufffd\\tb?[31m"


def test_a_long_bad_line_is_shortened() -> None:
    assert len(shown(b"x" * 10_000)) < 130
