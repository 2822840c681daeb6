"""How Spark's JVM starts: with classes that are ready to use, and for small inputs with Java's first compiler alone.

A JVM spends most of a short job on its own start. It reads and verifies Spark's classes, and compiles Java code with an
optimising compiler that a short job never repays.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pyspark import SparkContext

from ptofa_spark.running.local_folder import local_path

# Beyond it, what the optimising compiler makes of the code repays its time.
SMALL_BYTES = 32 * 2**20
SUBMIT_OPTIONS = "SPARK_SUBMIT_OPTS"
# The first compiler alone would get 48 MB for its code, too little for Spark's queries.
_QUICK = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
# A JVM of another Java or class path ignores the file. It would warn of that on stdout.
_QUIET = "-Xlog:disable -Xlog:all=error:stderr"


def archive() -> Path:
    """The file with Spark's classes, read and verified, of this environment. `make install` writes it."""
    return Path(sys.prefix) / "share" / "ptofa_spark" / "spark-classes.jsa"


def java_variables(environ: Mapping[str, str], *, small: bool) -> dict[str, str]:
    """Variables to add to the environment of a JVM that Spark starts. Options that the user set stay as they are.

    Args:
        environ: the environment so far.
        small: whether the inputs are small (`small_inputs`).
    """
    given = environ.get(SUBMIT_OPTIONS, "")
    options = [given] if given else []
    if small and "TieredStopAtLevel" not in given:
        options.append(_QUICK)
    if "SharedArchiveFile" not in given and "ArchiveClassesAtExit" not in given and archive().is_file():
        options.append(f'"-XX:SharedArchiveFile={archive()}" {_QUIET}')
    return {SUBMIT_OPTIONS: " ".join(options)} if options else {}


def small_inputs(*tables: str | None) -> bool:
    """Whether the tables are files of this machine, at most 32 MB in all. A table that is not named has no bytes."""
    left = SMALL_BYTES
    for table in filter(None, tables):
        try:
            path = Path(local_path(table))
        except ValueError:
            return False
        if not path.exists():
            return False
        for size in _sizes(path):
            left -= size
            if left < 0:
                return False
    return True


def _sizes(path: Path) -> Iterator[int]:
    """The bytes of a file, or of each file below a folder."""
    if path.is_file():
        yield path.stat().st_size
    for folder, _, files in os.walk(path):
        for name in files:
            yield os.lstat(os.path.join(folder, name)).st_size


def write_archive(work: Callable[[], None]) -> None:
    """Writes the archive of the classes that some work loads. No JVM may run yet.

    Args:
        work: starts a session and uses what most jobs use of Spark.
    """
    target = archive()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as made:
        written = Path(made) / target.name
        os.environ[SUBMIT_OPTIONS] = f'{_QUICK} "-XX:ArchiveClassesAtExit={written}" {_QUIET}'
        work()
        gateway = SparkContext._gateway
        assert gateway is not None  # the work started a session
        # The JVM ends with its standard input, and writes the file in ending.
        gateway.shutdown()
        gateway.proc.communicate(timeout=600)
        written.replace(target)
