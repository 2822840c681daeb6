"""Delta Lake's JARs: their Maven coordinates for the installed Spark, and whether a Spark has them.

`make install` copies them into the JARs of the environment's own Spark (`python -m ptofa_spark.running.session`). Then
`spark-submit` of that environment needs no `--packages`, and no session resolves them again.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from urllib.parse import unquote, urlparse

import pyspark
from py4j.java_gateway import JVMView  # type: ignore[import-untyped]  # has no stubs
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]

from ptofa_spark.errors import MachineError

# From this version on, Delta publishes one JAR per version of Spark and names it in the artifact.
_FIRST_NAMED_BY_SPARK = (4, 1)


def delta_package(delta_version: str, spark_version: str) -> str:
    """The coordinates of the JAR that a version of Delta publishes for a version of Spark.

    >>> delta_package("4.0.1", "4.0.5")
    'io.delta:delta-spark_2.13:4.0.1'
    >>> delta_package("4.4.0", "4.2.0")
    'io.delta:delta-spark_4.2_2.13:4.4.0'
    """
    of_spark = "_" + ".".join(spark_version.split(".")[:2]) if _minor(delta_version) >= _FIRST_NAMED_BY_SPARK else ""
    return f"io.delta:delta-spark{of_spark}_2.13:{delta_version}"


def _minor(release: str) -> tuple[int, int]:
    major, minor = release.split(".")[:2]
    return int(major), int(minor)


DELTA_PACKAGE = delta_package(version("delta-spark"), pyspark.__version__)
_DELTA_JAR = "-".join(DELTA_PACKAGE.split(":")[1:]) + ".jar"


def require_delta(jvm: JVMView) -> None:
    """Requires Delta's classes on the class path of the JVM.

    Raises:
        MachineError: they are not there.
    """
    try:
        loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
        jvm.java.lang.Class.forName("io.delta.sql.DeltaSparkSessionExtension", False, loader)
    except Py4JJavaError as error:
        raise MachineError(
            f"Delta Lake's JARs are not on Spark's class path: add `--packages {DELTA_PACKAGE}` to spark-submit"
        ) from error


def has_delta(spark_home: Path) -> bool:
    """Whether a Spark has Delta's JARs, of the installed version, among its own."""
    return (spark_home / "jars" / _DELTA_JAR).is_file()


def keep_jars(jars: Sequence[str], spark_home: Path) -> None:
    """Copies Delta's JARs to Spark's own, with what they ask for and Spark lacks. Other versions of Delta are removed.

    jars: paths or `file:` URIs of resolved JARs, each named `group_artifact-version.jar`.
    """
    folder = spark_home / "jars"
    for jar in folder.glob("delta-*.jar"):
        jar.unlink()
    of_spark = {_artifact(jar.name) for jar in folder.glob("*.jar")}
    files = [Path(unquote(urlparse(jar).path) if jar.startswith("file:") else jar) for jar in jars]
    # Delta's own JAR last: `has_delta` then finds all of them or none.
    for file in sorted(files, key=lambda file: file.name.endswith(_DELTA_JAR)):
        name = file.name.partition("_")[2]
        if _artifact(name) not in of_spark:
            part = folder / f".{name}.part"
            shutil.copy(file, part)
            part.rename(folder / name)


def _artifact(jar: str) -> str:
    """A JAR's name without its version."""
    return re.sub(r"-\d[^-]*(-\d+)?\.jar$", "", jar)
