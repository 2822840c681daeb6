"""The house: imports flow down, modules stay readable, jobs stay thin, every job explains itself."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ptofa_spark
from ptofa_spark.config import SECTIONS, load_yaml, validated
from ptofa_spark.pipeline.every_setting import SETTINGS, every_setting

ROOT = Path(__file__).parent.parent.parent
JOBS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py"))
MODULES = [module.name for module in pkgutil.walk_packages(ptofa_spark.__path__, "ptofa_spark.")]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports_and_says_what_it_is(name: str) -> None:
    assert (importlib.import_module(name).__doc__ or "").strip()


def test_imports_flow_down_and_kernels_know_no_spark() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_module_outgrows_one_sitting() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in (ROOT / "ptofa_spark").rglob("*.py")}
    assert {str(path): lines for path, lines in sizes.items() if lines > 350} == {}


def test_every_issue_job_is_there_and_thin() -> None:
    wanted = [
        "allocate",
        "audit",
        "build_features",
        "compare_models",
        "evaluate",
        "generate_platform",
        "ingest",
        "run_pipeline",
        "score",
        "simulate_campaign",
        "train",
        "what_if",
    ]
    assert wanted == JOBS
    assert all(len((ROOT / "jobs" / f"{job}.py").read_text().splitlines()) <= 60 for job in JOBS)


def test_the_file_of_every_setting_is_true_and_can_be_loaded() -> None:
    """Stale: python -m ptofa_spark.pipeline.every_setting > conf/every_setting.yaml."""
    path = ROOT / "conf" / "every_setting.yaml"
    assert path.read_text(encoding="utf-8") == every_setting()
    assert tuple(SETTINGS) == SECTIONS
    loaded = load_yaml(str(path))
    for name, settings in SETTINGS.items():
        required = {field: "x" for field, info in settings.model_fields.items() if info.is_required()}
        assert validated(settings, required | loaded[name], name) == validated(settings, required, name)


@pytest.mark.parametrize("job", JOBS)
def test_help_lists_every_setting_with_a_description(job: str) -> None:
    done = subprocess.run(
        [sys.executable, f"jobs/{job}.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    options = re.findall(r"^  --([\w.-]+) VALUE(.*)$", done.stdout, flags=re.MULTILINE)
    assert {"spark.master", "spark.driver-memory"} <= {name for name, _ in options}
    assert "--config FILE" in done.stdout
    words = re.sub(r"\s+", " ", done.stdout)
    for name, _ in options:
        assert re.search(rf"--{re.escape(name)} VALUE [^-(][^(]+.*?\((required|default)", words), name


def test_a_machine_without_java_gets_one_line() -> None:
    environment = os.environ | {"JAVA_HOME": "/nowhere"}
    done = subprocess.run(
        [sys.executable, "-m", "ptofa_spark.running.session"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert (
        done.stderr.strip() == "error: Spark did not start: no Java was found: JAVA_HOME is '/nowhere', which has no "
        "bin/java: install Java 17, or set JAVA_HOME to it"
    )
    assert done.stdout == ""


def test_a_heap_larger_than_the_machine_gets_one_line() -> None:
    words = ["jobs/build_features.py", "--spark.master", "local[1]", "--spark.driver-memory", "9000000g"]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == (
        "error: Spark did not start: the JVM could not get its memory: "
        "free some, or give a smaller --spark.driver-memory"
    )


def test_make_prints_its_help() -> None:
    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ("demo", "test", "lint", "package", "clean"):
        assert re.search(rf"^  make {target} ", done.stdout, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["PYTHON=python-nowhere"], "error: no python-nowhere on PATH: install Python 3.11"),
        (["MIN_FREE_MB=99999999"], "MB of memory are free, 99999999 MB are needed"),
        (["JAVA_HOME=/nowhere"], "error: no Java at /nowhere/bin/java: install Java 17"),
    ],
)
def test_make_says_what_the_machine_lacks(words: list[str], said: str) -> None:
    done = subprocess.run(["make", "check-machine", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[0]
