"""Outlooks as a planner reads them in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from ptofa_spark.allocation.what_if.what_if import Outlook
from ptofa_spark.running.text_table import text_table

_HEAD = ("change", "objective, at most", "change of it", "by today's prices")


def outlook_table(outlooks: Sequence[Outlook]) -> str:
    """A line a change, today's first, and below it why a change cannot be had."""
    today = outlooks[0].at_most or 0.0
    rows = [
        (
            each.change,
            "infeasible" if each.at_most is None else f"{each.at_most:,.2f}",
            "" if each.at_most is None or not today else f"{each.at_most / today - 1.0:+.2%}",
            "" if each.by_prices is None or not today else f"{each.by_prices / today - 1.0:+.2%}",
        )
        for each in outlooks
    ]
    reasons = [f"{each.change}: {each.reason}" for each in outlooks if each.reason]
    return "\n".join([text_table(_HEAD, rows), *reasons])
