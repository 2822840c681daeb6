"""Tables 1 and 2 and figure 4 of the paper in the report, where `--table1`, `--campaign` or a notebook left them."""

from __future__ import annotations

import base64
from pathlib import Path

from ptofa_spark.evaluation.report.report import Figure, Table

# Written by the notebook on campaigns.
FIGURE_4 = "figure4.png"


def paper_tables(directory: str, pages: tuple[str, ...]) -> list[Table]:
    """The tables of those pages that are there, in their order."""
    return [table for page in pages if (Path(directory) / page).is_file() for table in _tables(Path(directory) / page)]


def paper_figure(directory: str) -> list[Figure]:
    """Figure 4, if it is there."""
    path = Path(directory) / FIGURE_4
    if not path.is_file():
        return []
    image = "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    return [Figure("Figure 4 of the paper: seconds and objective of the methods, by number of users.", image, True)]


def _tables(page: Path) -> list[Table]:
    """The Markdown tables of a page, each with the heading or the line of text that stands before it."""
    found: list[Table] = []
    title, note, rows = page.stem, "", []
    for line in [*page.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith("|"):
            rows.append(tuple(cell.strip() for cell in line.strip("|").split("|")))
        elif rows:
            head, _, *body = rows
            found.append(Table(title, note, head, tuple(body)))
            note, rows = "", []
        if line.startswith("#"):
            heading = line.lstrip("# ")
            title = heading if line.startswith("# ") else f"{page.stem.replace('_', ' ').capitalize()}: {heading}"
        elif line and not line.startswith("|"):
            note = line
    return found
