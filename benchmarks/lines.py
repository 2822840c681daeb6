"""The lines that the benchmarks keep: one JSON object per measurement, with its command and its versions."""

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

ROOT = Path(__file__).parents[1]
FULL = Path("warehouse") / "bench"
# Names this process in its lines. A ratio takes both figures from one run, when the machine's load was similar.
RUN = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"


def add_place(parser: argparse.ArgumentParser) -> None:
    """Adds `--bench`, the folder where a benchmark keeps its tables and lines; relative to the project's root."""
    parser.add_argument("--bench", type=_from_root, default=ROOT / FULL, help="folder of tables and lines")


def keep(file: Path, line: dict[str, object]) -> None:
    """Prints a line, and appends it to the lines of earlier runs with `how` it was measured."""
    print(json.dumps(line), flush=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({**line, **how()}) + "\n")


def rows(file: Path) -> list[dict[str, Any]]:
    """All lines of a file, oldest first."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def how() -> dict[str, str]:
    """What each line holds in addition to the measurement: the run, its command and its versions."""
    return {"run": RUN, "command": command(), "versions": versions()}


def command() -> str:
    """The command of this process, as it can be typed again from the project's root."""
    threads = [f"OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']}"] if "OMP_NUM_THREADS" in os.environ else []
    script = Path(sys.argv[0]).resolve().relative_to(ROOT)
    return " ".join([*threads, "PYTHONPATH=.", shlex.join(["python", str(script), *sys.argv[1:]])])


def versions() -> str:
    """The versions that the figures depend on, besides the code."""
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
