"""A Spark standalone cluster on loopback: a master, workers, and jobs submitted as docs/cluster.md says.

On Linux each worker has a loopback address of its own: Spark starts a speculative copy of a task on another host only.

Its Python has every package that the project needs, but not the project: executors get that by `--py-files`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import psutil
import pyspark

from ptofa_spark.running.delta_jars import DELTA_PACKAGE
from tests.free_port import free_port
from tests.jvm.options import java_options
from tests.run_job import JOBS

SPARK = Path(pyspark.__file__).parent
ROOT = JOBS.parent
_PATIENCE = 60.0
_JAVA_OPTIONS = java_options(interpreting=False)


def python_without_the_project(folder: Path) -> Path:
    """An interpreter that sees the installed packages, but none that is installed in editable form."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    # A .pth line adds the directory and, unlike a site directory, does not read the .pth files in it.
    own = next((folder / "lib").glob("python*/site-packages"))
    (own / "packages.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    found = subprocess.run([str(python), "-c", "import ptofa_spark"], cwd="/", capture_output=True, text=True)
    assert "No module named 'ptofa_spark'" in found.stderr
    return python


def build_package(folder: Path) -> Path:
    """The archive for `--py-files`, by the command of the README."""
    subprocess.run(["make", "--no-print-directory", "package", f"DIST={folder}"], cwd=ROOT, check=True)
    (archive,) = folder.glob("*.zip")
    return archive


class Cluster:
    """A master and workers of one core each, and jobs submitted to them; `stop` ends all of it."""

    def __init__(self, folder: Path, workers: int = 2) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._python = python_without_the_project(folder / "venv")
        self._package = build_package(folder / "dist")
        self._port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start("master.Master", "--port", str(self._port))
        self._until("master", "I have been elected leader")
        for _ in range(workers):
            self.add_worker()

    def add_worker(self) -> None:
        """Starts a worker and waits until the master knows it."""
        number = len(self._processes)
        work = ("--cores", "1", "--memory", "1500m", "--work-dir", str(self._folder / f"work{number}"))
        self._start("worker.Worker", *work, f"spark://127.0.0.1:{self._port}")
        self._until(f"worker{number}", "Successfully registered with master")

    def submit(self, job: str, *words: str, folder: Path, conf: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Submits a job by spark-submit, in client mode, from a directory other than the checkout."""
        settings = {
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            "spark.driver.host": "127.0.0.1",
            "spark.executor.memory": "1g",
            "spark.executor.extraJavaOptions": _JAVA_OPTIONS,
            "spark.pyspark.python": str(self._python),
            **(conf or {}),
        }
        return subprocess.Popen(
            [
                str(SPARK / "bin" / "spark-submit"), "--master", f"spark://127.0.0.1:{self._port}",
                "--driver-memory", "1g", "--packages", DELTA_PACKAGE, "--py-files", str(self._package),
                *(word for key, value in settings.items() for word in ("--conf", f"{key}={value}")),
                str(JOBS / f"{job}.py"), *words,
            ],
            cwd=folder, env=self._environment(), start_new_session=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def executors(self) -> list[psutil.Process]:
        """The JVMs that run tasks now."""
        children = [child for process in self._processes for child in psutil.Process(process.pid).children(True)]
        return [child for child in children if _is_executor(child)]

    def stop(self) -> None:
        """Ends workers and master, and waits for them."""
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait()

    def _start(self, kind: str, *words: str) -> None:
        number = len(self._processes)
        name = f"worker{number}" if number else "master"
        host = f"127.0.0.{1 + number}" if sys.platform == "linux" else "127.0.0.1"
        command = [str(SPARK / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}"]
        environment = self._environment() | {"SPARK_LOCAL_IP": host}
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    [*command, "--host", host, "--webui-port", "0", *words],
                    cwd=self._folder, env=environment, stdout=log, stderr=log, start_new_session=True,
                )
            )  # fmt: skip

    def _until(self, name: str, said: str) -> None:
        log = self._folder / f"{name}.log"
        until = time.monotonic() + _PATIENCE
        while said not in log.read_text(errors="replace"):
            assert time.monotonic() < until, f"{name} did not start: {log.read_text(errors='replace')[-500:]}"
            time.sleep(0.1)

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PY", "SPARK", "VIRTUAL_ENV"))
        }
        return kept | {
            "SPARK_HOME": str(SPARK),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": str(self._python),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": _JAVA_OPTIONS,
            "SPARK_SUBMIT_OPTS": _JAVA_OPTIONS,
            "OMP_NUM_THREADS": "1",
        }


def _is_executor(process: psutil.Process) -> bool:
    try:
        return "CoarseGrainedExecutorBackend" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # gone, or a zombie that its worker has not yet waited for
        return False
