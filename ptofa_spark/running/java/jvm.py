"""Starts Spark's JVM without its start-up output, and explains in one line why it did not start."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import psutil
from pyspark import SparkContext

from ptofa_spark.errors import MachineError
from ptofa_spark.running.environment import java_problem, jvm_options, start_variables, values_of
from ptofa_spark.running.failures import first_words

# (pattern in the output of the JVM, Spark's launcher or Spark; explanation), searched in this order. {0} is the text of
# the pattern's group, {master} and {memory} are settings, the others are environment variables that may be the cause.
_CAUSES = (
    (
        r"FileNotFoundException: (\S*)/cache/resolved-",
        "Spark cannot write to {0}, where it keeps Delta Lake's JARs ({home}): set HOME to a folder that can be "
        "written, or name another by PYSPARK_SUBMIT_ARGS='--conf spark.jars.ivy=/a/folder pyspark-shell'",
    ),
    (
        r"UnknownHostException: ([\w.-]+): \1(?:: |\b)",
        "this machine's name {0} has no address: add it to /etc/hosts, or set SPARK_LOCAL_IP=127.0.0.1",
    ),
    (
        r"UNRESOLVED DEPENDENCIES|unresolved dependency|Server access error|UnknownHostException",
        "Delta Lake's JARs could not be fetched from Maven Central: the first run needs the network (behind a proxy, "
        "name a mirror in spark.jars.ivySettings)",
    ),
    (
        r"insufficient memory|Could not reserve enough space|Cannot allocate memory|Invalid maximum heap",
        "the JVM could not get its memory: free some, or give a smaller --spark.driver-memory",
    ),
    (
        r"Too small maximum heap|System memory \d+ must be at least \d+",
        "a driver heap of {memory} is too small for Spark: give --spark.driver-memory 1g or more",
    ),
    (
        r"(?m)^(.*)\nError: Could not create the Java Virtual Machine",
        "Java refuses an option that it is given ({0}): correct it in the variable that has it: {options}",
    ),
    (
        r"Master must either be|Could not parse Master URL|Invalid master URL|Asked to run locally with 0 threads",
        "there is no Spark master {master}: --spark.master is local[2], local[*], yarn, spark://HOST:PORT or k8s://URL",
    ),
    (
        r"All masters are unresponsive|Cannot call methods on a stopped SparkContext",
        "no Spark master answers at {master}: start it, or correct --spark.master",
    ),
    (
        r"Failed to create a temp directory \(under (.*?)\) after",
        "Spark cannot write to {0}, its folder for temporary files: correct spark.local.dir or java.io.tmpdir where "
        "they are set, or name another by JAVA_TOOL_OPTIONS=-Djava.io.tmpdir=/a/folder ({set})",
    ),
    (
        r"No usable temporary directory",
        "there is no folder for temporary files: set TMPDIR to one that can be written ({tmp})",
    ),
    (
        r"Failed to create (?:any )?local dir(?: in (\S+?))?[.\s]",
        "Spark cannot write its own files to {0}: set SPARK_LOCAL_DIRS (or spark.local.dir) to a folder that can be "
        "written ({local})",
    ),
    (
        r"Error: Unrecognized option: (\S+)",
        "spark-submit has no option {0}: correct it where it is given: {set}",
    ),
    (
        r"(?:Cannot assign requested address|BindException)[^\n]*",
        "Spark cannot listen at the address or port that it was told ({0}): unset SPARK_LOCAL_IP and "
        "spark.driver.bindAddress, or correct them ({address})",
    ),
)


class StartOutput:
    """Holds back the JVM's output until it has started; later output goes to stderr."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._started = threading.Event()
        self._terminal = os.dup(2)
        self.read_end, self.write_end = os.pipe()
        self._pump = threading.Thread(target=self.pump, name="jvm-output", daemon=True)
        self._pump.start()

    def pump(self) -> None:
        """The thread's body: reads until every writer has closed the pipe."""
        while chunk := os.read(self.read_end, 65_536):
            if self._started.is_set():
                os.write(self._terminal, chunk)
            else:
                self._held += chunk

    def started(self) -> None:
        """Sends the JVM's output to the terminal from now on."""
        self._started.set()

    def text(self) -> str:
        """The output held back; complete once the JVM has ended."""
        self._pump.join(timeout=5)
        return self._held.decode(errors="replace")


@contextmanager
def quiet_start() -> Iterator[StartOutput]:
    """Holds back the output of this process and its children in the body. A JVM keeps writing to the pipe."""
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
        for descriptor, original in zip((1, 2), own, strict=True):
            os.dup2(original, descriptor)
            os.close(original)


@contextmanager
def no_jvm_left_behind() -> Iterator[None]:
    """Kills the JVM that the body was starting if the body fails before PySpark is connected.

    Such a JVM would wait for its driver for ever. A connected JVM ends with its driver.
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


@contextmanager
def variables_of_the_jvm(added: Mapping[str, str]) -> Iterator[None]:
    """Adds variables to the environment of processes started in the body, and restores this process's at the end."""
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def why_it_did_not_start(
    printed: str, master: str | None, driver_memory: str | None, environ: Mapping[str, str] = os.environ
) -> MachineError:
    """The error for a failed start of Spark. printed: the JVM's output or its trace."""
    problem = java_problem(environ)
    if problem is not None:
        return MachineError(f"Spark did not start: {problem}")
    for pattern, cause in _CAUSES:
        match = re.search(pattern, printed)
        if match:
            named = next((group for group in match.groups() if group), match[0])
            return MachineError(
                "Spark did not start: "
                + cause.format(
                    named,
                    master=repr(master) if master else "the address that it was given",
                    memory=driver_memory or "1g",
                    options=jvm_options(environ),
                    set=start_variables(environ) or "no variable of Spark's is set",
                    home=values_of(environ, "HOME"),
                    tmp=values_of(environ, "TMPDIR"),
                    local=values_of(environ, "SPARK_LOCAL_DIRS"),
                    address=values_of(environ, "SPARK_LOCAL_IP"),
                )
            )
    words = first_words(printed) or "the JVM printed nothing"
    return MachineError(
        f"Spark did not start (driver heap {driver_memory or '1g'}): {words}: correct the setting behind it, in "
        f"spark-defaults.conf or a variable ({start_variables(environ) or 'none that Spark reads is set'})"
    )
