"""Runs jobs one after the other in one process of their own, with a package of their own.

A JVM of its own costs a process half a minute, most of it for the first queries. So the process may join the JVM of the
tests: the Python is its own, and so are its Python workers; the Spark is real and warm.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

from ptofa_spark.running.session import SparkSettings, start_session

# Names the port at which the tests' JVM takes calls. PySpark reads it, as under spark-submit.
_PORT = "PYSPARK_GATEWAY_PORT"
# Stands after what a job printed, with its exit code. No job prints this character.
_END = "\x1e"


class Ended(NamedTuple):
    """How a job ended."""

    returncode: int
    stdout: str
    stderr: str


def run_in_one_session(
    commands: Sequence[Sequence[str]],
    folder: Path,
    environment: Mapping[str, str],
    python: str | Path = sys.executable,
    spark: SparkSession | None = None,
) -> list[Ended]:
    """Runs `python PROGRAM WORDS` for each command, all of them in one process.

    Args:
        commands: a program and its words each; the program is a file that Python runs.
        folder: the process's working directory.
        environment: its variables.
        python: the interpreter, whose ptofa_spark is used.
        spark: the session whose JVM the process joins; None: it starts a JVM of its own.
    """
    joined = {} if spark is None else _gateway_of(spark) | {"PYSPARK_PYTHON": str(python)}
    with nullcontext() if spark is None else _settings_kept(spark):
        done = subprocess.run(
            [python, __file__, json.dumps(commands)], cwd=folder, env={**environment, **joined},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4_000:]
    out, err = done.stdout.split(_END), done.stderr.split(_END)
    codes = [int(code) for code in out[1::2]]
    assert len(codes) == len(commands)
    return [Ended(*each) for each in zip(codes, out[::2], err[::2], strict=False)]


@contextmanager
def _settings_kept(spark: SparkSession) -> Iterator[None]:
    """Takes back what the body changes in the session's settings: jobs that join it set their own."""
    before = spark.conf.getAll
    yield
    after = spark.conf.getAll
    for key in before.keys() | after.keys():
        # Spark's own settings, such as the interpreter's, are listed too. A session cannot change them.
        if after.get(key) == before.get(key) or not spark.conf.isModifiable(key):
            continue
        if key in before:
            spark.conf.set(key, before[key])
        else:
            spark.conf.unset(key)


def _gateway_of(spark: SparkSession) -> dict[str, str]:
    """Variables with which another Python reaches the session's JVM."""
    given = spark.sparkContext._gateway.gateway_parameters
    return {_PORT: str(given.port), "PYSPARK_GATEWAY_SECRET": given.auth_token}


def _join() -> None:
    """Makes the session of the JVM at the port this process's active one."""
    gateway = launch_gateway()
    running = gateway.jvm.org.apache.spark.SparkContext.getOrCreate()
    java_context = gateway.jvm.JavaSparkContext.fromSparkContext(running)
    conf = SparkConf(_jvm=gateway.jvm, _jconf=java_context.getConf())
    context = SparkContext(conf=conf, gateway=gateway, jsc=java_context)
    # Workers take the package that this process takes, and not that of the directory in which the JVM was started.
    context.environment |= {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PYTHONSAFEPATH": "1"}
    SparkSession(context)


def _run(commands: Sequence[Sequence[str]]) -> None:
    if _PORT in os.environ:
        _join()
    else:
        start_session(SparkSettings(master="local[2]", driver_memory="1g", shuffle_partitions=2))
    for program, *words in commands:
        sys.argv = [program, *words]
        code = 0
        try:
            runpy.run_path(program, run_name="__main__")
        except SystemExit as ended:
            code = int(ended.code or 0)
        for stream in (sys.stdout, sys.stderr):
            stream.write(f"{_END}{code}{_END}")
            stream.flush()


if __name__ == "__main__":
    _run(json.loads(sys.argv[1]))
