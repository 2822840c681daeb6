"""What some lines of a CSV hold: their rows, what was left out of them, and the first fault."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from functools import reduce

from ptofa_spark.files.cells import Kind, Typed, wider
from ptofa_spark.files.csv.layout import Field


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line.

    why: of the row as a whole, in words; or, of one cell, what it probably is, "" if nothing is known. column, cell: of
    that cell, None where it is the row.
    """

    why: str
    column: Field | None = None
    cell: str = ""


@dataclass(frozen=True)
class Report:
    """What a chunk holds.

    rows: of data; blank: lines of nothing but separators; above: lines that repeat what stands above the rows; nulls:
    empty cells of required columns; rewritten, naive: by column, and points, commas, unsure in all: see `Typed`;
    kinds: of the attributes; fault: of the first bad line, or None.
    """

    rows: int = 0
    blank: int = 0
    above: int = 0
    nulls: dict[str, int] = field(default_factory=dict)
    rewritten: dict[str, int] = field(default_factory=dict)
    naive: dict[str, int] = field(default_factory=dict)
    points: int = 0
    commas: int = 0
    unsure: int = 0
    kinds: dict[str, Kind | None] = field(default_factory=dict)
    fault: Fault | None = None

    def to_json(self) -> str:
        """As a worker hands it to the driver."""
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> Report:
        """What `to_json` wrote; of a fault, that there is one."""
        found = json.loads(text)
        return cls(**{**found, "fault": None if found["fault"] is None else Fault(found["fault"]["why"])})


def merged(reports: list[Report]) -> Report:
    """The report of several chunks together; the fault is one of theirs."""
    return reduce(_both, reports, Report())


def with_column(found: Report, column: Field, values: Typed) -> Report:
    """The report with what one more column of the same chunk holds."""

    def more(counts: dict[str, int], count: int) -> dict[str, int]:
        return {**counts, column.name: count} if count else counts

    nulls = values.values.null_count if column.required else 0
    return replace(
        found,
        nulls=more(found.nulls, nulls),
        rewritten=more(found.rewritten, values.rewritten),
        naive=more(found.naive, values.naive),
        points=found.points + values.points,
        commas=found.commas + values.commas,
        unsure=found.unsure + values.unsure,
    )


def _both(one: Report, other: Report) -> Report:
    def added(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
        return {key: left.get(key, 0) + right.get(key, 0) for key in {**left, **right}}

    names = {**one.kinds, **other.kinds}
    return Report(
        rows=one.rows + other.rows,
        blank=one.blank + other.blank,
        above=one.above + other.above,
        nulls=added(one.nulls, other.nulls),
        rewritten=added(one.rewritten, other.rewritten),
        naive=added(one.naive, other.naive),
        points=one.points + other.points,
        commas=one.commas + other.commas,
        unsure=one.unsure + other.unsure,
        kinds={name: wider(one.kinds.get(name), other.kinds.get(name)) for name in names},
        fault=one.fault or other.fault,
    )
