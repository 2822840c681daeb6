"""Writes docs/measured/benchmarks.md and its figure: `report.py small` or `full`.

The lines are those that the benchmarks kept at that size.
A section of the page is one benchmark at one size. Only sections of that size are written anew; the others stay as
they are, so that minutes at the small size do not cost the hours that the full size took.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks import allocate_report, features_report, models_report
from benchmarks.lines import FULL, ROOT, read

DOCS = ROOT / "docs" / "measured"
HEAD = """\
# Benchmarks

Each section names the command that measured it and the versions it ran with. There are two sizes:

- **small**: `make bench` runs every benchmark in about a quarter of an hour on two cores, but no allocation of a size
  at which a process of its own would say something, and replaces the sections of this size.
- **full**: `make bench-full` goes up to 10 million users, which takes hours. Its parts are `make bench-allocate`,
  `make bench-features`, `make bench-train`, `make bench-score` and `make bench-pipeline`; `BENCH=...` passes options to
  one of them. A part replaces its own section, unless it lacks a row that stands there: such a section must be deleted
  by hand first.

The two figures of a ratio were measured in the same run, one after the other. Absolute times are those of one machine
of two cores; [results.md](results.md) says where other work ran beside.
"""


@dataclass(frozen=True)
class Part:
    """A benchmark on the page.

    keys: of two lines that agree in these the later one counts; command: what measures it at the full size; body:
    its tables, of the lines that count; figure: draws them into a file of this name.
    """

    title: str
    keys: tuple[str, ...]
    command: str
    body: Callable[[pd.DataFrame], str]
    figure: tuple[str, str, Callable[[pd.DataFrame, Path], None]] | None = None


PARTS = {
    "allocate": Part(
        "Allocation",
        ("users", "k", "shape", "method"),
        "make bench-allocate",
        allocate_report.body,
        ("figure4.svg", "Figure 4 of the paper, with the certified gap as a third plot", allocate_report.figure),
    ),
    "features": Part("Feature tables", ("users", "weeks"), "make bench-features", features_report.body),
    "row_groups": Part(
        "Row groups of the examples", ("row_group_mib",), "make bench-features", features_report.row_groups_body
    ),
    "train": Part("Training", ("model", "source", "turn"), "make bench-train", models_report.train_body),
    "score": Part("Scoring", ("users",), "make bench-score", models_report.score_body),
    "pipeline": Part("The whole pipeline", ("users", "stage"), "make bench-pipeline", models_report.pipeline_body),
}
SIZES = {"small": FULL.with_name("bench-small"), "full": FULL}


def main(size: str) -> None:
    """Writes the sections of a size for which there are lines."""
    page = DOCS / "benchmarks.md"
    sections = parted(page.read_text(encoding="utf-8"))
    for name, part in PARTS.items():
        file = ROOT / SIZES[size] / f"{name}.jsonl"
        if not file.exists():
            continue
        title = heading(part, size)
        rows = counting(read(file), part)
        text = section(rows, part, size)
        lost = rows_of(sections.get(title, "")) - rows_of(text)
        if size == "full" and lost:
            print(
                f"docs/measured/benchmarks.md keeps its {title[3:]!r}: the lines at hand lack {sorted(lost)}",
                file=sys.stderr,
            )
            continue
        sections[title] = text
        if size == "full" and part.figure is not None:
            part.figure[2](rows, DOCS / part.figure[0])
    page.write_text(joined(sections), encoding="utf-8")


def counting(lines: pd.DataFrame, part: Part) -> pd.DataFrame:
    """The last line of each key; of turns, whose mean makes the ratio, those of the last run only."""
    if "turn" in part.keys:
        lines = lines[lines["run"] == lines["run"].iloc[-1]]
    return lines.drop_duplicates(list(part.keys), keep="last")


def heading(part: Part, size: str) -> str:
    """The first line of a section."""
    return f"## {part.title}, {size} size"


def section(rows: pd.DataFrame, part: Part, size: str) -> str:
    """A section: what measured it, its tables, and at the full size its figure."""
    commands = ", ".join(f"`{command}`" for command in dict.fromkeys(rows["command"]))
    versions = "; ".join(dict.fromkeys(rows["versions"]))
    made = [f"`{part.command if size == 'full' else 'make bench'}`: {commands}. {versions}.", ""]
    if size == "full" and part.figure is not None:
        made += [f"![{part.figure[1]}]({part.figure[0]})", ""]
    return "\n".join([heading(part, size), "", *made, part.body(rows)])


def parted(page: str) -> dict[str, str]:
    """The page's sections by their headings."""
    parts = re.split(r"^(?=## )", page, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0]: part.strip() for part in parts}


def joined(sections: dict[str, str]) -> str:
    """The page: its sections by size and then by benchmark, and last those that no benchmark writes."""
    order = [heading(part, size) for size in SIZES for part in PARTS.values()]
    titles = [title for title in order if title in sections] + [title for title in sections if title not in order]
    return "\n\n".join([HEAD.strip(), *(sections[title] for title in titles)]) + "\n"


def rows_of(section: str) -> set[tuple[str, ...]]:
    """What a section has measured: of each row the heading above it, its first cell, and the second if it is a word."""
    under, rows = "", set()
    for line in section.splitlines():
        under = line if line.startswith("### ") else under
        if line.startswith("| "):
            first, second = (cell.strip() for cell in line.split("|")[1:3])
            rows.add((under, first, second if second.isalpha() else ""))
    return rows


if __name__ == "__main__":
    main(sys.argv[1])
