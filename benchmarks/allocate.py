"""Figure 4 of the paper and beyond it: every method on growing campaigns, with the gap to the optimum certified.

Campaigns of `--small` share one Spark session. Each run of `--large` is a process of its own (`jobs/allocate.py`, cold
JVM included), beside a bare Spark job that reads the same scores and writes as many rows. A line is kept for each run,
so that a part of the benchmark can be done again alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.campaigns import write_campaign
from benchmarks.lines import ROOT, add_place, keep
from benchmarks.memory import PeakMemory
from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.certificate.summary import AllocationSummary
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.errors import UserError
from ptofa_spark.running.session import SparkSettings, spark_session

CORES, HEAP = 2, "6g"
SPARK = SparkSettings(master=f"local[{CORES}]", driver_memory=HEAP, shuffle_partitions=8)
SMALL_METHODS = ("manual", "ha", "exact", "mincostflow", "ip")
LARGE_METHODS = ("manual", "ha", "exact")


def main() -> None:
    """Runs the chosen part and appends its lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", default="5000,20000,50000,100000,200000", help="users, in one session")
    parser.add_argument("--large", default="1000000,10000000", help="users, a process a run")
    parser.add_argument("--many-funds", type=int, default=100_000, help="users of a campaign of 200 funds, K = 10")
    parser.add_argument("--k", default="1,3")
    parser.add_argument("--shapes", default="loose,tight")
    parser.add_argument("--methods", default=",".join(SMALL_METHODS))
    parser.add_argument("--ip-seconds", type=float, default=200.0, help="time limit of an integer program")
    add_place(parser)
    args = parser.parse_args()
    work, out = args.bench, args.bench / "allocate.jsonl"
    cases = [(int(k), shape) for k in args.k.split(",") for shape in args.shapes.split(",")]
    small, large = ([int(n) for n in sizes.split(",") if n] for sizes in (args.small, args.large))
    methods = args.methods.split(",")
    with spark_session(SPARK) as spark:
        for users in small + large:
            for k, shape in cases:
                write_campaign(spark, work / str(users), users, k, shape)
        if small:  # the first run pays for a cold JVM
            allocate(spark, _settings(work, small[0], *cases[0], "ha", args.ip_seconds))
        for k, shape in cases:
            ip_in_time = True
            for users in small:
                for method in methods:
                    if method == "ip" and not ip_in_time:
                        continue
                    try:
                        summary = allocate(spark, _settings(work, users, k, shape, method, args.ip_seconds))
                    except UserError as error:  # the integer program is out of time, and larger ones would be too
                        print(error, flush=True)
                        ip_in_time = False
                        continue
                    _keep(out, users, k, shape, method, summary)
    if args.many_funds:
        _many_funds(work / "many", out, args.many_funds)
    for users in large:
        for k, shape in cases:
            keep(out, {"users": users, "k": k, "shape": shape, "method": "bare", **_bare(work, users, k)})
            for method in [name for name in methods if name in LARGE_METHODS]:
                _large(work, out, users, k, shape, method)


def _many_funds(work: Path, out: Path, users: int) -> None:
    with spark_session(SPARK) as spark:
        write_campaign(spark, work / str(users), users, 10, "loose", funds=200)
    for method in ("ha", "exact"):
        _large(work, out, users, 10, "loose", method)


def _settings(work: Path, users: int, k: int, shape: str, method: str, ip_seconds: float) -> AllocateSettings:
    root = work / str(users)
    return AllocateSettings(
        scores=str(root / "scores"),
        funds=str(root / "funds"),
        demands=str(root / f"demands_k{k}_{shape}"),
        output=str(root / "allocation"),
        report=str(root / f"report_{method}_k{k}_{shape}"),
        k=k,
        method=method,
        ip_seconds=ip_seconds,
        max_ip_users=1_000_000,
    )


def _large(work: Path, out: Path, users: int, k: int, shape: str, method: str) -> None:
    settings = _settings(work, users, k, shape, method, 1.0)
    words = [f"--{name.replace('_', '-')}={getattr(settings, name)}" for name in _GIVEN]
    spark = [f"--spark.master=local[{CORES}]", f"--spark.driver-memory={HEAP}", "--spark.shuffle-partitions=8"]
    started = time.perf_counter()
    job = subprocess.Popen([sys.executable, str(ROOT / "jobs" / "allocate.py"), *words, *spark], stdout=sys.stderr)
    with PeakMemory(job.pid) as memory:
        code = job.wait()
    if code != 0:
        raise SystemExit(f"{method} with {users} users ended with {code}")
    whole = round(time.perf_counter() - started, 1)
    summary = AllocationSummary.read(settings.report)
    _keep(out, users, k, shape, method, summary, whole=whole, **{f"{kind}_gb": v for kind, v in memory.peaks.items()})


_GIVEN = ("expected_revenue", "funds", "demands", "output", "report", "k", "method")


def _bare(work: Path, users: int, k: int) -> dict[str, object]:
    root = work / str(users)
    words = [str(root / "scores"), str(root / "bare"), str(k), str(CORES), HEAP]
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, str(Path(__file__).with_name("bare_copy.py")), *words], check=True, stdout=sys.stderr
    )
    return {"whole": round(time.perf_counter() - started, 1)}


def _keep(out: Path, users: int, k: int, shape: str, method: str, summary: AllocationSummary, **more: object) -> None:
    off = summary.violations
    keep(
        out,
        {
            "users": users,
            "k": k,
            "shape": shape,
            "method": method,
            "objective": summary.objective,
            "upper_bound": summary.upper_bound,
            "gap": summary.certified_gap,
            "c1": off.c1,
            "c2": off.c2,
            "c3": off.c3,
            "phases": summary.phases,
            **{f"{step}_s": seconds for step, seconds in summary.seconds.items()},
            **more,
        },
    )


if __name__ == "__main__":
    main()
