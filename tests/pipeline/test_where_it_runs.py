"""A job in a container, in the shell of a notebook server or beside foreign modules ends well, or in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.find_spark_home import _find_spark_home

from ptofa_spark.running.delta_jars import DELTA_PACKAGE
from tests.run_job import JOBS

WORDS = (
    "--scores=é/scores.csv", "--funds=é/funds.csv", "--demands=é/demands.csv", "--method=ha",
    "--output=sortie_é", "--report=rapport_é", "--driver-users=1",
)  # fmt: skip
SESSION = ("--spark.master=local[2]", "--spark.driver-memory=1g", "--spark.shuffle-partitions=2")
# A container runs in the POSIX locale. Many shells name a notebook server as PySpark's driver.
CONTAINER = {"LC_ALL": "C", "PYSPARK_DRIVER_PYTHON": "jupyter-nowhere"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(tmp_path)


def written(folder: Path) -> Path:
    """A campaign of six users, in a folder whose name has an accent; the folder that holds it."""
    tables = folder / "é"
    tables.mkdir()
    rows = [f"{user},{1 + user % 2},{fund},{user}" for user in range(6) for fund in "ab" if fund == "a" or user % 2]
    (tables / "scores.csv").write_text("\n".join(["user_id,risk_tolerance,fund_id,expected_revenue", *rows, ""]))
    (tables / "funds.csv").write_text("fund_id,risk_level\na,1\nb,2\n")
    (tables / "demands.csv").write_text("campaign_id,fund_id,demand\nété,a,3\nété,b,3\n")
    return folder


def run(folder: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=os.environ | environ, capture_output=True, text=True, encoding="utf-8", check=False
    )


def test_a_job_in_the_posix_locale_takes_accents_beside_foreign_modules(folder: Path) -> None:
    """By Spark's passes: their Python workers would import the calendar and the numpy of the job's directory."""
    for module in ("calendar", "numpy", "types"):
        (folder / f"{module}.py").write_text("raise RuntimeError('not the one that Python means')\n")
    ended = run(folder, sys.executable, str(JOBS / "allocate.py"), *WORDS, *SESSION, **CONTAINER)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "6 of 6 users served" in ended.stdout
    assert (folder / "sortie_é" / "_delta_log").is_dir()
    assert (folder / "rapport_é" / "allocation.json").is_file()


# spark-submit runs this: the words that it was given, those of a settings file, words of ASCII letters alone.
THREE_RUNS = """
import sys
from ptofa_spark.running.job import run_as_job
from tests.run_job import job_module

allocate = job_module("allocate").main
rest = ["--funds=funds.csv", "--demands=demands.csv"]
for words in (
    sys.argv[1:],
    [*rest, "--report=aus-report", "--config=conf.yaml"],
    [*rest, "--report=report", "--scores=scores.csv", "--output=allocation"],
):
    sys.argv[1:] = words
    print(run_as_job(allocate), end="\\x1e", flush=True)
"""


@pytest.fixture(scope="module")
def submitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of three runs of one spark-submit in the POSIX locale, and what each run printed.

    `make install` copies Delta's JARs to those of the environment's Spark: nothing else names them here.
    """
    folder = written(tmp_path_factory.mktemp("submitted"))
    (folder / "conf.yaml").write_text("allocate: {expected_revenue: é/scores.csv, output: aus}", encoding="utf-8")
    for table in ("scores.csv", "funds.csv", "demands.csv"):
        shutil.copy(folder / "é" / table, folder)
    (folder / "runs.py").write_text(THREE_RUNS)
    command = str(Path(_find_spark_home()) / "bin" / "spark-submit")
    conf = ("--master", "local[2]", "--conf", "spark.sql.shuffle.partitions=2")
    ended = run(
        folder, command, *conf, "runs.py", *WORDS,
        LC_ALL="C", PYSPARK_PYTHON=sys.executable, PYTHONPATH=str(JOBS.parent),
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    # spark-submit writes all output of Python to its own standard output.
    return folder, ended.stdout.split("\x1e")


def test_spark_submit_names_the_locale_in_which_a_name_is_lost(submitted: tuple[Path, list[str]]) -> None:
    """The JVM hands a word with question marks to Python. A name in a settings file is whole; Spark cannot use it."""
    folder, (lost, whole, *_) = submitted
    for printed, said in ((lost, "the argument --scores=??/scores.csv has lost"), (whole, "é/scores.csv")):
        assert printed.splitlines()[-1] == "2"
        (line,) = [line for line in printed.splitlines() if line.startswith("error: ")]
        assert said in line
        assert line.endswith("as ANSI_X3.4-1968: set LC_ALL=C.UTF-8 where it is started; LC_ALL is 'C')")
    assert [path.name for path in folder.iterdir() if path.name.startswith(("sortie", "rapport", "aus"))] == []


def test_spark_submit_of_the_installed_environment_needs_no_packages(submitted: tuple[Path, list[str]]) -> None:
    folder, (*_, printed, _) = submitted
    assert printed.splitlines()[-1] == "0"
    assert "6 of 6 users served" in printed
    assert (folder / "allocation" / "_delta_log").is_dir()


def test_a_spark_without_delta_is_one_line(folder: Path) -> None:
    own = Path(_find_spark_home())
    bare = folder / "spark"
    (bare / "jars").mkdir(parents=True)
    (bare / "bin").symlink_to(own / "bin")
    for jar in (own / "jars").iterdir():
        if "delta" not in jar.name:
            (bare / "jars" / jar.name).symlink_to(jar)
    script = str(JOBS / "allocate.py")
    ended = run(
        folder, str(bare / "bin" / "spark-submit"), script, *WORDS,
        SPARK_HOME=str(bare), PYSPARK_PYTHON=sys.executable, LC_ALL="C.UTF-8",
    )  # fmt: skip
    assert ended.returncode == 2
    (line,) = [line for line in ended.stdout.splitlines() if line.startswith("error: ")]
    assert line == (
        f"error: Delta Lake's JARs are not on Spark's class path: add `--packages {DELTA_PACKAGE}` to spark-submit"
    )
    assert "Exception" not in ended.stdout + ended.stderr


def test_a_home_that_cannot_be_written_is_named(folder: Path) -> None:
    ended = run(
        folder, sys.executable, str(JOBS / "allocate.py"), *WORDS, *SESSION,
        JAVA_TOOL_OPTIONS="-Duser.home=/dev/null/x",
        PYSPARK_SUBMIT_ARGS=f"--packages {DELTA_PACKAGE} pyspark-shell",
    )  # fmt: skip
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()[-1:]
    assert line.startswith("error: Spark did not start: Spark cannot write to /dev/null/x/.ivy2.5.2, where it keeps")
    assert "HOME is" in line


def test_letters_that_a_terminal_cannot_show_are_escaped(folder: Path) -> None:
    said = (
        "from ptofa_spark.running.job import run_as_job; "
        "import sys; sys.exit(run_as_job(lambda _: print('基金') or 0, []))"
    )
    ended = run(folder, sys.executable, "-c", said, PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stdout) == (0, "\\u57fa\\u91d1\n")


def test_an_argument_that_is_not_utf_8_is_one_line(folder: Path) -> None:
    latin = [os.fsencode(sys.executable), os.fsencode(JOBS / "audit.py"), b"--funds", b"\xe9.csv"]
    refused = subprocess.run(latin, cwd=folder, env=os.environ | {"LC_ALL": "C"}, capture_output=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith(b"error: the argument \\xe9.csv is not in utf-8")
