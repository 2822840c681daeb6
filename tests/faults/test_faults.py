"""A stage is disturbed at a moment that a seed draws. Nothing is half-written, and the same command then finishes.

Real processes, real kills, a real full disk. The command is run again in the session of the tests.
`make test-long` runs RUNS disturbances, `make test` those of QUICK.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from tests.faults.cluster import Cluster
from tests.faults.stages import (
    PATIENCE,
    STAGES,
    Reference,
    Stage,
    bytes_below,
    copy_places,
    fingerprint,
    jvm,
    kill,
    python_workers,
    until_its_jvm_is_gone,
)

RUNS = 48
FULL_SIZE = "200m"
# A driver that is killed, a signal that the job can answer, and a full disk. `make test` runs each of them once, on the
# stage that needs no other.
QUICK = ("kill_driver", "terminate", "fill_the_disk")
# A run lasts about this many times as long as Python takes to import what it needs.
LASTING = 5.0


@dataclass
class Disturbance:
    """One run to be disturbed.

    moment: from 0, when its JVM starts, to 1, when the run is about to end; draw: what else is left to chance.
    """

    stage: Stage
    root: Path
    moment: float
    draw: random.Random

    def start(self, *more: str) -> subprocess.Popen[str]:
        """Starts the stage and waits until the moment has come."""
        begun = time.monotonic()
        process = self.stage.start(self.root, *more)
        while process.poll() is None and jvm(process) is None:
            time.sleep(0.05)
        time.sleep(self.moment * LASTING * (time.monotonic() - begun))
        return process


def kill_driver(run: Disturbance) -> None:
    process = run.start()
    process.kill()
    process.communicate(timeout=PATIENCE)
    assert process.returncode in (-signal.SIGKILL, 0)
    until_its_jvm_is_gone(process)


def kill_jvm(run: Disturbance) -> None:
    process = run.start()
    found = jvm(process)
    if found is not None:
        found.kill()
    _ends_in_a_line(process)


def kill_python_workers(run: Disturbance) -> None:
    process = run.start()
    while process.poll() is None and not kill(python_workers(process)):
        time.sleep(0.02)
    _ends_in_a_line(process)


def fail_tasks_twice(run: Disturbance) -> None:
    """A task may fail three times here, as on a cluster. The run must end as if nothing had happened."""
    process = run.start("--spark.master=local[2,4]")
    for _ in range(2):
        while process.poll() is None and not kill(python_workers(process)):
            time.sleep(0.02)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, said[-1000:]


def terminate(run: Disturbance) -> None:
    """SIGTERM, as a scheduler sends it."""
    _signalled(run, signal.SIGTERM)


def interrupt(run: Disturbance) -> None:
    """Ctrl-C."""
    _signalled(run, signal.SIGINT)


def remove_a_file(run: Disturbance) -> None:
    files = [file for place in run.stage.reads for file in sorted((run.root / place).rglob("part-*.parquet"))]
    lost = run.draw.choice(files)
    content = lost.read_bytes()
    lost.unlink()
    process = run.stage.start(run.root)
    _ends_in_a_line(process)
    lost.write_bytes(content)


def fill_the_disk(run: Disturbance) -> None:
    filling = run.root / "filling"
    room = run.draw.choice((0, 20_000, 60_000))
    free = os.statvfs(run.root)
    filling.write_bytes(bytes(max(free.f_bavail * free.f_frsize - room, 0)))
    process = run.stage.start(run.root)
    said = _ends_in_a_line(process)
    if process.returncode:
        assert "disk is full" in said or "No space left" in said
    filling.unlink()


FAULTS: dict[str, Callable[[Disturbance], None]] = {
    fault.__name__: fault
    for fault in (
        kill_driver, kill_jvm, kill_python_workers, fail_tasks_twice, terminate, interrupt, remove_a_file,
        fill_the_disk,
    )
}  # fmt: skip


def _cases() -> Iterator[object]:
    """RUNS pairs of fault and stage, the stages in turn; QUICK of them in `make test`."""
    for number in range(RUNS):
        fault = list(FAULTS)[number % len(FAULTS)]
        stages = [stage for stage in STAGES.values() if stage.reads or fault != "remove_a_file"]
        turn, rest = divmod(number, len(FAULTS))
        stage = stages[(turn + rest) % len(stages)]
        marks = [] if fault in QUICK and not stage.reads else [pytest.mark.long]
        yield pytest.param(number, fault, stage, marks=marks, id=f"{number}-{fault}-{stage.job}")


@pytest.mark.parametrize(("seed", "fault", "stage"), list(_cases()))
def test_a_disturbed_stage_finishes_when_it_is_run_again(
    spark: SparkSession, reference: Reference, tmp_path: Path, record_property: Callable[[str, object], None],
    seed: int, fault: str, stage: Stage,
) -> None:  # fmt: skip
    record_property("faults", {fault: 1})
    draw = random.Random(seed)
    root = tmp_path / "root"
    root.mkdir()
    if fault == "fill_the_disk":
        _small_disk(root)
    try:
        seen = reference.after(stage.job)
        copy_places(reference.root, root, stage.reads)
        if draw.random() < 0.5:  # half of them write over what an earlier run wrote
            copy_places(reference.root, root, tuple(place for place in stage.writes if place not in stage.reads))
        before = bytes_below(root, stage.reads)
        FAULTS[fault](Disturbance(stage, root, draw.random(), draw))
        assert bytes_below(root, stage.reads) == before
        for place in stage.writes:
            assert fingerprint(spark, root, place, copied_from=reference.root) in (None, seen[place])
        stage.run(root)
        for place in stage.writes:
            assert fingerprint(spark, root, place) == seen[place]
    finally:
        if fault == "fill_the_disk":
            subprocess.run(["umount", "--lazy", str(root)], check=True)


def _small_disk(root: Path) -> None:
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={FULL_SIZE}", "tmpfs", str(root)], capture_output=True)
    if made.returncode:
        pytest.skip("a disk of its own can be mounted by root only")


def _signalled(run: Disturbance, number: signal.Signals) -> None:
    process = run.start()
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    # A run that still imports its libraries has no handler yet and ends by the signal itself.
    assert process.returncode in (0, 128 + number, -number), said[-1000:]
    if process.returncode == 128 + number:
        assert said.strip().splitlines()[-1].startswith("error: "), said[-1000:]
        assert "Traceback" not in said
    until_its_jvm_is_gone(process)


def _ends_in_a_line(process: subprocess.Popen[str]) -> str:
    """The last line of a run that was disturbed. It may have ended well before. It never shows a Java trace."""
    _, said = process.communicate(timeout=PATIENCE)
    last = said.strip().splitlines()[-1]
    assert process.returncode in (0, 2, 3), said[-1000:]
    if process.returncode:
        assert last.startswith("error: "), said[-1000:]
        assert "\tat org.apache" not in said
    return last


@pytest.mark.long
@pytest.mark.parametrize("job", ["generate_platform", "build_features", "score", "allocate"])
def test_a_cluster_that_loses_an_executor_writes_the_same_tables(
    spark: SparkSession, reference: Reference, cluster: Cluster, tmp_path: Path,
    record_property: Callable[[str, object], None], job: str,
) -> None:  # fmt: skip
    stage, seen = STAGES[job], reference.after(job)
    record_property("faults", {"lose_an_executor": 1})
    record_property("tables", {"a cluster that loses an executor": len(stage.writes)})
    copy_places(reference.root, tmp_path, stage.reads)
    process = cluster.submit(job, *stage.words(tmp_path), "--spark.shuffle-partitions=4", folder=tmp_path)
    until = time.monotonic() + PATIENCE
    while not (executors := cluster.executors()):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(random.Random(job).uniform(1, 6))
    executors[0].kill()
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, output[-2000:]
    for place in stage.writes:
        assert fingerprint(spark, tmp_path, place) == seen[place]
