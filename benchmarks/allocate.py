"""Figure 4 of the paper, and larger campaigns: every method, with a certified gap to the optimum.

The campaigns of `--small` share one Spark session. Each run of `--large` is a process of its own, `jobs/allocate.py`,
which starts its own Java virtual machine (JVM). Beside these runs, a bare Spark job reads the same scores and writes as
many rows. Each run appends one line, so that a part of the benchmark can be measured again alone. K is the number of
slots per user.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.campaigns import write_campaign
from benchmarks.jobs import CORES, SHUFFLE_PARTITIONS, job_script, measure_script, spark_options
from benchmarks.lines import add_place, keep
from ptofa_spark.allocation.allocate import allocate
from ptofa_spark.allocation.certificate.summary import AllocationSummary
from ptofa_spark.allocation.settings import AllocateSettings
from ptofa_spark.errors import UserError
from ptofa_spark.running.session import SparkSettings, spark_session

HEAP = "6g"
SPARK = SparkSettings(master=f"local[{CORES}]", driver_memory=HEAP, shuffle_partitions=SHUFFLE_PARTITIONS)
SMALL_METHODS = ("manual", "ha", "exact", "mincostflow", "ip")
LARGE_METHODS = ("manual", "ha", "exact")
# The settings that a run of `--large` gives to its job; the others keep their defaults.
_GIVEN = ("scores", "funds", "demands", "output", "report", "k", "method")


@dataclass(frozen=True)
class Case:
    """A campaign in a folder. k: slots per user; shape: of the demands (campaigns.py)."""

    root: Path
    users: int
    k: int
    shape: str

    def settings(self, method: str, ip_seconds: float) -> AllocateSettings:
        """The settings of `allocate`. ip_seconds: time limit of an integer program."""
        return AllocateSettings(
            scores=str(self.root / "scores"),
            funds=str(self.root / "funds"),
            demands=str(self.root / f"demands_k{self.k}_{self.shape}"),
            output=str(self.root / "allocation"),
            report=str(self.root / f"report_{method}_k{self.k}_{self.shape}"),
            k=self.k,
            method=method,
            ip_seconds=ip_seconds,
            max_ip_users=1_000_000,
        )

    def line(self, method: str, **measured: object) -> dict[str, object]:
        """A line of a run."""
        return {"users": self.users, "k": self.k, "shape": self.shape, "method": method, **measured}


def main() -> None:
    """Runs the chosen part and appends its lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", default="5000,20000,50000,100000,200000", help="numbers of users, in one session")
    parser.add_argument("--large", default="1000000,10000000", help="numbers of users, one process per run")
    parser.add_argument("--many-funds", type=int, default=100_000, help="users of the campaign of 200 funds, K = 10")
    parser.add_argument("--k", default="1,3", help="slots per user")
    parser.add_argument("--shapes", default="loose,tight", help="shapes of the demands")
    parser.add_argument("--methods", default=",".join(SMALL_METHODS))
    parser.add_argument("--ip-seconds", type=float, default=200.0, help="time limit of an integer program")
    add_place(parser)
    args = parser.parse_args()
    out = args.bench / "allocate.jsonl"
    sizes = [(int(k), shape) for k in args.k.split(",") for shape in args.shapes.split(",")]
    small, large = (
        [Case(args.bench / users, int(users), k, shape) for k, shape in sizes for users in numbers.split(",") if users]
        for numbers in (args.small, args.large)
    )
    methods = args.methods.split(",")
    with spark_session(SPARK) as spark:
        for case in small + large:
            write_campaign(spark, case.root, case.users, case.k, case.shape)
        for line in _small(spark, small, methods, args.ip_seconds):
            keep(out, line)
    if args.many_funds:
        case = Case(args.bench / "many" / str(args.many_funds), args.many_funds, 10, "loose")
        with spark_session(SPARK) as spark:
            write_campaign(spark, case.root, case.users, case.k, case.shape, funds=200)
        for method in ("ha", "exact"):
            keep(out, _large(case, method))
    for case in large:
        keep(out, case.line("bare", whole=_bare(case)))
        for method in (name for name in methods if name in LARGE_METHODS):
            keep(out, _large(case, method))


def _small(
    spark: SparkSession, cases: Sequence[Case], methods: Sequence[str], ip_seconds: float
) -> Iterator[dict[str, object]]:
    """Lines of the runs in one session."""
    if cases:  # The first run starts the JVM: it is not measured.
        allocate(spark, cases[0].settings("ha", ip_seconds))
    out_of_time = set()  # (K, shape) whose integer program reached its time limit: larger ones would reach it too
    for case in cases:
        for method in methods:
            if method == "ip" and (case.k, case.shape) in out_of_time:
                continue
            try:
                summary = allocate(spark, case.settings(method, ip_seconds))
            except UserError as error:
                if method != "ip":
                    raise
                print(error, flush=True)
                out_of_time.add((case.k, case.shape))
                continue
            yield case.line(method, **_found(summary))


def _large(case: Case, method: str) -> dict[str, object]:
    """The line of a run that is a process of its own."""
    settings = case.settings(method, 1.0)
    words = [f"--{name}={getattr(settings, name)}" for name in _GIVEN]
    measured = measure_script(job_script("allocate"), [*words, *spark_options(HEAP)])
    whole = measured.pop("seconds")
    return case.line(method, **_found(AllocationSummary.read(settings.report)), whole=whole, **measured)


def _bare(case: Case) -> float:
    """Seconds of the bare job."""
    words = [str(case.root / "scores"), str(case.root / "bare"), str(case.k), str(CORES), HEAP]
    return measure_script(str(Path(__file__).with_name("bare_copy.py")), words)["seconds"]


def _found(summary: AllocationSummary) -> dict[str, object]:
    """The figures of an allocation in a line: money, the certificate, violations, and the seconds of each step."""
    off = summary.violations
    return {
        "objective": summary.objective,
        "upper_bound": summary.upper_bound,
        "gap": summary.certified_gap,
        "c1": off.c1,
        "c2": off.c2,
        "c3": off.c3,
        "phases": summary.phases,
        **{f"{step}_s": seconds for step, seconds in summary.seconds.items()},
    }


if __name__ == "__main__":
    main()
