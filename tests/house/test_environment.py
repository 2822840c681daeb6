"""What a user can set wrong on the machine: one line names the variable, its value and the way out."""

from __future__ import annotations

import locale
import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest

from ptofa_spark.errors import MachineError
from ptofa_spark.running.environment import (
    added_jvm_variables,
    hiding_modules,
    is_locale,
    java_problem,
    require_local_dirs,
    require_startable,
    require_worker_python,
)
from ptofa_spark.running.java import jvm
from ptofa_spark.running.java.jvm import why_it_did_not_start

SPARK = str(Path(pyspark.__file__).parent)
# No folder can be made below a file, whoever asks: the tests may run as root.
NO_FOLDER = "/dev/null/x"


def program(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


def said_of_a_start(printed: str, **environ: str) -> str:
    """What is said of a start that printed this, where these variables are set beside those that find Java."""
    java = {name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ}
    error = why_it_did_not_start(printed, "lokal[2]", "100m", java | environ)
    return str(error).removeprefix("Spark did not start: ")


def test_a_spark_home_without_this_spark_is_named(tmp_path: Path) -> None:
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / "spark-core_2.12-3.5.1.jar").touch()
    require_startable({}, pyspark.__version__)
    require_startable({"SPARK_HOME": SPARK}, pyspark.__version__)
    for home, said in (
        ("/opt/gone", "holds no Spark (no bin/spark-submit there)"),
        ("", "holds no Spark"),
        (str(tmp_path), "holds no Spark"),
    ):
        with pytest.raises(MachineError) as caught:
            require_startable({"SPARK_HOME": home}, pyspark.__version__)
        assert f"SPARK_HOME is {home!r}" in str(caught.value)
        assert said in str(caught.value)
    program(tmp_path / "bin" / "spark-submit")
    with pytest.raises(MachineError, match=r"a Spark 3\.5\.1, and the installed pyspark is 4\..*: unset SPARK_HOME"):
        require_startable({"SPARK_HOME": str(tmp_path)}, pyspark.__version__)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PYSPARK_SUBMIT_ARGS", "--master local[1]", "its last word must be pyspark-shell: add it"),
        ("PYSPARK_SUBMIT_ARGS", "", "its last word must be pyspark-shell: add it"),
        ("PYSPARK_SUBMIT_ARGS", '--conf "a', "cannot be split into words (No closing quotation)"),
        ("SPARK_REMOTE", "sc://host", "unset SPARK_REMOTE"),
        ("SPARK_API_MODE", "connect", "unset SPARK_API_MODE"),
    ],
)
def test_a_variable_with_which_spark_cannot_start_is_named(name: str, value: str, said: str) -> None:
    require_startable({"PYSPARK_SUBMIT_ARGS": "--conf a=b pyspark-shell"}, pyspark.__version__)
    with pytest.raises(MachineError) as caught:
        require_startable({name: value}, pyspark.__version__)
    assert str(caught.value).startswith(f"{name} is {value!r}")
    assert said in str(caught.value)


def test_local_dirs_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    require_local_dirs({"SPARK_LOCAL_DIRS": f"{NO_FOLDER},{tmp_path / 'made'}"})
    require_local_dirs({"SPARK_LOCAL_DIRS": NO_FOLDER, "CONTAINER_ID": "of YARN"})
    with pytest.raises(MachineError, match=r"SPARK_LOCAL_DIRS is '/dev/null/x'.*Not a directory.*or unset it"):
        require_local_dirs({"SPARK_LOCAL_DIRS": NO_FOLDER})


def test_a_python_that_cannot_run_the_workers_is_named(tmp_path: Path) -> None:
    own = str(Path(sys.executable))
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    bare = Path(sys.base_prefix) / "bin" / f"python{version}"
    for good in ("", own, f"{Path(own).parent}/python{version}"):
        require_worker_python(os.environ | {"PYSPARK_PYTHON": good})
    for wanted, said in (
        ("/nowhere/python", "there is no such program"),
        (str(program(tmp_path / "no-python", "echo 'usage: me' >&2", "exit 2")), "no Python that runs"),
        (str(program(tmp_path / "python3.9", "echo 3.9", "echo")), f"a Python 3.9, and the job runs {version}"),
        (str(bare), "which lacks numpy, pandas, pyarrow"),
    ):
        environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        with pytest.raises(MachineError) as caught:
            require_worker_python(environ | {"PYSPARK_PYTHON": wanted})
        assert str(caught.value).startswith(f"PYSPARK_PYTHON is {wanted!r}")
        assert said in str(caught.value)
        assert str(caught.value).endswith(f"unset PYSPARK_PYTHON, or set it to {own}")


def test_a_java_that_spark_cannot_use_is_named(tmp_path: Path) -> None:
    assert java_problem(os.environ) is None
    lacking = java_problem({"PATH": str(tmp_path)}) or ""
    assert lacking == (
        "no Java was found: none on PATH, and JAVA_HOME is not set: install Java 17, or set JAVA_HOME to it"
    )
    for version, said in (('"1.8.0_402"', "is Java 8,"), ('"25.0.1" 2025-10-21', "is Java 25,"), ("", "is no Java,")):
        program(tmp_path / "bin" / "java", f"echo 'openjdk version {version}' >&2")
        found = said_of_a_start("[JAVA_GATEWAY_EXITED]", JAVA_HOME=str(tmp_path))
        assert f"{tmp_path}/bin/java {said}" in found
        assert f"JAVA_HOME is '{tmp_path}'" in found


@pytest.mark.parametrize(
    ("printed", "environ", "said"),
    [
        (
            "Server access error\njava.io.FileNotFoundException: /dev/null/x/.ivy2.5.2/cache/resolved-org-1.0.xml (No)",
            {"HOME": NO_FOLDER},
            "Spark cannot write to /dev/null/x/.ivy2.5.2, where it keeps Delta Lake's JARs (HOME is '/dev/null/x')",
        ),
        (
            'Exception in thread "main" java.net.UnknownHostException: me: me: Name or service not known',
            {},
            "this machine's name me has no address: add it to /etc/hosts",
        ),
        ("java.net.UnknownHostException: repo1.maven.org", {}, "Delta Lake's JARs could not be fetched"),
        (
            "Picked up\nUnrecognized option: -Xfoo\nError: Could not create the Java Virtual Machine.",
            {"JAVA_TOOL_OPTIONS": "-Xfoo"},
            "(Unrecognized option: -Xfoo): correct it in the variable that has it: JAVA_TOOL_OPTIONS is '-Xfoo'",
        ),
        (
            "Error: Unrecognized option: --foo\nUsage: spark-submit",
            {"PYSPARK_SUBMIT_ARGS": "--foo pyspark-shell"},
            "spark-submit has no option --foo: correct it where it is given: PYSPARK_SUBMIT_ARGS is '--foo pyspark-",
        ),
        ("SparkException: Master must either be yarn", {}, "there is no Spark master 'lokal[2]': --spark.master is"),
        ("Could not parse Master URL: 'lokal[2]'", {}, "there is no Spark master 'lokal[2]'"),
        ("Cannot call methods on a stopped SparkContext.", {}, "no Spark master answers at 'lokal[2]': start it"),
        ("System memory 104857600 must be at least 471859200.", {}, "a driver heap of 100m is too small"),
        (
            "java.io.IOException: Failed to create a temp directory (under /dev/null/x) after 10 attempts!",
            {"SPARK_CONF_DIR": "/conf"},
            "cannot write to /dev/null/x, its folder for temporary files: correct spark.local.dir or java.io.tmpdir",
        ),
        ("No usable temporary directory found in []", {"TMPDIR": NO_FOLDER}, "(TMPDIR is '/dev/null/x')"),
        (
            "ERROR: Failed to create local dir in /dev/null/x. Ignoring",
            {},
            "Spark cannot write its own files to /dev/n",
        ),
        ("java.net.BindException: Cannot assign requested address", {"SPARK_LOCAL_IP": "10.9.9.9"}, "'10.9.9.9'"),
        (
            ": java.lang.IllegalArgumentException: spark.driver.port should be int, but was abc\n\tat org.apache",
            {"SPARK_CONF_DIR": "/conf"},
            "spark.driver.port should be int, but was abc: correct the setting behind it, in spark-defaults.conf or a",
        ),
    ],
)
def test_a_failed_start_names_its_cause(printed: str, environ: dict[str, str], said: str) -> None:
    assert said in said_of_a_start(printed, **environ)


def test_a_module_that_hides_pythons_own_is_found(tmp_path: Path) -> None:
    (tmp_path / "email").mkdir()
    (tmp_path / "email" / "__init__.py").touch()
    for own in ("job.py", "funds.py", "random"):
        (tmp_path / own).touch()
    (tmp_path / "ptofa_spark").mkdir()
    assert hiding_modules([str(tmp_path / "none"), *sys.path]) == []
    for name in ("calendar.py", "numpy.py"):
        (tmp_path / name).touch()
    assert hiding_modules([str(tmp_path)]) == [
        str(tmp_path / name) for name in ("calendar.py", "email/__init__.py", "numpy.py")
    ]


ADDED = (
    "import os; from ptofa_spark.running.environment import added_jvm_variables; "
    "print(added_jvm_variables(os.environ, '/spark').get('LC_ALL'))"
)


def test_the_jvm_gets_a_utf_8_locale_where_python_has_one() -> None:
    """Java takes the encoding of names from the locale. Python by itself uses UTF-8 in the POSIX locale too."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))}
    for given, added in (({"LC_ALL": "C"}, True), ({"LC_ALL": "C.UTF-8"}, False), ({"LANG": "C.UTF-8"}, False)):
        done = subprocess.run(
            [sys.executable, "-c", ADDED], env=bare | given, capture_output=True, text=True, check=True
        )
        assert (done.stdout.strip() in ("C.UTF-8", "en_US.UTF-8")) == added, given


def test_asking_for_a_locale_leaves_that_of_the_process() -> None:
    before = locale.setlocale(locale.LC_CTYPE)
    assert not is_locale("xx_YY.UTF-8")
    assert locale.setlocale(locale.LC_CTYPE) == before


def test_spark_is_told_its_home() -> None:
    added = added_jvm_variables({"SPARK_LOCAL_IP": "10.0.0.1"}, "/spark")
    assert added["SPARK_HOME"] == "/spark"
    assert "SPARK_LOCAL_IP" not in added


def test_this_process_keeps_its_variables() -> None:
    before = dict(os.environ)
    with jvm.variables_of_the_jvm({"SPARK_HOME": "/spark", "LC_ALL": "C"}):
        assert (os.environ["SPARK_HOME"], os.environ["LC_ALL"]) == ("/spark", "C")
    assert dict(os.environ) == before
