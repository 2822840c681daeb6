"""Runs a job of the project as a benchmark does: in a process of its own, with its seconds and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from benchmarks.lines import ROOT
from benchmarks.memory import PeakMemory

CORES = 2
SHUFFLE_PARTITIONS = 8


def spark_options(heap: str) -> list[str]:
    """A job's options for two cores and a driver heap of this size, such as `6g`."""
    return [
        f"--spark.master=local[{CORES}]",
        f"--spark.driver-memory={heap}",
        f"--spark.shuffle-partitions={SHUFFLE_PARTITIONS}",
    ]


def job_script(name: str) -> str:
    """The script of a job, such as `allocate`."""
    return str(ROOT / "jobs" / f"{name}.py")


def run_script(script: str, words: Sequence[str]) -> None:
    """Runs a script that is not measured; what it prints goes to standard error. Raises if it fails."""
    subprocess.run([sys.executable, script, *words], check=True, stdout=sys.stderr)


def measure_script(
    script: str, words: Sequence[str], log: Path | None = None, environment: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Runs a script; its `seconds`, and its peak memory by kind of process: `driver_gb`, `jvm_gb`, `workers_gb` (GiB).

    log: takes what the script prints, which otherwise goes to standard error; environment: added to this process's.
    """
    started = time.perf_counter()
    if log is None:
        code, memory = _run(script, words, sys.stderr, environment)
    else:
        with log.open("w", encoding="utf-8") as file:
            code, memory = _run(script, words, file, environment)
    if code != 0:
        where = log or "the lines above"
        raise SystemExit(f"error: {script} {' '.join(words)} ended with exit code {code}: see {where}")
    peaks = {f"{kind}_gb": round(size, 2) for kind, size in memory.items()}
    return {"seconds": round(time.perf_counter() - started, 1), **peaks}


def _run(
    script: str, words: Sequence[str], printed: IO[str], environment: Mapping[str, str] | None
) -> tuple[int, dict[str, float]]:
    process = subprocess.Popen(
        [sys.executable, script, *words], stdout=printed, stderr=printed, env={**os.environ, **(environment or {})}
    )
    with PeakMemory(process.pid) as memory:
        code = process.wait()
    return code, memory.peaks
