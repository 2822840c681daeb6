"""The whole pipeline, stage by stage: seconds and peak memory of each job, a process of its own each or one for all."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.features import CORES
from benchmarks.lines import ROOT, add_place, keep
from benchmarks.memory import PeakMemory
from ptofa_spark.pipeline.run import METHODS

HEAP = "6g"
WEEKS = 4
TARGET = f"week_{WEEKS + 1:02d}"
WHOLE = "run_pipeline"


def stages(warehouse: str, report: str, users: int, epochs: int) -> list[tuple[str, list[str]]]:
    """Name and words of each job, in the data's order."""
    model = f"--model-dir={warehouse}/model"
    tables = [f"--{option}={warehouse}/{table}" for option, table in (
        ("scores", "scores"), ("funds", "funds"), ("demands", "demands"),
    )]  # fmt: skip
    made = [
        ("generate_platform", [f"--warehouse={warehouse}", f"--users={users}", f"--weeks={WEEKS}"]),
        ("build_features", [f"--warehouse={warehouse}"]),
        ("train", [f"--warehouse={warehouse}", model, f"--epochs={epochs}"]),
        ("score", [f"--warehouse={warehouse}", model]),
    ]
    for method in METHODS:
        words = [f"--output={warehouse}/allocation_{method}", f"--report={report}/{method}", f"--method={method}"]
        words.append(f"--campaign-id={TARGET}")
        log = [f"--exposures={warehouse}/exposures"] if method == "manual" else []
        made.append((f"allocate {method}", [*tables, *words, *log]))
    evaluate = [f"--warehouse={warehouse}", model, f"--report={report}", f"--allocations={','.join(METHODS)}"]
    return [*made, ("evaluate", evaluate)]


def main() -> None:
    """Runs the jobs one after another and keeps a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument(
        "--begin-with", default="generate_platform", help="a stage; what lies before it, a run has left"
    )
    parser.add_argument("--one-process", action="store_true", help="run_pipeline instead: one cold start, not eight")
    add_place(parser)
    args = parser.parse_args()
    work = args.bench / "pipeline" / f"{args.users}"
    work.mkdir(parents=True, exist_ok=True)
    places = str(work / "warehouse"), str(work / "reports")
    if args.one_process:
        for line in _in_one_process(*places, args.users, args.epochs, work):
            keep(args.bench / "pipeline.jsonl", {"users": args.users, **line})
        return
    all_stages = stages(*places, args.users, args.epochs)
    names = [name for name, _ in all_stages]
    if args.begin_with not in names:
        parser.error(f"--begin-with {args.begin_with!r} is no stage: take one of {', '.join(map(repr, names))}")
    for name, words in all_stages[names.index(args.begin_with) :]:
        found = _measured(name.split()[0], words, work / f"{name}.log")
        keep(args.bench / "pipeline.jsonl", {"users": args.users, "stage": name, **found})


def _in_one_process(warehouse: str, report: str, users: int, epochs: int, work: Path) -> Iterator[dict[str, object]]:
    """Seconds of each stage as the job tells them, and last the whole job with its memory."""
    conf, log = work / "conf.yaml", work / f"{WHOLE}.log"
    conf.write_text(f"train: {{epochs: {epochs}}}\ngenerate_platform: {{weeks: {WEEKS}}}\n", encoding="utf-8")
    words = [f"--config={conf}", f"--warehouse={warehouse}", f"--report={report}", f"--users={users}"]
    whole = _measured(WHOLE, words, log)
    told = re.findall(r"stage=([\w-]+) done .*?seconds=([\d.]+)", log.read_text(encoding="utf-8"))
    seconds = {stage.replace("-", " "): float(took) for stage, took in told}
    for stage, _ in stages(warehouse, report, users, epochs):
        yield {"stage": stage, "seconds": seconds[stage]}
    yield {"stage": WHOLE, **whole}


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
