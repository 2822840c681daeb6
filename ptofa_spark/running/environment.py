"""Variables of the environment that stop Spark or lead it astray: each is told by its name, its value and the way out.

Checks that run before the JVM starts are about what Spark would only trip over later. Whatever may still work is left
alone, and looked at when Spark did not start.
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

JAVAS = (17, 21)  # the Javas that Spark 4.0 is tested with
_SECONDS = 120.0  # what a foreign interpreter may take to answer on a busy machine
_JVM_OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS", "SPARK_LAUNCHER_OPTS")
# What Spark's start depends on; named where nothing better is known.
_OF_A_START = ("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS", "JAVA_HOME", *_JVM_OPTIONS)
# Of a Spark worker, beside the standard library.
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
    """Refuses what no start of Spark's JVM by this process can come through.

    Raises:
        MachineError: a variable asks for Spark Connect, SPARK_HOME holds no Spark or another one than the installed
            pyspark, or PYSPARK_SUBMIT_ARGS cannot be read.
    """
    for name in ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED"):
        if name in environ:
            raise MachineError(f"{said(environ, name)}: the jobs need Spark itself, not Spark Connect: unset {name}")
    if environ.get("SPARK_API_MODE", "").lower() == "connect":
        raise MachineError(f"{said(environ, 'SPARK_API_MODE')}: the jobs need Spark itself: unset SPARK_API_MODE")
    _require_spark_home(environ, pyspark_version)
    words = environ.get("PYSPARK_SUBMIT_ARGS")
    if words is None:
        return
    try:
        complete = "pyspark-shell" in shlex.split(words)
    except ValueError as error:
        raise MachineError(
            f"{said(environ, 'PYSPARK_SUBMIT_ARGS')}, which cannot be split into words ({error}): mend it, or unset it"
        ) from error
    if not complete:
        raise MachineError(
            f"{said(environ, 'PYSPARK_SUBMIT_ARGS')}, and its last word must be pyspark-shell: add it, or unset it"
        )


def _require_spark_home(environ: Mapping[str, str], pyspark_version: str) -> None:
    home = environ.get("SPARK_HOME")
    if home is None:
        return
    way_out = f"unset SPARK_HOME, or set it to a Spark {_minor(pyspark_version)}"
    if not (Path(home) / "bin" / "spark-submit").is_file():
        raise MachineError(
            f"{said(environ, 'SPARK_HOME')}, which holds no Spark (no bin/spark-submit there): {way_out}"
        )
    found = [
        re.fullmatch(r"spark-core_[\d.]+-(.+)\.jar", jar.name) for jar in (Path(home) / "jars").glob("spark-core_*")
    ]
    versions = [match[1] for match in found if match]
    if versions and _minor(pyspark_version) not in map(_minor, versions):
        raise MachineError(
            f"{said(environ, 'SPARK_HOME')}, a Spark {versions[0]}, and the installed pyspark is {pyspark_version}: "
            f"{way_out}"
        )


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def require_local_dirs(environ: Mapping[str, str]) -> None:
    """Refuses a SPARK_LOCAL_DIRS of which no folder can be written; Spark is content with one.

    Raises:
        MachineError: Spark could not put down its blocks and shuffled rows.
    """
    folders = [folder.strip() for folder in environ.get("SPARK_LOCAL_DIRS", "").split(",") if folder.strip()]
    # YARN gives its containers folders of its own.
    if not folders or "CONTAINER_ID" in environ:
        return
    reasons = [_why_not_writable(folder) for folder in folders]
    if None not in reasons:
        raise MachineError(
            f"{said(environ, 'SPARK_LOCAL_DIRS')}, where Spark cannot write its own files ({reasons[0]}): "
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
    """Refuses a PYSPARK_PYTHON that cannot run this machine's Spark workers.

    Raises:
        MachineError: there is no such interpreter, it is another Python than the driver's, or lacks a package.
    """
    wanted = environ.get("PYSPARK_PYTHON")
    if not wanted:
        return
    way_out = f"unset PYSPARK_PYTHON, or set it to {sys.executable}"
    found = shutil.which(wanted, path=environ.get("PATH"))
    if found is None:
        raise MachineError(f"{said(environ, 'PYSPARK_PYTHON')}, and there is no such program: {way_out}")
    # By its place, not by what it links to: a virtual environment's interpreter links to one that lacks its packages.
    if Path(found).absolute().parent == Path(sys.executable).absolute().parent and os.path.samefile(
        found, sys.executable
    ):
        return
    try:
        answer = subprocess.run(
            [found, "-c", _PROBE, *_PACKAGES],
            env={**environ, "PYTHONSAFEPATH": "1"},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        version, missing = answer.stdout.splitlines()[0], answer.stdout.splitlines()[1:]
    except (OSError, subprocess.TimeoutExpired, IndexError) as error:
        raise MachineError(f"{said(environ, 'PYSPARK_PYTHON')}, which is no Python that runs: {way_out}") from error
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version != own:
        raise MachineError(f"{said(environ, 'PYSPARK_PYTHON')}, a Python {version}, and the job runs {own}: {way_out}")
    if missing and missing[0]:
        raise MachineError(f"{said(environ, 'PYSPARK_PYTHON')}, which lacks {', '.join(missing[0].split())}: {way_out}")


def what_java_lacks(environ: Mapping[str, str]) -> str | None:
    """What is wrong with the Java that Spark would take, and the way out; None if it is a Java of Spark 4."""
    home = environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java", path=environ.get("PATH"))
    named = said(environ, "JAVA_HOME")
    if java is None:
        return f"no Java was found: none on PATH, and {named}: install Java 17, or set JAVA_HOME to it"
    if not Path(java).is_file():
        return f"no Java was found: {named}, which has no bin/java: install Java 17, or set JAVA_HOME to it"
    bare = {name: value for name, value in environ.items() if name not in _JVM_OPTIONS}
    try:
        answer = subprocess.run(
            [java, "-version"], env=bare, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return f"{java} does not run, and {named}: install Java 17, or set JAVA_HOME to it"
    version = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    if version is None:
        return f"{java} is no Java, and {named}: install Java 17, or set JAVA_HOME to it"
    if int(version[1]) in JAVAS:
        return None
    return f"{java} is Java {version[1]}, Spark 4 needs 17 or 21, and {named}: set JAVA_HOME to one of them"


def of_the_jvm(environ: Mapping[str, str], spark_home: str) -> dict[str, str]:
    """The variables that Spark's JVM is started with beside those that are set; its Python workers inherit them.

    - LC_ALL: Java takes the encoding of file names from the locale, Python is at UTF-8 in the POSIX locale too.
    - SPARK_HOME: Spark's scripts would look for it by PYSPARK_DRIVER_PYTHON, which may be a notebook server.
    - SPARK_LOCAL_IP: Spark asks for the address of the machine's name, which in a container may have none.
    """
    added = {"SPARK_HOME": spark_home}
    if sys.getfilesystemencoding() == "utf-8" and locale.getencoding().lower() not in ("utf-8", "utf8"):
        found = next((name for name in ("C.UTF-8", "en_US.UTF-8") if is_locale(name)), None)
        if found is not None:
            added["LC_ALL"] = found
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


def hiding(folders: Iterable[str]) -> list[str]:
    """The files of these folders that Python would import in place of its own modules, or of a package of the jobs."""
    found = []
    for folder in map(Path, folders):
        if not folder.is_dir() or folder.name in ("site-packages", "dist-packages", "lib-dynload"):
            continue
        if (folder / "encodings" / "__init__.py").is_file():
            continue  # the standard library itself
        for entry in sorted(folder.iterdir()):
            if entry.suffix == ".py" and entry.stem in _HIDEABLE and entry.is_file():
                found.append(str(entry))
            # Our own package's folder, or a package's, is where somebody may well have put it.
            elif entry.name in sys.stdlib_module_names and (entry / "__init__.py").is_file():
                found.append(str(entry / "__init__.py"))
    return found


def jvm_options(environ: Mapping[str, str]) -> str:
    """The variables that give options to every JVM, those that are set, with their values."""
    return said(environ, *_JVM_OPTIONS)


def of_a_start(environ: Mapping[str, str]) -> str:
    """The variables that Spark's start depends on, those that are set, with their values; empty if none is."""
    return said(environ, *_OF_A_START) if any(name in environ for name in _OF_A_START) else ""


def said(environ: Mapping[str, str], *names: str) -> str:
    """The variables that are set, with their values.

    >>> said({"SPARK_HOME": "/opt/spark"}, "SPARK_HOME", "JAVA_HOME")
    "SPARK_HOME is '/opt/spark'"
    >>> said({}, "SPARK_HOME", "JAVA_HOME")
    'SPARK_HOME, JAVA_HOME are not set'
    """
    given = [f"{name} is {environ[name]!r}" for name in names if name in environ]
    return ", ".join(given) or f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} not set"
