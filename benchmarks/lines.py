"""The lines that the benchmarks keep, one a measurement: what was found, and how, so that each figure can be traced."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).parents[1]
FULL = Path("warehouse") / "bench"
# A ratio is made of lines of one run only: what else the machine did is then much the same for both.
RUN = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"


def add_place(parser: argparse.ArgumentParser) -> None:
    """The option that says where a benchmark keeps what it makes and measures, from the project's root."""
    parser.add_argument("--bench", type=_from_root, default=ROOT / FULL, help="folder of tables and lines")


def keep(file: Path, line: dict[str, object]) -> None:
    """Prints a line and appends it to those of earlier runs, with the command and the versions behind it."""
    print(json.dumps(line), flush=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({**line, **how()}) + "\n")


def read(file: Path) -> pd.DataFrame:
    """All lines, oldest first."""
    return pd.DataFrame(rows(file))


def rows(file: Path) -> list[dict[str, Any]]:
    """The same, as they were kept."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def how() -> dict[str, str]:
    """What stands in each line beside what was found."""
    return {"run": RUN, "command": command(), "versions": versions()}


def command() -> str:
    """What measured, as it can be typed again from the project's root."""
    threads = [f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}"] if "OMP_NUM_THREADS" in os.environ else []
    script = Path(sys.argv[0]).resolve().relative_to(ROOT)
    return " ".join([*threads, "PYTHONPATH=.", shlex.join(["python", str(script), *sys.argv[1:]])])


def versions() -> str:
    """What the figures depend on besides the code."""
    packages = {
        "Spark": "pyspark",
        "Delta": "delta-spark",
        "torch": "torch",
        "OR-Tools": "ortools",
        "SciPy": "scipy",
    }
    named = ", ".join(f"{name} {version(package)}" for name, package in packages.items())
    return f"Python {platform.python_version()}, {named}"


def _from_root(text: str) -> Path:
    return ROOT / text
