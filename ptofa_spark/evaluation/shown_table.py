"""A table as people read it: the report shows it in HTML, the pages of the paper's tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table with its title and a note, cells as they are shown."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> list[str]:
        """The lines of the head and the rows."""
        return [_line(self.head), _line(["---"] * len(self.head)), *(_line(row) for row in self.rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
