"""A report on CSV lines: number of rows, lines left out, and the first fault."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from functools import reduce

from ptofa_spark.files.cells import Kind, Typed, wider
from ptofa_spark.files.csv.layout import Field


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line.

    why: in words, what is wrong with the row, or what the bad cell probably is ("" if unknown); column, cell: the bad
    cell; column is None if the row as a whole is bad.
    """

    why: str
    column: Field | None = None
    cell: str = ""


@dataclass(frozen=True)
class Report:
    """The report on a chunk of lines.

    rows: number of data rows; blank: number of lines without any value; above: number of lines equal to one above the
    rows, such as a repeated header; nulls: empty cells by required column; rewritten, naive: counts by column, and
    points, commas, unsure: counts over all columns, see `Typed`; kinds: inferred kind by attribute; fault: the first
    fault found, None if all lines are good.
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
        """The report as JSON, to send from a worker to the driver."""
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> Report:
        """Reads what `to_json` wrote. Of a fault, only `why` is kept."""
        values = json.loads(text)
        return cls(**{**values, "fault": None if values["fault"] is None else Fault(values["fault"]["why"])})


def merged(reports: list[Report]) -> Report:
    """The report on several chunks together. Its fault is the first of theirs."""
    return reduce(_both, reports, Report())


def with_column(report: Report, column: Field, values: Typed) -> Report:
    """Adds one more column of the same chunk to a report."""

    def more(counts: dict[str, int], count: int) -> dict[str, int]:
        return {**counts, column.name: count} if count else counts

    nulls = values.values.null_count if column.required else 0
    return replace(
        report,
        nulls=more(report.nulls, nulls),
        rewritten=more(report.rewritten, values.rewritten),
        naive=more(report.naive, values.naive),
        points=report.points + values.points,
        commas=report.commas + values.commas,
        unsure=report.unsure + values.unsure,
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
