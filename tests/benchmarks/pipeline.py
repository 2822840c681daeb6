"""The whole pipeline, stage by stage: seconds, rows, disk, and peak memory of each job, a process of its own each."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.benchmarks.features import CORES
from tests.benchmarks.lines import ROOT, add_place, keep
from tests.benchmarks.memory import PeakMemory

HEAP = "6g"
WEEKS = 4
TARGET = f"week_{WEEKS + 1:02d}"


def stages(warehouse: str, report: str, users: int, epochs: int, methods: list[str]) -> list[tuple[str, list[str]]]:
    """Name and words of each job, in the data's order; an allocation for each of the methods."""
    model = f"--model-dir={warehouse}/model"
    tables = [f"--{option}={warehouse}/{table}" for option, table in (
        ("expected-revenue", "scores"), ("funds", "funds"), ("demands", "demands"),
    )]  # fmt: skip
    made = [
        ("generate_platform", [f"--warehouse={warehouse}", f"--users={users}", f"--weeks={WEEKS}"]),
        ("build_features", [f"--warehouse={warehouse}"]),
        ("train", [f"--warehouse={warehouse}", model, f"--epochs={epochs}"]),
        ("score", [f"--warehouse={warehouse}", model]),
    ]
    for method in methods:
        words = [f"--output={warehouse}/allocation_{method}", f"--report={report}/{method}", f"--method={method}"]
        words.append(f"--campaign-id={TARGET}")
        log = [f"--exposures={warehouse}/exposures"] if method == "manual" else []
        made.append((f"allocate {method}", [*tables, *words, *log]))
    evaluate = [f"--warehouse={warehouse}", model, f"--report={report}", f"--allocations={','.join(methods)}"]
    return [*made, ("evaluate", evaluate)]


def main() -> None:
    """Runs the jobs one after another and keeps a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--methods", default="manual,ha,exact", help="of allocation")
    add_place(parser)
    args = parser.parse_args()
    work = args.bench / "pipeline" / f"{args.users}"
    work.mkdir(parents=True, exist_ok=True)
    places = str(work / "warehouse"), str(work / "reports")
    for name, words in stages(*places, args.users, args.epochs, args.methods.split(",")):
        found = _measured(name.split()[0], words, work / f"{name}.log")
        keep(args.bench / "pipeline.jsonl", {"users": args.users, "stage": name, **found})


def _measured(job: str, words: list[str], log: Path) -> dict[str, float]:
    """Runs a job; its seconds and its peak memory by kind of process (GiB), and the machine's."""
    started = time.perf_counter()
    words = [*words, f"--spark.master=local[{CORES}]", f"--spark.driver-memory={HEAP}", "--spark.shuffle-partitions=8"]
    with log.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "jobs" / f"{job}.py"), *words], stdout=stderr, stderr=stderr
        )
        with PeakMemory(process.pid) as memory:
            code = process.wait()
    if code != 0:
        raise SystemExit(f"{job} ended with {code}: see {log}")
    peaks = {f"{kind}_gb": round(size, 2) for kind, size in memory.peaks.items()}
    return {
        "seconds": round(time.perf_counter() - started, 1),
        **peaks,
        "machine_gb": round(psutil.virtual_memory().total / 2**30, 1),
    }


if __name__ == "__main__":
    main()
