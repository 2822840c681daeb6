"""Starts Spark's JVM without its hundred lines of greeting, and says in one line why it did not start."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from pyspark import SparkContext

from ptofa_spark.errors import MachineError

# What the JVM or Spark's launcher prints, and what it means. Looked for in this order.
_CAUSES = (
    (
        ("UNRESOLVED DEPENDENCIES", "unresolved dependency", "Server access error", "UnknownHostException"),
        "Delta Lake's JARs could not be fetched from Maven Central: the first run needs the network (behind a proxy, "
        "name a mirror in spark.jars.ivySettings)",
    ),
    (
        ("insufficient memory", "Could not reserve enough space", "Cannot allocate memory", "Invalid maximum heap"),
        "the JVM could not get its memory: free some, or give a smaller --spark.driver-memory",
    ),
    (
        ("UnsupportedClassVersionError", "class file version", "Unrecognized option"),
        "this Java is too old for Spark 4: install Java 17 and set JAVA_HOME to it",
    ),
    (
        ("JAVA_HOME", "java: command not found", "java: not found", "No such file or directory"),
        "no Java was found: install Java 17, or set JAVA_HOME to it",
    ),
)


class StartOutput:
    """What the JVM printed while it started; afterwards its lines pass on to stderr."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._started = threading.Event()
        self._terminal = os.dup(2)
        self.read_end, self.write_end = os.pipe()
        self._pump = threading.Thread(target=self.pump, name="jvm-output", daemon=True)
        self._pump.start()

    def pump(self) -> None:
        """Reads until nobody can write any more; the thread's body."""
        while chunk := os.read(self.read_end, 65_536):
            if self._started.is_set():
                os.write(self._terminal, chunk)
            else:
                self._held += chunk

    def started(self) -> None:
        """From now on the JVM's lines go to the terminal."""
        self._started.set()

    def text(self) -> str:
        """The lines held back, all of them once the JVM is gone."""
        self._pump.join(timeout=5)
        return self._held.decode(errors="replace")


@contextmanager
def quiet_start() -> Iterator[StartOutput]:
    """Holds back what this process and those it starts print in the body; a JVM's output stays behind the pump."""
    output = StartOutput()
    sys.stdout.flush()
    sys.stderr.flush()
    own = [os.dup(1), os.dup(2)]
    os.dup2(output.write_end, 1)
    os.dup2(output.write_end, 2)
    os.close(output.write_end)
    try:
        yield output
        output.started()
    finally:
        for descriptor, kept in zip((1, 2), own, strict=True):
            os.dup2(kept, descriptor)
            os.close(kept)


@contextmanager
def no_jvm_left_behind() -> Iterator[None]:
    """Kills the JVM that the body was starting if something cuts it off before PySpark has heard from it.

    Such a JVM would wait for ever for a driver that is gone. One that has answered ends with its driver.
    """
    before = psutil.Process().children(recursive=True)
    try:
        yield
    except BaseException:
        if SparkContext._gateway is None:
            for process in psutil.Process().children(recursive=True):
                if process not in before:
                    with suppress(psutil.Error):
                        process.kill()
        raise


def why_it_did_not_start(printed: str, driver_memory: str | None) -> MachineError:
    """The error for a JVM that ended before it answered; printed: its output."""
    for signs, cause in _CAUSES:
        if any(sign in printed for sign in signs):
            return MachineError(f"Spark did not start: {cause}")
    last = printed.strip().splitlines()[-1:] or ["the JVM printed nothing"]
    return MachineError(f"Spark did not start (driver heap {driver_memory or '1g'}): {last[0].strip()}")
