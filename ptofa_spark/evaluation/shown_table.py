"""A table of text cells. The report shows it as HTML, the pages of Table 1 and Table 2 as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table with a title and a note. Each cell is the text that is shown."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> list[str]:
        """The lines of the head and the rows."""
        return [_line(self.head), _line(["---"] * len(self.head)), *(_line(row) for row in self.rows)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
