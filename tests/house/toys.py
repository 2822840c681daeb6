"""A copy of the package, in which a test follows a recipe of CONTRIBUTING.md with a toy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ONE_CORE = "--spark.master=local[1]"


def copy_package(folder: Path) -> Path:
    """Copies what a checkout runs from into the folder; the folder."""
    for name in ("ptofa_spark", "jobs", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def run(copied: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs Python on the words, with the copied package before any other."""
    environment = os.environ | {"PYTHONPATH": str(copied)}
    return subprocess.run(
        [sys.executable, *words], cwd=copied, env=environment, capture_output=True, text=True, check=False
    )


def insert(path: Path, after: str, line: str) -> None:
    """Adds a line behind the one that ends with `after`, which must be there once."""
    text = path.read_text(encoding="utf-8")
    assert text.count(after) == 1
    path.write_text(text.replace(after, f"{after}\n{line}"), encoding="utf-8")
