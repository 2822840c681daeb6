"""`build_features` at a million and at ten million users, beside a bare Spark job that reads and writes as much.

Each run is a process of its own, cold JVM included, with an 8 GiB driver heap on two cores. The platform is generated
first, once for each size, and not timed. A line is kept for each run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.lines import ROOT, add_place, keep
from benchmarks.memory import PeakMemory

CORES, HEAP = 2, "8g"
SPARK = (f"--spark.master=local[{CORES}]", f"--spark.driver-memory={HEAP}", "--spark.shuffle-partitions=8")
RAW = ("users", "funds", "campaigns", "exposures", "transactions")
BUILT = ("user_features", "fund_features", "examples")


def main() -> None:
    """Runs the sizes and appends their lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", default="1000000,10000000")
    parser.add_argument("--weeks", type=int, default=4)
    add_place(parser)
    args = parser.parse_args()
    work = args.bench / "features"
    sizes = [int(users) for users in args.users.split(",")]
    for users in sizes:
        _generate(work / str(users), users, args.weeks)
    for users in sizes:
        warehouse = work / str(users)
        _remove(warehouse, (*BUILT, "bare"))
        job = [str(ROOT / "jobs" / "build_features.py"), f"--warehouse={warehouse}", *SPARK]
        build = _measured(job, warehouse / "events")
        written = sum(_bytes(warehouse / name) for name in BUILT)
        read = sum(_bytes(warehouse / name) for name in RAW)
        bare_job = [str(Path(__file__).with_name("bare_features.py")), str(warehouse), str(written), str(CORES), HEAP]
        bare = _measured(bare_job, warehouse / "events")
        line = {
            "users": users,
            "weeks": args.weeks,
            "rows": _rows(warehouse, ("users", "exposures", "transactions")),
            "read_bytes": read,
            "written_bytes": written,
            "bare_written_bytes": _bytes(warehouse / "bare"),
            "build": build,
            "bare": bare,
        }
        keep(args.bench / "features.jsonl", line)
        _remove(warehouse, ("bare",))


def _generate(warehouse: Path, users: int, weeks: int) -> None:
    """The platform's raw tables; kept from an earlier run if that ended."""
    done = warehouse / f"generated-{weeks}-weeks"
    if done.exists():
        return
    words = [f"--warehouse={warehouse}", f"--users={users}", f"--weeks={weeks}", *SPARK]
    subprocess.run([sys.executable, str(ROOT / "jobs" / "generate_platform.py"), *words], check=True, stdout=sys.stderr)
    _remove(warehouse, ("truth",))
    done.touch()


def _measured(words: list[str], events: Path) -> dict[str, float]:
    """Runs a job: its seconds, its peak memory (GiB), and what Spark's event log says was shuffled and spilled."""
    shutil.rmtree(events, ignore_errors=True)
    events.mkdir(parents=True)
    conf = events / "conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text(
        "spark.eventLog.enabled true\nspark.eventLog.compress false\nspark.eventLog.rolling.enabled false\n"
        f"spark.eventLog.dir file://{events}\n",
        encoding="utf-8",
    )
    started = time.perf_counter()
    job = subprocess.Popen([sys.executable, *words], stdout=sys.stderr, env={**os.environ, "SPARK_CONF_DIR": str(conf)})
    with PeakMemory(job.pid) as memory:
        code = job.wait()
    seconds = round(time.perf_counter() - started, 1)
    if code != 0:
        raise SystemExit(f"{words[0]} ended with {code}")
    peaks = {f"{kind}_gb": round(size, 2) for kind, size in memory.peaks.items()}
    return {"seconds": seconds, **peaks, **_task_totals(events.glob("local-*"))}


def _task_totals(logs: Iterable[Path]) -> dict[str, float]:
    totals = {"shuffled": 0, "spilled_memory": 0, "spilled_disk": 0}
    for log in logs:
        with log.open(encoding="utf-8") as lines:
            for line in lines:
                if '"SparkListenerTaskEnd"' not in line[:60]:
                    continue
                metrics = json.loads(line).get("Task Metrics") or {}
                totals["shuffled"] += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
                totals["spilled_memory"] += metrics["Memory Bytes Spilled"]
                totals["spilled_disk"] += metrics["Disk Bytes Spilled"]
    return dict(totals)


def _rows(warehouse: Path, tables: Iterable[str]) -> int:
    """Rows of the tables, by the statistics in their logs' first commits."""
    rows = 0
    for name in tables:
        for commit in (warehouse / name / "_delta_log").glob("*.json"):
            for line in commit.read_text(encoding="utf-8").splitlines():
                stats = json.loads(line).get("add", {}).get("stats")
                rows += json.loads(stats)["numRecords"] if stats else 0
    return rows


def _bytes(table: Path) -> int:
    return sum(file.stat().st_size for file in table.rglob("*.parquet"))


def _remove(warehouse: Path, names: Iterable[str]) -> None:
    for name in names:
        shutil.rmtree(warehouse / name, ignore_errors=True)


if __name__ == "__main__":
    main()
