"""Runs a job in this process, where it uses the Spark session of the tests."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from ptofa_spark.running.job import run_as_job

JOBS = Path(__file__).parent.parent / "jobs"


def run_job(name: str, *words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The job's exit code and the last line that it printed: to stdout, or to stderr if it failed."""
    module = job_module(name)
    capsys.readouterr()
    code = run_as_job(lambda _: module.main(list(words)))
    out, err = capsys.readouterr()
    lines = (out if code == 0 else err).strip().splitlines()
    return code, lines[-1] if lines else ""


def job_module(name: str) -> ModuleType:
    """The script of a job, imported; its `main` takes the words of a command line."""
    spec = importlib.util.spec_from_file_location(f"jobs_{name}", JOBS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
