"""No bit of a table changes when tasks are done again, elsewhere, twice at once, or on other partitions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.faults.cluster import Cluster
from tests.faults.stages import PATIENCE, STAGES, Reference, Stage, copy_places, fingerprint, kill, python_workers

JOBS = ("generate_platform", "build_features", "score", "allocate")
# Tables that a test compares.
TABLES = sum(len(STAGES[job].writes) for job in JOBS)
# Small pieces of everything: other partitions, other Arrow batches, other numbers of tasks.
FINE = {
    "spark.sql.files.maxPartitionBytes": "65536",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "97",
    "spark.sql.adaptive.enabled": "true",
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "true",
}
PLAIN = {"spark.sql.adaptive.enabled": "false"}
# Whatever runs longer than any other task of its stage is started a second time.
SPECULATIVE = {
    "spark.speculation": "true",
    "spark.speculation.interval": "10ms",
    "spark.speculation.multiplier": "1.01",
    "spark.speculation.quantile": "0.1",
    "spark.speculation.minTaskRuntime": "1ms",
}


@pytest.mark.long
@pytest.mark.parametrize(
    ("master", "partitions", "conf"),
    [
        pytest.param("local[1]", 3, PLAIN, id="one core, no adaptive execution"),
        pytest.param("local[3]", 7, FINE, id="three cores, small pieces"),
    ],
)
def test_how_spark_cuts_the_work_changes_nothing(
    spark: SparkSession, reference: Reference, tmp_path: Path, record_property: Callable[[str, object], None],
    master: str, partitions: int, conf: Mapping[str, str],
) -> None:  # fmt: skip
    record_property("tables", {"other cores and partitions": TABLES})
    folder = defaults(tmp_path / "conf", conf)
    words = (f"--spark.master={master}", f"--spark.shuffle-partitions={partitions}")
    for job in JOBS:
        process = _stage(reference, tmp_path, job).start(tmp_path, *words, conf=folder)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said[-1000:]
    _same(spark, reference, tmp_path)


@pytest.mark.long
def test_tasks_that_are_done_again_change_nothing(
    spark: SparkSession, reference: Reference, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("tables", {"tasks done again": TABLES})
    killed = 0
    for job in JOBS:
        process = _stage(reference, tmp_path, job).start(tmp_path, "--spark.master=local[2,8]")
        for _ in range(3):
            while process.poll() is None and not (found := kill(python_workers(process))):
                time.sleep(0.02)
            killed += found
            time.sleep(0.5)
        _, said = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said[-1000:]
    assert killed >= len(JOBS)
    _same(spark, reference, tmp_path)


@pytest.mark.long
def test_tasks_that_are_done_twice_at_once_change_nothing(
    spark: SparkSession, reference: Reference, cluster: Cluster, tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    record_property("tables", {"a cluster that does tasks twice at once": TABLES})
    events = tmp_path / "events"
    events.mkdir()
    log = {"spark.eventLog.enabled": "true", "spark.eventLog.dir": events.as_uri(), "spark.eventLog.compress": "false"}
    for job in JOBS:
        stage = _stage(reference, tmp_path, job)
        submitted = cluster.submit(job, *stage.words(tmp_path), folder=tmp_path, conf=SPECULATIVE | FINE | log)
        output, _ = submitted.communicate(timeout=PATIENCE)
        assert submitted.returncode == 0, output[-2000:]
    _same(spark, reference, tmp_path)
    assert speculative_tasks(events) > 0


def defaults(folder: Path, conf: Mapping[str, str]) -> Path:
    """A directory for SPARK_CONF_DIR."""
    folder.mkdir()
    (folder / "spark-defaults.conf").write_text("".join(f"{key} {value}\n" for key, value in conf.items()))
    return folder


def speculative_tasks(events: Path) -> int:
    """Tasks that Spark started a second time while the first still ran."""
    lines = [line for log in events.rglob("*") if log.is_file() for line in log.read_text().splitlines()]
    ends = [json.loads(line) for line in lines if '"SparkListenerTaskEnd"' in line[:60]]
    return sum(bool(each["Task Info"]["Speculative"]) for each in ends)


def _stage(reference: Reference, root: Path, job: str) -> Stage:
    """The stage, with all that it reads in place. What these runs did not write comes from the reference."""
    stage = STAGES[job]
    reference.after(job)
    copy_places(reference.root, root, tuple(place for place in stage.reads if not (root / place).exists()))
    return stage


def _same(spark: SparkSession, reference: Reference, root: Path) -> None:
    seen = reference.after(JOBS[-1])
    for job in JOBS:
        for place in STAGES[job].writes:
            assert fingerprint(spark, root, place) == seen[place], place
