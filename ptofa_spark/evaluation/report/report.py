"""The report: one HTML file that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from ptofa_spark.evaluation.shown_table import Table

REPORT_HTML = "report.html"


@dataclass(frozen=True)
class Figure:
    """A plot of the report. image: data URI; wide: whether it takes the full width of the page."""

    caption: str
    image: str
    wide: bool = False


@dataclass(frozen=True)
class Heading:
    """The values in the report's heading, as text."""

    campaign: str
    users: str
    funds: str
    k: str
    model: str


def render(heading: Heading, tables: Sequence[Table], figures: Sequence[Figure]) -> str:
    """The report as HTML: the first table, the figures, the other tables. The text of every cell is escaped."""
    environment = Environment(
        loader=PackageLoader("ptofa_spark.evaluation"), autoescape=True, undefined=StrictUndefined
    )
    template = environment.get_template(REPORT_HTML)
    return template.render(**vars(heading), tables=tables, figures=figures)
