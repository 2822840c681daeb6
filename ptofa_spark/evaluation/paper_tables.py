"""Tables 1 and 2 in the report: read back from the pages that `evaluate --table1` and `--campaign` left beside it."""

from __future__ import annotations

from pathlib import Path

from ptofa_spark.evaluation.report import Table


def paper_tables(directory: str, pages: tuple[str, ...]) -> list[Table]:
    """The tables of those pages that are there, in their order."""
    return [table for page in pages if (Path(directory) / page).is_file() for table in _tables(Path(directory) / page)]


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
