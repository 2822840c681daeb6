"""The command `ptofa`: every job by its name, and the exit code of each end."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import pytest

from ptofa_spark import __version__
from ptofa_spark.cli import JOBS, main
from ptofa_spark.config import load_yaml
from ptofa_spark.errors import TableError
from ptofa_spark.running.job import EXIT_OK
from tests.run_job import JOBS as FOLDER

MAINS = {path.stem for path in FOLDER.glob("*.py")}


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of `ptofa` with these words, as the console script would end."""
    monkeypatch.setattr(sys, "argv", ["ptofa", *words])
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return EXIT_OK


def replace(monkeypatch: pytest.MonkeyPatch, job: str, outcome: int | BaseException) -> list[list[str]]:
    """Replaces the job's main; returns the list of the options that it is called with."""
    called: list[list[str]] = []

    def stand_in(argv: Sequence[str] | None = None) -> int:
        called.append(list(argv or ()))
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(importlib.import_module(f"ptofa_jobs.{job}"), "main", stand_in)
    return called


def test_every_job_of_the_folder_is_a_command() -> None:
    assert set(JOBS) == MAINS
    assert len(JOBS) == len(MAINS)


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_help_lists_every_job_with_its_first_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert call(monkeypatch, *words) == 0
    shown = capsys.readouterr().out
    for job in MAINS:
        first = (FOLDER / f"{job}.py").read_text(encoding="utf-8").splitlines()[0].strip('"')
        assert f"  {job:18s}{first}\n" in shown
    assert "\n  demo " in shown


def test_help_of_a_job_is_the_jobs_own(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "score", "--help") == 0
    assert "--model-dir VALUE" in capsys.readouterr().out


def test_version_is_that_of_the_package(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"ptofa {__version__}\n"


@pytest.mark.parametrize("word", ["alocate", "os", "allocate.py", "../jobs/allocate", "--warehouse"])
def test_an_unknown_job_is_one_line_that_names_the_jobs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    assert call(monkeypatch, word) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith(f"error: there is no job '{word}': ")
    assert all(job in line for job in MAINS)


@pytest.mark.parametrize("job", sorted(MAINS))
def test_a_job_gets_its_options(monkeypatch: pytest.MonkeyPatch, job: str) -> None:
    called = replace(monkeypatch, job, EXIT_OK)
    assert call(monkeypatch, job, "--warehouse", "w", "--debug") == 0
    assert called == [["--warehouse", "w", "--debug"]]


def test_demo_is_what_make_demo_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    called = replace(monkeypatch, "run_pipeline", EXIT_OK)
    assert call(monkeypatch, "demo") == 0
    ((option, config, *words),) = called
    assert option == "--config"
    assert load_yaml(config) == load_yaml(str(FOLDER.parent / "conf" / "local.yaml"))
    assert words == ["--warehouse", "warehouse/synthetic", "--report", "reports/synthetic"]


def test_further_options_follow_those_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    called = replace(monkeypatch, "run_pipeline", EXIT_OK)
    assert call(monkeypatch, "demo", "--users", "500") == 0
    assert called[0][-4:] == ["--report", "reports/synthetic", "--users", "500"]


def test_the_entry_point_raises_only_on_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Databricks calls the entry point itself: it would lose a returned code, and take SystemExit(0) for a failure."""
    replace(monkeypatch, "score", EXIT_OK)
    monkeypatch.setattr(sys, "argv", ["ptofa", "score"])
    assert main() is None
    ends = (
        (TableError("no table"), 2),
        (ConnectionError("gone"), 3),
        (ZeroDivisionError(), 70),
        (KeyboardInterrupt(), 130),
    )
    for outcome, code in ends:
        replace(monkeypatch, "score", outcome)
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code
        assert len(capsys.readouterr().err.splitlines()) == 1
