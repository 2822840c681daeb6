"""docs/benchmarks.md, and its figures, from the lines that the benchmarks kept."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from tests.benchmarks import allocate_report, features_report, models_report

ROOT = Path(__file__).parents[2]
DOCS, LINES = ROOT / "docs", ROOT / "warehouse" / "bench"
SECTIONS: dict[str, Callable[[pd.DataFrame], str]] = {
    "allocate": lambda lines: allocate_report.section(lines, DOCS),
    "features": features_report.section,
    "row_groups": features_report.row_groups_section,
    "train": models_report.train_section,
    "score": models_report.score_section,
}


def main() -> None:
    """Writes the page: a section for each benchmark that has run on this machine."""
    parts = [
        "# Benchmarks",
        "",
        f"Python {platform.python_version()}, Spark {version('pyspark')}, Delta {version('delta-spark')}, "
        f"torch {version('torch')}. Ratios are of one run; absolute times are those of one machine of two cores.",
    ]
    for name, section in SECTIONS.items():
        kept = LINES / f"{name}.jsonl"
        if kept.exists():
            lines = pd.DataFrame([json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()])
            parts += ["", section(lines)]
    (DOCS / "benchmarks.md").write_text("\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
