"""The whole pipeline, stage by stage: seconds and peak memory.

Each stage is a process of its own. With `--one-process`, one process runs all of them, as `run_pipeline` does.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.jobs import job_script, measure_script, spark_options
from benchmarks.lines import add_place, keep
from ptofa_spark.pipeline.run import METHODS

HEAP = "6g"
WEEKS = 4
TARGET = f"week_{WEEKS + 1:02d}"
WHOLE = "run_pipeline"


def stages(warehouse: str, report: str, users: int, epochs: int) -> list[tuple[str, list[str]]]:
    """Name and options of each job, in the order in which they run."""
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
    """Runs the jobs one after another, and appends one line per stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=10_000_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument(
        "--begin-with", default="generate_platform", help="first stage; an earlier run has made what comes before it"
    )
    parser.add_argument("--one-process", action="store_true", help="measure run_pipeline, which starts one JVM")
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
        parser.error(f"--begin-with {args.begin_with!r} is no stage: choose one of {', '.join(map(repr, names))}")
    for name, words in all_stages[names.index(args.begin_with) :]:
        found = _measured(name.split()[0], words, work / f"{name}.log")
        keep(args.bench / "pipeline.jsonl", {"users": args.users, "stage": name, **found})


def _in_one_process(warehouse: str, report: str, users: int, epochs: int, work: Path) -> Iterator[dict[str, object]]:
    """Lines of each stage, with its seconds from the job's log, and last of the whole job, with its peak memory."""
    conf, log = work / "conf.yaml", work / f"{WHOLE}.log"
    conf.write_text(f"train: {{epochs: {epochs}}}\ngenerate_platform: {{weeks: {WEEKS}}}\n", encoding="utf-8")
    words = [f"--config={conf}", f"--warehouse={warehouse}", f"--report={report}", f"--users={users}"]
    whole = _measured(WHOLE, words, log)
    logged = re.findall(r"stage=([\w-]+) done .*?seconds=([\d.]+)", log.read_text(encoding="utf-8"))
    seconds = {stage.replace("-", " "): float(taken) for stage, taken in logged}
    for stage, _ in stages(warehouse, report, users, epochs):
        yield {"stage": stage, "seconds": seconds[stage]}
    yield {"stage": WHOLE, **whole}


def _measured(job: str, words: list[str], log: Path) -> dict[str, float]:
    """Runs a job: its seconds, its peak memory by kind of process, and the machine's memory (GiB)."""
    measured = measure_script(job_script(job), [*words, *spark_options(HEAP)], log)
    return {**measured, "machine_gb": round(psutil.virtual_memory().total / 2**30, 1)}


if __name__ == "__main__":
    main()
