"""Cells as values, compared with Python's own readers of numbers and times, which share no code with Arrow's."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptofa_spark.files.cells import Kind, kind_of, probably, typed, wider

NOT_WHOLE = ("3.7", "1e3", "0x1F", "1_000", "", "abc", "1,200", "9223372036854775808", "-9223372036854775809", "٣x")
NOT_NUMBERS = ("1.5d", "0x1p3", "1_0", "3,5", "1.2.3", "--1", "NULL", "1 2", "12%", "€3")
NO_MOMENTS = (
    "10:00",
    "45670",
    "31/01/2025",
    "2025-1-5",
    "20250131",
    "2025-02-30",
    "2025-01-31 25:00",
    "1738317600",
    "now",
)


def values(cells: list[str | None], kind: Kind, decimal: str | None = ".") -> list[object]:
    return list(typed(pa.array(cells, pa.string()), kind, decimal).values.to_pylist())


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_whole_numbers_are_read_in_their_own_form(numbers: list[int]) -> None:
    assert values([str(each) for each in numbers], "long") == numbers


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_whole_numbers_are_read_in_other_forms(numbers: list[int]) -> None:
    others = [f" {each}.00 " if place % 3 else f"+{abs(each)}" for place, each in enumerate(numbers)]
    wanted = [each if place % 3 else abs(each) for place, each in enumerate(numbers)]
    wanted = [each if each < 2**63 else None for each in wanted]  # type: ignore[misc]
    found = typed(pa.array(others, pa.string()), "long", ".")
    assert found.values.to_pylist() == wanted
    assert found.rewritten == len(numbers)


@pytest.mark.parametrize("cell", NOT_WHOLE)
def test_what_is_no_whole_number_is_bad(cell: str) -> None:
    found = typed(pa.array(["1", cell, "2"], pa.string()), "long", ".")
    assert found.bad == (1 if cell else None)
    assert found.values.to_pylist() == [1, None, 2]


def test_a_number_beyond_32_bits_does_not_fit_an_int() -> None:
    assert typed(pa.array(["2147483647", "2147483648"]), "int", ".").bad == 1


@settings(deadline=None)
@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_numbers_are_read_to_the_last_bit(numbers: list[float]) -> None:
    assert values([repr(each) for each in numbers], "double") == numbers
    assert (
        values([f"+{each!r}" if math.copysign(1.0, each) > 0 else f" {each!r} " for each in numbers], "double")
        == numbers
    )


@pytest.mark.parametrize("cell", NOT_NUMBERS)
def test_what_is_no_number_is_bad(cell: str) -> None:
    assert typed(pa.array(["1", "+2.5", cell, None]), "double", ".").bad == 2


def test_numbers_that_are_not_finite_are_kept() -> None:
    found = values(["NaN", "+inf", "1e999"], "double")
    assert math.isnan(found[0])  # type: ignore[arg-type]
    assert found[1:] == [math.inf, math.inf]


def test_a_decimal_comma_is_known_where_it_is_certain() -> None:
    """3,5 can be nothing else, 1,200 can. If the decimal mark is given, both are read by it."""
    found = typed(pa.array(["3,5", "1,200", "2", "4.5", "a,b"]), "double", None)
    assert (found.commas, found.unsure, found.points, found.bad) == (1, 1, 1, 4)
    assert values(["3,5", "1,200", "2"], "double", ",") == [3.5, 1.2, 2.0]
    assert typed(pa.array(["3,5", "1.200,5"]), "double", ",").bad == 1
    assert typed(pa.array(["3,0", "3,5"]), "long", ",").bad == 1


@settings(deadline=None)
@given(st.lists(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), min_size=1), st.integers(-14 * 60, 14 * 60))
def test_moments_are_read_by_iso_8601(moments: list[datetime], minutes: int) -> None:
    """Compared with datetime.isoformat."""
    there = timezone(timedelta(minutes=minutes))
    texts = [each.isoformat() for each in moments]
    assert values(texts, "timestamp") == [each.replace(tzinfo=UTC) for each in moments]
    zoned = [each.replace(tzinfo=there) for each in moments]
    texts = [each.isoformat(sep=" ") for each in zoned]
    assert values([*texts, "2025-01-31T10:00Z"], "timestamp")[:-1] == zoned
    assert typed(pa.array([*texts, moments[0].isoformat()]), "timestamp", ".").naive == 1


@pytest.mark.parametrize("cell", NO_MOMENTS)
def test_what_is_no_iso_moment_is_bad(cell: str) -> None:
    for kind in ("timestamp", "date"):
        assert typed(pa.array(["2025-01-31", cell]), kind, ".").bad == 1, kind  # type: ignore[arg-type]
    assert "2025-01-31" in probably(cell, "timestamp")


def test_a_day_is_a_day_or_its_midnight() -> None:
    assert values(["2025-01-31", "2024-02-29 00:00:00"], "date") == [date(2025, 1, 31), date(2024, 2, 29)]
    assert typed(pa.array(["2025-01-31 10:00"]), "date", ".").bad == 0


def test_flags_are_read_in_the_forms_that_databases_write() -> None:
    true, false = ["true", "True", "T", "yes", "1", "1.0"], ["false", "FALSE", "f", "no", "0", "0.0"]
    assert values(true, "boolean") == [True] * 6
    assert values(false, "boolean") == [False] * 6
    assert typed(pa.array(["1", None, "2"]), "boolean", ".").bad == 2


def test_attributes_get_the_narrowest_type() -> None:
    """Codes with leading zeros stay words."""
    told = {
        "int": ["1", "-2", None],
        "long": ["1", "3000000000"],
        "double": ["1", "2.5", "1e3"],
        "boolean": ["true", "False"],
        "date": ["2025-01-31"],
        "timestamp": ["2025-01-31", "2025-01-31 10:00"],
        "string": ["007", "7"],
    }
    assert {kind_of(pa.array(cells, pa.string())) for cells in told.values()} == set(told)
    for kind, cells in told.items():
        assert kind_of(pa.array(cells, pa.string())) == kind
    assert kind_of(pa.array([None], pa.string())) is None


def test_the_wider_of_two_types_holds_the_values_of_both() -> None:
    assert (wider("int", "double"), wider("date", "timestamp"), wider("int", "date")) == (
        "double",
        "timestamp",
        "string",
    )


@pytest.mark.parametrize(
    ("cell", "kind", "said"),
    [
        ("1,200", "long", "thousands separator? write 1200"),
        ("1.200.000", "double", "thousands separator? write 1200000"),
        ("3,5", "double", "decimal comma? write 3.5"),
        ("1.23457E+11", "long", "spreadsheet has rounded"),
        ("45670", "date", "serial number of a day in a spreadsheet"),
        ("10:00", "timestamp", "a time without its day"),
        ("NULL", "double", "leave the cell empty"),
    ],
)
def test_a_message_says_what_a_bad_cell_probably_is(cell: str, kind: Kind, said: str) -> None:
    assert said in probably(cell, kind)
