"""A signal while Spark's JVM starts: a JVM whose driver is gone would wait for ever."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.stages import PATIENCE, STAGES, jvm, until_its_jvm_is_gone


@pytest.mark.parametrize(("number", "said"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")])
@pytest.mark.parametrize("started", ["org.apache.spark.launcher.Main", "org.apache.spark.deploy.SparkSubmit"])
def test_a_signal_while_the_jvm_starts_ends_both(
    tmp_path: Path, number: signal.Signals, said: str, started: str
) -> None:
    process = STAGES["generate_platform"].start(tmp_path)
    try:
        until = time.monotonic() + PATIENCE
        while not _runs(process, started):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.005)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=PATIENCE)
        assert process.returncode == 128 + number
        assert stderr.splitlines()[-1].startswith(f"error: {said}; no table is half-written")
        until_its_jvm_is_gone(process, patience=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _runs(process: subprocess.Popen[str], java_class: str) -> bool:
    try:
        found = jvm(process)
        words = [] if found is None else found.cmdline()
        return java_class in [word for word in words if word.startswith("org.apache.spark.")][:1]
    except psutil.NoSuchProcess:
        return False


def test_a_start_that_failed_can_be_tried_again() -> None:
    """PySpark keeps a JVM that has answered once, so the failed start must not end it.

    Where nobody names a master, Spark takes the machine. A shuffle then has few partitions.
    """
    tried = """
import ptofa_spark.running.session as session
try:
    session.start_session(session.SparkSettings(master="no-such-master"))
except Exception as error:
    print("refused", type(error).__name__)
started = session.start_session(session.SparkSettings())
print("rows", started.range(3).count())
print("partitions", int(started.conf.get("spark.sql.shuffle.partitions")) // started.sparkContext.defaultParallelism)
print("of logs", started.conf.get("spark.databricks.delta.snapshotPartitions"))
print("progress bar in a pipe", started.conf.get("spark.ui.showConsoleProgress"))
"""
    ended = subprocess.run([sys.executable, "-c", tried], capture_output=True, text=True, timeout=PATIENCE)
    refused, *said = ended.stdout.splitlines()
    assert refused.startswith("refused"), ended.stderr[-2000:]
    assert said == ["rows 3", "partitions 4", "of logs 2", "progress bar in a pipe false"], ended.stderr[-2000:]
