"""The house: imports flow down, files are short, rooms are small, jobs are thin, every job explains itself."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import ptofa_spark
from ptofa_spark.config import SECTIONS, load_yaml, validated
from ptofa_spark.pipeline.every_setting import SETTINGS, every_setting
from tests.run_job import job_module

ROOT = Path(__file__).parent.parent.parent
OWN = ("ptofa_spark", "tests", "benchmarks", "jobs")
JOBS = sorted(path.stem for path in (ROOT / "jobs").glob("*.py"))
MODULES = [module.name for module in pkgutil.walk_packages(ptofa_spark.__path__, "ptofa_spark.")]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is(name: str) -> None:
    assert (importlib.import_module(name).__doc__ or "").strip()


def test_the_import_contracts_hold() -> None:
    lint = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("folder", ["ptofa_spark", "jobs", "benchmarks", "tests"])
def test_no_python_file_is_longer_than_300_lines(folder: str) -> None:
    sizes = {str(path): len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert sizes
    assert {path: lines for path, lines in sizes.items() if lines > 300} == {}


def test_no_room_has_more_than_14_python_files() -> None:
    rooms = Counter(str(path.parent) for path in (ROOT / "ptofa_spark").rglob("*.py"))
    assert rooms
    assert {room: files for room, files in rooms.items() if files > 14} == {}


def private_names(path: Path) -> set[str]:
    """The private names of this project's other modules that a file uses."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OWN
    ]
    taken = {alias.name for node in imports for alias in node.names}
    bound = {alias.asname or alias.name for node in imports for alias in node.names}
    reached = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
    taken |= {node.attr for node in reached if node.value.id in bound}
    return {name for name in taken if name.startswith("_") and not name.startswith("__")}


def test_no_private_name_is_used_from_outside() -> None:
    files = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    assert files
    found = {str(path.relative_to(ROOT)): names for path in files if (names := private_names(path))}
    assert found == {}


def test_support_code_is_in_no_test_module() -> None:
    found = {}
    for path in (ROOT / "tests").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        found[str(path.relative_to(ROOT))] = {name for name in modules if re.search(r"\.(test_\w+|conftest)$", name)}
    assert found
    assert {path: names for path, names in found.items() if names} == {}


def test_every_job_is_there() -> None:
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


def test_jobs_are_thin() -> None:
    assert all(len((ROOT / "jobs" / f"{job}.py").read_text().splitlines()) <= 60 for job in JOBS)


def test_the_file_of_every_setting_is_up_to_date() -> None:
    """If not: python -m ptofa_spark.pipeline.every_setting > conf/every_setting.yaml."""
    assert (ROOT / "conf" / "every_setting.yaml").read_text(encoding="utf-8") == every_setting()
    assert tuple(SETTINGS) == SECTIONS


def test_the_file_of_every_setting_holds_the_defaults() -> None:
    loaded = load_yaml(str(ROOT / "conf" / "every_setting.yaml"))
    for name, settings in SETTINGS.items():
        required = {field: "x" for field, info in settings.model_fields.items() if info.is_required()}
        assert validated(settings, required | loaded[name], name) == validated(settings, required, name)


@pytest.mark.parametrize("job", JOBS)
def test_help_lists_every_setting_with_a_description(job: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        job_module(job).main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    options = re.findall(r"^  --([\w.-]+) VALUE(.*)$", shown, flags=re.MULTILINE)
    assert {"spark.master", "spark.driver-memory"} <= {name for name, _ in options}
    assert "--config FILE" in shown
    words = re.sub(r"\s+", " ", shown)
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
    ("on_path", "of_pyenv", "found"),
    [
        (["python3.11", "python3.13"], [], "python3.13"),
        # A pyenv shim exists and does not run unless its version is active.
        (["python3.11"], ["3.12.4"], "3.12.4/bin/python"),
        (["python3.11"], ["3.10.1"], "python3.11"),
        ([], [], ""),
    ],
)
def test_make_takes_the_first_interpreter_that_runs(
    tmp_path: Path, on_path: list[str], of_pyenv: list[str], found: str
) -> None:
    programs = tmp_path / "bin"
    versions = tmp_path / "versions"
    places = {programs / name: name in on_path for name in ("python3.11", "python3.12", "python3.13")}
    places |= {versions / version / "bin" / "python": True for version in of_pyenv}
    for place, runs in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"#!/bin/sh\nexit {int(not runs)}\n")
        place.chmod(0o755)
    asked = ["make", "--no-print-directory", "--eval=asked: ; @echo '$(PYTHON)'", "asked"]
    # A make that runs these tests passes its own PYTHON on.
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS", "MAKEOVERRIDES")
    }
    environ = inherited | {"PATH": f"{programs}:{os.environ['PATH']}", "PYENV_ROOT": str(tmp_path)}
    said = subprocess.run(asked, cwd=ROOT, env=environ, capture_output=True, text=True, check=True).stdout
    assert said.strip().endswith(found)
    assert bool(said.strip()) == bool(found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["PYTHON=python-nowhere"], "error: no python-nowhere on PATH: install Python 3.12"),
        (["PYTHON="], "error: no Python 3.11, 3.12 or 3.13 with its venv module runs here"),
        (["MIN_FREE_MB=99999999"], "MB of memory are free, 99999999 MB are needed"),
        (["JAVA_HOME=/nowhere"], "error: no Java at /nowhere/bin/java: install Java 17"),
    ],
)
def test_make_says_what_the_machine_lacks(words: list[str], said: str) -> None:
    done = subprocess.run(["make", "check-machine", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[0]
