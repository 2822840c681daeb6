"""`build_features` at 1 and 10 million users, compared with a bare Spark job that reads and writes as much.

Each run is a process of its own on two cores, with a driver heap of 8 GiB. It starts its own Java virtual machine
(JVM). The platform is generated first, once per size; this is not timed. Each size appends one line.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.jobs import CORES, job_script, measure_script, run_script, spark_options
from benchmarks.lines import add_place, keep

HEAP = "8g"
RAW = ("users", "funds", "campaigns", "exposures", "transactions")
BUILT = ("user_features", "fund_features", "examples")


def main() -> None:
    """Measures each size and appends its line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", default="1000000,10000000", help="numbers of users")
    parser.add_argument("--weeks", type=int, default=4, help="weeks of the platform")
    add_place(parser)
    args = parser.parse_args()
    work = args.bench / "features"
    sizes = [int(users) for users in args.users.split(",")]
    for users in sizes:
        _generate(work / str(users), users, args.weeks)
    for users in sizes:
        warehouse = work / str(users)
        _remove(warehouse, (*BUILT, "bare"))
        words = [f"--warehouse={warehouse}", *spark_options(HEAP)]
        build = _measured(job_script("build_features"), words, warehouse / "events")
        written = sum(_bytes(warehouse / name) for name in BUILT)
        read = sum(_bytes(warehouse / name) for name in RAW)
        bare_job = str(Path(__file__).with_name("bare_features.py"))
        bare = _measured(bare_job, [str(warehouse), str(written), str(CORES), HEAP], warehouse / "events")
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
    """Makes the platform's raw tables, unless an earlier run finished making them."""
    done = warehouse / f"generated-{weeks}-weeks"
    if done.exists():
        return
    words = [f"--warehouse={warehouse}", f"--users={users}", f"--weeks={weeks}", *spark_options(HEAP)]
    run_script(job_script("generate_platform"), words)
    _remove(warehouse, ("truth",))
    done.touch()


def _measured(script: str, words: Sequence[str], events: Path) -> dict[str, float]:
    """Runs a job: its seconds, its peak memory (GiB), and the bytes that it shuffled and spilled by Spark's event log.

    events: the folder of that log.
    """
    shutil.rmtree(events, ignore_errors=True)
    conf = events / "conf"
    conf.mkdir(parents=True)
    (conf / "spark-defaults.conf").write_text(
        "spark.eventLog.enabled true\nspark.eventLog.compress false\nspark.eventLog.rolling.enabled false\n"
        f"spark.eventLog.dir file://{events}\n",
        encoding="utf-8",
    )
    measured = measure_script(script, words, environment={"SPARK_CONF_DIR": str(conf)})
    return {**measured, **_task_totals(events.glob("local-*"))}


def _task_totals(logs: Iterable[Path]) -> dict[str, float]:
    """Bytes written to the shuffle, and bytes spilled from memory and to disk, summed over all tasks."""
    totals = {"shuffled": 0, "spilled_memory": 0, "spilled_disk": 0}
    for log in logs:
        with log.open(encoding="utf-8") as lines:
            for line in lines:
                if '"SparkListenerTaskEnd"' not in line[:60]:  # the event's name comes first in its line
                    continue
                metrics = json.loads(line).get("Task Metrics") or {}
                totals["shuffled"] += metrics["Shuffle Write Metrics"]["Shuffle Bytes Written"]
                totals["spilled_memory"] += metrics["Memory Bytes Spilled"]
                totals["spilled_disk"] += metrics["Disk Bytes Spilled"]
    return dict(totals)


def _rows(warehouse: Path, tables: Iterable[str]) -> int:
    """Rows of the tables together, by the statistics in their Delta logs. The tables are written once."""
    rows = 0
    for name in tables:
        for commit in (warehouse / name / "_delta_log").glob("*.json"):
            for line in commit.read_text(encoding="utf-8").splitlines():
                stats = json.loads(line).get("add", {}).get("stats")
                rows += json.loads(stats)["numRecords"] if stats else 0
    return rows


def _bytes(table: Path) -> int:
    """Bytes of a table's Parquet files."""
    return sum(file.stat().st_size for file in table.rglob("*.parquet"))


def _remove(warehouse: Path, names: Iterable[str]) -> None:
    for name in names:
        shutil.rmtree(warehouse / name, ignore_errors=True)


if __name__ == "__main__":
    main()
