"""The stages, run in a process of their own or in the tests' session, and what each reads and writes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from filelock import FileLock
from pyspark.sql import SparkSession

from tests.jvm.options import java_options
from tests.run_job import JOBS, job_module
from tests.same_table import without_maps

# Seconds that a test waits for a job: two jobs may share two slow cores.
PATIENCE = 1_200
SIZE = ("--spark.driver-memory=1g", "--spark.shuffle-partitions=4")
RAW = ("users", "funds", "campaigns", "transactions", "exposures", "demands", "truth")
FEATURES = ("user_features", "fund_features", "examples")


@dataclass(frozen=True)
class Stage:
    """job: its name; options: `{root}` is its directory; reads, writes: tables and folders in that directory."""

    job: str
    options: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]

    def words(self, root: Path) -> list[str]:
        """The command line in the directory."""
        return [option.format(root=root) for option in self.options]

    def start(self, root: Path, *more: str, conf: Path | None = None) -> subprocess.Popen[str]:
        """Starts the job in the directory, in a session of its own, so that all of it can be killed.

        conf: directory with a spark-defaults.conf.
        """
        # Spark's own defaults then hold for all that the file does not set.
        own = {"SPARK_CONF_DIR": str(conf), "SPARK_SUBMIT_OPTS": java_options(interpreting=False)} if conf else {}
        words = (*self.words(root), *SIZE, *(more or ("--spark.master=local[2]",)))
        return subprocess.Popen(
            [sys.executable, str(JOBS / f"{self.job}.py"), *words],
            cwd=root, env=os.environ | {"OMP_NUM_THREADS": "1"} | own,
            start_new_session=True, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, root: Path) -> None:
        """Runs the job to its end, undisturbed, in the tests' session."""
        assert job_module(self.job).main(self.words(root)) == 0


def _in_warehouse(*tables: str) -> tuple[str, ...]:
    return tuple(f"warehouse/{table}" for table in tables)


_WAREHOUSE = "--warehouse={root}/warehouse"
_MODEL = "--model-dir={root}/warehouse/model"
STAGES = {
    stage.job: stage
    for stage in (
        Stage("generate_platform", (_WAREHOUSE, "--users=800", "--weeks=2"), (), _in_warehouse(*RAW)),
        Stage("build_features", (_WAREHOUSE,), _in_warehouse(*RAW[:-1]), _in_warehouse(*FEATURES)),
        Stage(
            "train", (_WAREHOUSE, _MODEL, "--epochs=2", "--batch-size=64", "--checkpoint-steps=5"),
            _in_warehouse("examples"), _in_warehouse("model"),
        ),
        Stage(
            "score", (_WAREHOUSE, _MODEL),
            _in_warehouse("user_features", "fund_features", "model"), _in_warehouse("scores"),
        ),
        Stage(
            "allocate",
            ("--scores={root}/warehouse/scores", "--funds={root}/warehouse/funds",
             "--demands={root}/warehouse/demands", "--output={root}/warehouse/allocation_ha",
             "--report={root}/reports/ha", "--campaign-id=week_03", "--driver-users=0"),
            _in_warehouse("scores", "funds", "demands"), (*_in_warehouse("allocation_ha"), "reports/ha/plan.json"),
        ),
        Stage(
            "evaluate", (_WAREHOUSE, _MODEL, "--report={root}/reports", "--allocations=ha"),
            (*_in_warehouse("examples", "truth", "model", "allocation_ha"), "reports/ha"), ("reports/evaluation.json",),
        ),
    )
}  # fmt: skip


class Reference:
    """What undisturbed runs leave in a directory, which all test processes share."""

    def __init__(self, spark: SparkSession, root: Path) -> None:
        self._spark, self.root = spark, root
        self.root.mkdir(exist_ok=True)

    def after(self, job: str) -> dict[str, str]:
        """Runs the stages up to the job, unless it was done before. The fingerprint of each place that they write."""
        seen: dict[str, str] = {}
        with FileLock(self.root / "lock"):
            for stage in STAGES.values():
                seen |= self._seen(stage)
                if stage.job == job:
                    break
        return seen

    def _seen(self, stage: Stage) -> dict[str, str]:
        done = self.root / f"{stage.job}.json"
        if not done.exists():
            stage.run(self.root)
            seen = {place: fingerprint(self._spark, self.root, place) for place in stage.writes}
            assert None not in seen.values()
            done.write_text(json.dumps(seen), encoding="utf-8")
        return dict(json.loads(done.read_text(encoding="utf-8")))


def fingerprint(spark: SparkSession, root: Path, name: str, copied_from: Path | None = None) -> str | None:
    """What a reader sees at a place below root: a table's rows in any order, the bytes of files; None if nothing.

    A file that names a table has the directory in it, which is left out: root, or where the file was copied from.
    """
    place = root / name
    if (place / "_delta_log").is_dir():
        try:
            rows = without_maps(spark.read.format("delta").load(str(place)))
        except Exception as error:
            if "DELTA_TABLE_NOT_FOUND" in str(error) or "PATH_NOT_FOUND" in str(error) or "not a Delta" in str(error):
                return None
            raise
        counted = rows.selectExpr("count(*)", f"sum(cast(xxhash64({', '.join(sorted(rows.columns))}) as decimal(38)))")
        return f"{sorted(rows.dtypes)} {counted.collect()[0]}"
    if place.is_file():
        return _digest(place, root, copied_from or root)
    files = sorted(file for file in place.rglob("*") if file.is_file() and file.name != "metrics.json")
    return json.dumps([_digest(file, root, copied_from or root) for file in files]) if files else None


def _digest(file: Path, *left_out: Path) -> str:
    content = file.read_bytes()
    for root in left_out:
        content = content.replace(bytes(root), b"")
    return hashlib.sha256(content).hexdigest()


def bytes_below(root: Path, places: tuple[str, ...]) -> dict[str, str]:
    """The hash of every file of some places: a stage that only reads them must not change it."""
    files = [file for place in places for file in sorted((root / place).rglob("*")) if file.is_file()]
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def copy_places(source: Path, target: Path, places: tuple[str, ...]) -> None:
    """Copies tables, folders and files from one root to another."""
    for place in places:
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        if (source / place).is_dir():
            shutil.copytree(source / place, target / place)
        else:
            shutil.copy(source / place, target / place)


def python_workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The Python workers of a job's JVM, without the daemon that forks them."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "pyspark.daemon" in " ".join(child.cmdline()) and "java" not in (child.parent() or child).name():
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def jvm(process: subprocess.Popen[str]) -> psutil.Process | None:
    """The JVM that a job started, once it is there."""
    try:
        children = psutil.Process(process.pid).children(recursive=True)
        return next((child for child in children if child.name() == "java"), None)
    except psutil.NoSuchProcess:
        return None


def kill(processes: list[psutil.Process]) -> bool:
    """Kills the processes. Returns whether there was one."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return bool(processes)


def until_its_jvm_is_gone(process: subprocess.Popen[str], patience: float = PATIENCE) -> None:
    """Waits for the JVM of a dead driver to end by itself. What it still writes is part of the disturbance."""
    until = time.monotonic() + patience
    while any(_in_session(other, process.pid) for other in psutil.process_iter()):
        assert time.monotonic() < until, "the JVM of a killed driver lives on"
        time.sleep(0.1)


def _in_session(process: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False
