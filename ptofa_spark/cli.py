"""The command `ptofa`: runs a job by its name, as `python jobs/<job>.py` does from a checkout.

setup.py ships jobs/ as the package `ptofa_jobs` and conf/ as `ptofa_conf`. This module only finds a job's `main`.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from ptofa_spark import __version__
from ptofa_spark.config import SECTIONS
from ptofa_spark.errors import ConfigError
from ptofa_spark.running.job import EXIT_OK, run_as_job

JOBS = tuple(section for section in SECTIONS if section != "spark")
_DEMO = "the whole pipeline on a synthetic platform, as `make demo` runs it."
_HEAD = """\
usage: ptofa JOB [--config FILE] [--key VALUE ...]
       ptofa JOB --help       the settings of a job
       ptofa demo [--key VALUE ...]
       ptofa --version

Predicts expected revenue and allocates funds on Spark, in local mode or in the active session.

jobs:
"""


def main() -> None:
    """The entry point of the console command, and of a Databricks `python_wheel_task`.

    Raises:
        SystemExit: the job failed; the code is the job's exit code.
    """
    code = run_as_job(_run)
    # Databricks ignores the return value: a task fails only by an exception, and SystemExit(0) counts as a failure too.
    # So success must raise nothing. A console script exits with 0 when this function returns.
    if code != EXIT_OK:
        raise SystemExit(code)


def _run(argv: Sequence[str] | None) -> int:
    name, *words = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        sys.stdout.write(_help())
        return EXIT_OK
    if name == "--version":
        sys.stdout.write(f"ptofa {__version__}\n")
        return EXIT_OK
    if name == "demo":
        return _job("run_pipeline", [*_demo_words(), *words])
    if name not in JOBS:
        raise ConfigError(
            f"there is no job {name!r}: name one of {', '.join(JOBS)}, or demo; --help says what each does"
        )
    return _job(name, words)


def _job(name: str, words: list[str]) -> int:
    code: int = importlib.import_module(f"ptofa_jobs.{name}").main(words)
    return code


def _demo_words() -> list[str]:
    config = str(_file("ptofa_conf", "local.yaml"))
    return ["--config", config, "--warehouse", "warehouse/synthetic", "--report", "reports/synthetic"]


def _help() -> str:
    lines = [f"  {name:18s}{_first_line(name)}" for name in JOBS]
    return _HEAD + "\n".join([*lines, f"  {'demo':18s}{_DEMO}"]) + "\n"


def _first_line(name: str) -> str:
    # Read, not imported: importing all jobs, with Spark and PyTorch, takes seconds.
    source = _file("ptofa_jobs", f"{name}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]


def _file(package: str, name: str) -> Path:
    """A file of jobs/ or conf/. importlib.resources rejects the further place that an editable installation adds."""
    return Path(importlib.import_module(package).__path__[0]) / name
