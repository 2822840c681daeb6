"""Parses dates and times in ISO 8601 form only: `2025-01-31`, `2025-01-31 10:00:00`, with or without a zone.

Other forms (10:00, 45670, 31/01/2025) are ambiguous and are not parsed.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_DAY = r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
_TIME = (
    r"(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9])(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
)
_ZONE = r"(?: ?(?P<zone>[Zz]|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?"
_MOMENT = f"^{_DAY}(?:[T ]{_TIME}{_ZONE})?$"
_MICROSECONDS = 1_000_000


def days(cells: pa.Array) -> pa.Array:
    """Parses cells as days, (rows,), date32, null where a cell is no day. Midnight without a zone counts as its day.

    >>> days(pa.array(["2025-01-31", "2025-01-31 00:00:00", "2025-02-30", "45670"])).null_count
    2
    """
    try:
        return pc.cast(cells, pa.date32())
    except pa.ArrowInvalid:
        at_midnight = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})([T ]00:00(:00([.,]0+)?)?)?$"
        plain = pc.if_else(pc.match_substring_regex(cells, at_midnight), cells, pa.scalar(None, pa.string()))
        return _days_of(pc.utf8_slice_codeunits(plain, 0, 10))


def moments(cells: pa.Array) -> tuple[pa.Array, int]:
    """Parses cells as times, (rows,), microseconds UTC, null where a cell is no time; and counts those without a zone.

    >>> moments(pa.array(["2025-01-31 10:00", "2025-01-31T10:00:00+01:00", "10:00"]))[0].to_pylist()[2] is None
    True
    """
    try:  # five times as fast, for cells without any zone
        plain = pc.cast(cells, pa.timestamp("us"))
        return pc.cast(plain, pa.timestamp("us", "UTC")), len(plain) - plain.null_count
    except pa.ArrowInvalid:
        pass
    part_of = pc.struct_field
    parts = pc.extract_regex(cells, _MOMENT)
    day = _days_of(part_of(parts, "day"))
    total = pc.multiply(pc.cast(pc.cast(day, pa.int32()), pa.int64()), 86_400 * _MICROSECONDS)
    for name, size in (("hour", 3_600), ("minute", 60), ("second", 1)):
        total = pc.add(total, pc.multiply(_whole(part_of(parts, name)), size * _MICROSECONDS))
    microseconds = pc.utf8_slice_codeunits(pc.utf8_rpad(part_of(parts, "fraction"), 6, "0"), 0, 6)
    total = pc.add(total, _whole(microseconds))
    zone = part_of(parts, "zone")
    total = pc.subtract(total, _offset(zone))
    naive = pc.sum(pc.and_(pc.equal(zone, ""), pc.is_valid(total)), min_count=0).as_py()
    return pc.cast(total, pa.timestamp("us", "UTC")), int(naive)


def _days_of(texts: pa.Array) -> pa.Array:
    try:
        return pc.cast(texts, pa.date32())
    except pa.ArrowInvalid:  # a day that does not exist, such as 2025-02-30
        return pa.array([_day(text) for text in texts.to_pylist()], pa.date32())


def _day(text: str | None) -> object:
    if text is None:
        return None
    try:
        return pc.cast(pa.scalar(text), pa.date32()).as_py()
    except pa.ArrowInvalid:
        return None


def _whole(digits: pa.Array) -> pa.Array:
    return pc.cast(pc.if_else(pc.equal(digits, ""), "0", digits), pa.int64())


def _offset(zone: pa.Array) -> pa.Array:
    """Microseconds that a zone's clock is ahead of UTC; 0 without a zone."""
    digits = pc.replace_substring_regex(zone, r"^(Z|z|UTC)$", "")
    digits = pc.replace_substring(digits, ":", "")
    digits = pc.if_else(pc.equal(digits, ""), "+0000", digits)
    digits = pc.utf8_rpad(digits, 5, "0")
    hours, minutes = (_whole(pc.utf8_slice_codeunits(digits, start, start + 2)) for start in (1, 3))
    seconds = pc.add(pc.multiply(hours, 3_600), pc.multiply(minutes, 60))
    ahead = pc.if_else(pc.equal(pc.utf8_slice_codeunits(digits, 0, 1), "-"), pc.negate(seconds), seconds)
    return pc.multiply(ahead, _MICROSECONDS)
