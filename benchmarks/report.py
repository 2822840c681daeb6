"""Writes the pages of the benchmarks: `report.py small`, or `report.py full allocate --replace`.

Each benchmark has one page per size in docs/measured/. A page is written as a whole from the lines that the benchmark
kept at that size. These lines are kept beside the page, so that the next call sees which rows the page has.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks import allocate_report, features_report, models_report
from benchmarks.lines import FULL, ROOT, rows
from ptofa_spark.running.whole_file import write_whole

PAGES = ROOT / "docs" / "measured"
SIZES = {"small": ROOT / FULL.with_name("bench-small"), "full": ROOT / FULL}
Line = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A figure on a page of the full size. file: its name; text: what it shows; draw: writes it from the lines."""

    file: str
    text: str
    draw: Callable[[pd.DataFrame, Path], None]


@dataclass(frozen=True)
class Part:
    """A benchmark.

    keys: the fields that name a row; of two lines with the same values the later one counts.
    command: what measures the full size. body: writes the tables from the lines that count.
    """

    title: str
    keys: tuple[str, ...]
    command: str
    body: Callable[[pd.DataFrame], str]
    figure: Figure | None = None


PARTS = {
    "allocate": Part(
        "Allocation",
        ("users", "k", "shape", "method"),
        "make bench-allocate",
        allocate_report.body,
        Figure("figure4.svg", "Figure 4 of the paper, with the certified gap as a third plot", allocate_report.figure),
    ),
    "features": Part("Feature tables", ("users", "weeks"), "make bench-features", features_report.body),
    "row_groups": Part(
        "Row groups of the examples", ("row_group_mib",), "make bench-features", features_report.row_groups_body
    ),
    "train": Part("Training", ("model", "source", "turn"), "make bench-train", models_report.train_body),
    "score": Part("Scoring", ("users",), "make bench-score", models_report.score_body),
    "udf_kinds": Part("Kinds of UDF", ("users", "kind", "turn"), "make bench-score", models_report.udf_kinds_body),
    "pipeline": Part("The whole pipeline", ("users", "stage"), "make bench-pipeline", models_report.pipeline_body),
}


class LessThanBefore(Exception):
    """The lines lack rows that the page has, or may lack some."""


def main(words: Sequence[str] | None = None) -> None:
    """Writes the pages of the chosen parts that have lines; exits with 1 if one of them keeps its earlier page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; none: all of them")
    parser.add_argument("--bench", type=Path, help="folder of the lines, if not the one of this size")
    parser.add_argument("--pages", type=Path, default=PAGES, help="folder to write to")
    parser.add_argument("--replace", action="store_true", help="also replace pages by pages with fewer rows")
    args = parser.parse_args(words)
    unknown = [name for name in args.parts if name not in PARTS]
    if unknown:
        parser.error(f"no benchmark is named {unknown[0]!r}: choose from {', '.join(PARTS)}")
    kept = []
    for name in args.parts or PARTS:
        lines = (args.bench or SIZES[args.size]) / f"{name}.jsonl"
        if lines.exists():
            try:
                write_page(name, args.size, rows(lines), args.pages, replace=args.replace)
            except LessThanBefore as error:
                kept.append(error)
    for error in kept:
        print(f"error: {error}", file=sys.stderr)
    if kept:
        raise SystemExit(1)


def write_page(name: str, size: str, lines: Sequence[Line], folder: Path, *, replace: bool) -> None:
    """Writes the page of a part, its figure, and the lines that count.

    replace: whether a page of the full size may lose rows. Raises LessThanBefore if it would lose some and must not.
    """
    part = PARTS[name]
    file = folder / f"bench_{name}_{size}.md"
    beside = file.with_suffix(".jsonl")
    counted = counting(lines, part)
    if size == "full" and file.exists() and not replace:
        _require_every_row(file, beside, counted, part, f"benchmarks/report.py full {name} --replace")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(beside, "".join(json.dumps(line) + "\n" for line in counted))
    if size == "full" and part.figure is not None:
        part.figure.draw(pd.DataFrame(counted), folder / part.figure.file)
    write_whole(file, page(counted, part, size))


def counting(lines: Sequence[Line], part: Part) -> list[Line]:
    """The last line of each key. Of turns, whose means make a ratio, only those of the last run count."""
    if "turn" in part.keys:
        lines = [line for line in lines if line["run"] == lines[-1]["run"]]
    last = {_key(line, part): position for position, line in enumerate(lines)}
    return [lines[position] for position in sorted(last.values())]


def page(lines: Sequence[Line], part: Part, size: str) -> str:
    """A whole page: its title, the commands and versions that measured it, its figure at the full size, its tables."""
    commands = ", ".join(f"`{command}`" for command in dict.fromkeys(line["command"] for line in lines))
    versions = "; ".join(dict.fromkeys(line["versions"] for line in lines))
    by = part.command if size == "full" else "make bench"
    blocks = [f"# {part.title}, {size} size", f"`{by}`: {commands}. {versions}."]
    if size == "full" and part.figure is not None:
        blocks.append(f"![{part.figure.text}]({part.figure.file})")
    return "\n\n".join([*blocks, part.body(pd.DataFrame(lines))]) + "\n"


def _require_every_row(file: Path, beside: Path, lines: Sequence[Line], part: Part, command: str) -> None:
    if not beside.exists():
        raise LessThanBefore(
            f"{file} stays as it is: no {beside.name} lies beside it, so rows that the new page lacks cannot be found. "
            f"Compare by eye, then replace the page: {command}"
        )
    lost = {_key(line, part) for line in rows(beside)} - {_key(line, part) for line in lines}
    if lost:
        named = "; ".join(
            ", ".join(f"{field}={value}" for field, value in zip(part.keys, key, strict=True))
            for key in sorted(lost, key=str)
        )
        raise LessThanBefore(
            f"{file} stays as it is: the new lines lack {len(lost)} of its rows ({named}). "
            f"Measure these rows too, or replace the page without them: {command}"
        )


def _key(line: Line, part: Part) -> tuple[Any, ...]:
    return tuple(line[field] for field in part.keys)


if __name__ == "__main__":
    main()
