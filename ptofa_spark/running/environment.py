"""Checks of environment variables that stop Spark or mislead it. Each error names the variable, its value and a remedy.

Before the JVM starts, only variables that are certain to fail are rejected. The others are examined if Spark does not
start.
"""

from __future__ import annotations

import locale
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ptofa_spark.errors import MachineError

JAVAS = (17, 21)  # the Java versions that Spark 4 is tested with
_SECONDS = 120.0  # time limit for another interpreter to answer on a busy machine
_JVM_OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS", "SPARK_LAUNCHER_OPTS")
# Variables that Spark's start depends on. A message lists them if it cannot name the one at fault.
_START_VARIABLES = ("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS", "JAVA_HOME", *_JVM_OPTIONS)
# A Spark worker imports these besides the standard library.
_PACKAGES = ("numpy", "pandas", "pyarrow", "ptofa_spark")
_HIDEABLE = sys.stdlib_module_names | {*_PACKAGES, "pyspark", "py4j", "delta", "torch", "pydantic", "yaml", "dateutil"}
_PROBE = """
import sys
print("%d.%d" % sys.version_info[:2])
if sys.version_info >= (3, 4):
    from importlib.util import find_spec
    print(" ".join(name for name in sys.argv[1:] if find_spec(name) is None))
"""


def require_startable(environ: Mapping[str, str], pyspark_version: str) -> None:
    """Rejects variables with which this process can never start Spark's JVM.

    Raises:
        MachineError: a variable asks for Spark Connect, SPARK_HOME holds no Spark or another one than the installed
            pyspark, or PYSPARK_SUBMIT_ARGS cannot be read.
    """
    for name in ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED"):
        if name in environ:
            raise MachineError(
                f"{values_of(environ, name)}: the jobs need Spark itself, not Spark Connect: unset {name}"
            )
    if environ.get("SPARK_API_MODE", "").lower() == "connect":
        raise MachineError(f"{values_of(environ, 'SPARK_API_MODE')}: the jobs need Spark itself: unset SPARK_API_MODE")
    _require_spark_home(environ, pyspark_version)
    words = environ.get("PYSPARK_SUBMIT_ARGS")
    if words is None:
        return
    try:
        complete = "pyspark-shell" in shlex.split(words)
    except ValueError as error:
        raise MachineError(
            f"{values_of(environ, 'PYSPARK_SUBMIT_ARGS')}, which cannot be split into words ({error}): "
            "mend it, or unset it"
        ) from error
    if not complete:
        raise MachineError(
            f"{values_of(environ, 'PYSPARK_SUBMIT_ARGS')}, and its last word must be pyspark-shell: add it, or unset it"
        )


def _require_spark_home(environ: Mapping[str, str], pyspark_version: str) -> None:
    home = environ.get("SPARK_HOME")
    if home is None:
        return
    way_out = f"unset SPARK_HOME, or set it to a Spark {_minor(pyspark_version)}"
    if not (Path(home) / "bin" / "spark-submit").is_file():
        raise MachineError(
            f"{values_of(environ, 'SPARK_HOME')}, which holds no Spark (no bin/spark-submit there): {way_out}"
        )
    core_jars = [
        re.fullmatch(r"spark-core_[\d.]+-(.+)\.jar", jar.name) for jar in (Path(home) / "jars").glob("spark-core_*")
    ]
    versions = [match[1] for match in core_jars if match]
    if versions and _minor(pyspark_version) not in map(_minor, versions):
        raise MachineError(
            f"{values_of(environ, 'SPARK_HOME')}, a Spark {versions[0]}, and the installed pyspark is "
            f"{pyspark_version}: {way_out}"
        )


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def require_local_dirs(environ: Mapping[str, str]) -> None:
    """Requires one writable folder in SPARK_LOCAL_DIRS, which is all that Spark needs.

    Raises:
        MachineError: no folder is writable, so Spark could not store its blocks and shuffled rows.
    """
    folders = [folder.strip() for folder in environ.get("SPARK_LOCAL_DIRS", "").split(",") if folder.strip()]
    # YARN overrides SPARK_LOCAL_DIRS in its containers.
    if not folders or "CONTAINER_ID" in environ:
        return
    reasons = [_why_not_writable(folder) for folder in folders]
    if None not in reasons:
        raise MachineError(
            f"{values_of(environ, 'SPARK_LOCAL_DIRS')}, where Spark cannot write its own files ({reasons[0]}): "
            "set it to a folder that can be written, or unset it"
        )


def _why_not_writable(folder: str) -> str | None:
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror


def require_worker_python(environ: Mapping[str, str]) -> None:
    """Rejects a PYSPARK_PYTHON that cannot run this machine's Spark workers.

    Raises:
        MachineError: there is no such interpreter, its version differs from the driver's, or it lacks a package.
    """
    wanted = environ.get("PYSPARK_PYTHON")
    if not wanted:
        return
    way_out = f"unset PYSPARK_PYTHON, or set it to {sys.executable}"
    interpreter = shutil.which(wanted, path=environ.get("PATH"))
    if interpreter is None:
        raise MachineError(f"{values_of(environ, 'PYSPARK_PYTHON')}, and there is no such program: {way_out}")
    # Compare folders too: a virtual environment's interpreter links to one that lacks its packages.
    if Path(interpreter).absolute().parent == Path(sys.executable).absolute().parent and os.path.samefile(
        interpreter, sys.executable
    ):
        return
    try:
        answer = subprocess.run(
            [interpreter, "-c", _PROBE, *_PACKAGES],
            env={**environ, "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        version, missing = answer.stdout.splitlines()[0], answer.stdout.splitlines()[1:]
    except (OSError, subprocess.TimeoutExpired, IndexError) as error:
        raise MachineError(
            f"{values_of(environ, 'PYSPARK_PYTHON')}, which is no Python that runs: {way_out}"
        ) from error
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version != own:
        raise MachineError(
            f"{values_of(environ, 'PYSPARK_PYTHON')}, a Python {version}, and the job runs {own}: {way_out}"
        )
    if missing and missing[0]:
        raise MachineError(
            f"{values_of(environ, 'PYSPARK_PYTHON')}, which lacks {', '.join(missing[0].split())}: {way_out}"
        )


def java_problem(environ: Mapping[str, str]) -> str | None:
    """What is wrong with the Java that Spark would use, and the remedy; None if Spark 4 supports it."""
    home = environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java", path=environ.get("PATH"))
    java_home = values_of(environ, "JAVA_HOME")
    if java is None:
        return f"no Java was found: none on PATH, and {java_home}: install Java 17, or set JAVA_HOME to it"
    if not Path(java).is_file():
        return f"no Java was found: {java_home}, which has no bin/java: install Java 17, or set JAVA_HOME to it"
    bare = {name: value for name, value in environ.items() if name not in _JVM_OPTIONS}
    try:
        answer = subprocess.run(
            [java, "-version"], env=bare, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return f"{java} does not run, and {java_home}: install Java 17, or set JAVA_HOME to it"
    version = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    if version is None:
        return f"{java} is no Java, and {java_home}: install Java 17, or set JAVA_HOME to it"
    if int(version[1]) in JAVAS:
        return None
    return f"{java} is Java {version[1]}, Spark 4 needs 17 or 21, and {java_home}: set JAVA_HOME to one of them"


def added_jvm_variables(environ: Mapping[str, str], spark_home: str) -> dict[str, str]:
    """Variables to add to the environment of Spark's JVM. Its Python workers inherit them.

    - LC_ALL: Java takes the encoding of file names from the locale; Python uses UTF-8 in the POSIX locale too.
    - SPARK_HOME: Spark's scripts would find it through PYSPARK_DRIVER_PYTHON, which may be a notebook server.
    - SPARK_LOCAL_IP: Spark resolves the machine's name, which in a container may have no address.
    """
    added = {"SPARK_HOME": spark_home}
    if sys.getfilesystemencoding() == "utf-8" and locale.getencoding().lower() not in ("utf-8", "utf8"):
        utf_8 = next((name for name in ("C.UTF-8", "en_US.UTF-8") if is_locale(name)), None)
        if utf_8 is not None:
            added["LC_ALL"] = utf_8
    if "SPARK_LOCAL_IP" not in environ and not _machine_has_an_address():
        added["SPARK_LOCAL_IP"] = "127.0.0.1"
    return added


def is_locale(name: str) -> bool:
    """Whether this machine has the locale; the process keeps its own."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
    except locale.Error:
        return False
    locale.setlocale(locale.LC_CTYPE, before)
    return True


def _machine_has_an_address() -> bool:
    try:
        socket.gethostbyname(socket.gethostname())
    except OSError:
        return False
    return True


def hiding_modules(folders: Iterable[str]) -> list[str]:
    """Files in these folders that Python would import instead of a standard module or a package that the jobs need."""
    paths = []
    for folder in map(Path, folders):
        if not folder.is_dir() or folder.name in ("site-packages", "dist-packages", "lib-dynload"):
            continue
        if (folder / "encodings" / "__init__.py").is_file():
            continue  # the standard library itself
        for entry in sorted(folder.iterdir()):
            if entry.suffix == ".py" and entry.stem in _HIDEABLE and entry.is_file():
                paths.append(str(entry))
            # A folder named as a third-party package may be that package itself, so check only standard modules.
            elif entry.name in sys.stdlib_module_names and (entry / "__init__.py").is_file():
                paths.append(str(entry / "__init__.py"))
    return paths


def jvm_options(environ: Mapping[str, str]) -> str:
    """The variables that pass options to every JVM, with their values."""
    return values_of(environ, *_JVM_OPTIONS)


def start_variables(environ: Mapping[str, str]) -> str:
    """The variables that Spark's start depends on, with their values; empty if none is set."""
    return values_of(environ, *_START_VARIABLES) if any(name in environ for name in _START_VARIABLES) else ""


def values_of(environ: Mapping[str, str], *names: str) -> str:
    """The variables that are set, with their values, as text for a message.

    >>> values_of({"SPARK_HOME": "/opt/spark"}, "SPARK_HOME", "JAVA_HOME")
    "SPARK_HOME is '/opt/spark'"
    >>> values_of({}, "SPARK_HOME", "JAVA_HOME")
    'SPARK_HOME, JAVA_HOME are not set'
    """
    given = [f"{name} is {environ[name]!r}" for name in names if name in environ]
    return ", ".join(given) or f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} not set"
