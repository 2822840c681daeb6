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
    """Variables to add to the environment of a JVM that Spark starts. What the user chose of the same kind stays.

    Args:
        environ: the environment so far.
        small: whether the inputs are small (`small_inputs`).
    """
    chosen = " ".join(environ.get(name, "") for name in (SUBMIT_OPTIONS, "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"))
    options = []
    if small and not any(word in chosen for word in ("Tiered", "CodeCache", "CodeHeap")):
        options.append(_QUICK)
    if not any(word in chosen for word in ("SharedArchive", "ArchiveClasses", "Xshare")) and is_written(archive()):
        options.append(f'"-XX:SharedArchiveFile={archive()}"')
        options += [] if "-Xlog" in chosen else [_QUIET]
    if not options:
        return {}
    given = environ.get(SUBMIT_OPTIONS)
    return {SUBMIT_OPTIONS: " ".join([*options, given] if given else options)}


def small_inputs(*tables: str | None) -> bool:
    """Whether the tables are files of this machine, at most 32 MB in all. A table that is not named has no bytes."""
    left = SMALL_BYTES
    try:
        for table in filter(None, tables):
            for size in _sizes(Path(local_path(table))):
                left -= size
                if left < 0:
                    return False
    except (OSError, ValueError):
        # No file of this machine, or another run is changing them. Whoever reads them says what is wrong.
        return False
    return True


def _sizes(path: Path) -> Iterator[int]:
    """The bytes of a file, or of each file below a folder. A folder that is a link has no known size.

    Raises:
        OSError: there is no such file, or a folder is a link.
    """
    if not path.is_dir():
        yield path.stat().st_size
    for folder, folders, files in os.walk(path):
        if any(os.path.islink(os.path.join(folder, name)) for name in folders):
            raise OSError(f"{folder} has a link to a folder")
        for name in files:
            yield os.stat(os.path.join(folder, name)).st_size


def is_written(file: Path) -> bool:
    """Whether there is an archive. `make install` leaves an empty file where none could be written."""
    return file.is_file() and file.stat().st_size > 0


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
