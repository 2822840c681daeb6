"""The wheel that `make package` builds, installed where the project is not: its content, and that it runs."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from email import message_from_string
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement
from pyspark.sql import SparkSession
from scipy.optimize import linear_sum_assignment

from ptofa_spark import __version__
from tests.jvm.one_session import Ended, run_in_one_session
from tests.run_job import JOBS

ROOT = JOBS.parent
OWN = {"ptofa_spark", "ptofa_jobs", "ptofa_conf"}
USERS = 40
DEMAND = {"cash": 15, "bonds": 15, "stocks": 10}
RISK = {"cash": 1, "bonds": 2, "stocks": 4}
# The package that a job lacks without its extra, and the extra.
LACKING = {
    "train": ("torch", "train"),
    "score": ("torch", "train"),
    "evaluate": ("sklearn", "train"),
    "compare_models": ("sklearn", "train"),
    "simulate_campaign": ("torch", "train"),
    "run_pipeline": ("sklearn", "train"),
}
SPARK = ("--spark.master", "local[1]", "--spark.driver-memory", "1g", "--spark.shuffle-partitions", "1")


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel. folder: outside the checkout; wheel: the file; command: its `ptofa`."""

    folder: Path
    wheel: Path
    command: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs `ptofa` from the folder, as a new user's shell would."""
        return subprocess.run(
            [self.command, *words], cwd=self.folder, env=new_users_environment(), capture_output=True, text=True,
            check=False,
        )  # fmt: skip


def new_users_environment() -> dict[str, str]:
    """Without the variables that name this environment's Python and Spark."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PY", "SPARK_HOME"))}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Builds in a copy of the sources: two builds at once in the checkout would share one folder `build`."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    for name in ("ptofa_spark", "jobs", "conf"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Makefile", "setup.py", "README.md", "pyproject.toml", "requirements-build.lock", "requirements.lock"):
        shutil.copy(ROOT / name, source / name)
    # INSTALLED names a file that exists, so that nothing is installed: the packages are those of this test.
    here = ("PYTHON=" + sys.executable, "VENV=" + sys.prefix, "INSTALLED=setup.py", "MIN_FREE_MB=0", "STACK=")
    subprocess.run(
        ["make", "--no-print-directory", "package", f"DIST={folder / 'dist'}", *here], cwd=source, check=True
    )
    shutil.rmtree(source)
    (wheel,) = (folder / "dist").glob("*.whl")
    python = python_with_the_required_packages(folder / "venv", wheel)
    # This environment may have an editable install of the same version, which must stay.
    words = ("install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", str(wheel))
    subprocess.run([sys.executable, "-m", "pip", "--python", str(python), *words], check=True)
    return Installed(folder, wheel, python.parent / "ptofa")


def requirements(wheel: Path) -> list[Requirement]:
    """What the wheel asks for, extras included."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        asked = message_from_string(archive.read(metadata).decode()).get_all("Requires-Dist", [])
    return [Requirement(line) for line in asked]


def python_with_the_required_packages(folder: Path, wheel: Path) -> Path:
    """An interpreter that sees what the wheel asks for without an extra, out of the packages here."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    wanted, seen = requirements(wheel), set()
    while wanted:
        requirement = wanted.pop()
        name = normalised(requirement.name)
        if name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        seen.add(name)
        found = distribution(name)
        wanted += [Requirement(line) for line in found.requires or []]
        for top in {file.parts[0] for file in found.files or []} - {"..", "__pycache__"}:
            (site / top).symlink_to(found.locate_file(top))
    return folder / "bin" / "python"


def campaign(folder: Path, missing_column: str | None = None) -> tuple[str, ...]:
    """Writes a campaign of 40 users and 3 funds as CSV, and returns the arguments of `ptofa allocate`."""
    rng = np.random.default_rng(7)
    tolerance = rng.integers(1, 6, USERS)
    scores = pd.DataFrame({"user_id": np.repeat(np.arange(USERS), len(RISK)), "fund_id": list(RISK) * USERS})
    scores["risk_tolerance"] = np.repeat(tolerance, len(RISK))
    scores["expected_revenue"] = rng.lognormal(1.0, 1.0, len(scores)).round(4)
    tables = {
        "scores": scores,
        "funds": pd.DataFrame({"fund_id": list(RISK), "risk_level": list(RISK.values())}),
        "demands": pd.DataFrame({"campaign_id": "spring", "fund_id": list(DEMAND), "demand": list(DEMAND.values())}),
    }
    folder.mkdir()
    for name, table in tables.items():
        table.drop(columns=[missing_column] if missing_column in table else []).to_csv(
            folder / f"{name}.csv", index=False
        )
    return ("allocate", *inputs(folder), "--output", f"{folder}/allocation", "--report", f"{folder}/report", *SPARK)


def inputs(folder: Path) -> tuple[str, ...]:
    """The arguments that name the tables of a campaign."""
    return tuple(word for name in ("scores", "funds", "demands") for word in (f"--{name}", f"{folder}/{name}.csv"))


def normalised(package: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def best_objective(scores: pd.DataFrame) -> float:
    """The optimum, by the assignment of users to exposures."""
    places = [fund for fund, demand in DEMAND.items() for _ in range(demand)]
    revenue = scores.pivot(index="user_id", columns="fund_id", values="expected_revenue")[places].to_numpy()
    tolerance = scores.groupby("user_id")["risk_tolerance"].first().to_numpy()
    allowed = np.array([RISK[fund] for fund in places]) <= tolerance[:, None]
    rows, columns = linear_sum_assignment(np.where(allowed, revenue, -1e6), maximize=True)
    assert allowed[rows, columns].all()
    return float(revenue[rows, columns].sum())


def test_the_wheel_holds_the_whole_project(installed: Installed) -> None:
    held = set(zipfile.ZipFile(installed.wheel).namelist())
    assert {f"ptofa_jobs/{path.name}" for path in JOBS.glob("*.py")} <= held
    assert {f"ptofa_conf/{path.name}" for path in (ROOT / "conf").glob("*.yaml")} <= held
    sources = [path for path in (ROOT / "ptofa_spark").rglob("*") if path.suffix in (".py", ".html")]
    assert {str(path.relative_to(ROOT)) for path in sources} <= held
    assert {name.split("/")[0] for name in held} == {*OWN, f"ptofa_spark-{__version__}.dist-info"}


def test_the_zip_for_py_files_is_the_wheel(installed: Installed) -> None:
    (archive,) = installed.wheel.parent.glob("*.zip")
    assert archive.read_bytes() == installed.wheel.read_bytes()


def test_the_wheel_asks_for_every_package_that_it_imports(installed: Installed) -> None:
    """Otherwise it would run here, where other packages bring them, but not in an empty environment."""
    with zipfile.ZipFile(installed.wheel) as wheel:
        trees = [ast.parse(wheel.read(name)) for name in wheel.namelist() if name.endswith(".py")]
    required = {normalised(requirement.name) for requirement in requirements(installed.wheel)}
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    foreign = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names) - OWN
    providers = packages_distributions()
    unasked = {name for name in foreign if not {normalised(each) for each in providers[name]} & required}
    assert unasked == {"py4j"}  # which pyspark asks for in its own version


def test_the_command_runs_from_anywhere(installed: Installed) -> None:
    done = installed.run("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(re.search(rf"^  {path.stem} +\w", done.stdout, flags=re.MULTILINE) for path in JOBS.glob("*.py"))


@pytest.fixture(scope="module")
def allocated(installed: Installed) -> Path:
    """The folder of a campaign that the command itself has allocated."""
    folder = installed.folder / "campaign"
    done = installed.run(*campaign(folder), "--method", "exact")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def others(spark: SparkSession, installed: Installed, allocated: Path) -> dict[str, Ended]:
    """How further commands ended. One process runs them, in the JVM of the tests."""
    audited = (*inputs(allocated), "--allocation", f"{allocated}/allocation")
    changed = (*inputs(allocated), "--report", f"{allocated}/report", "--changes", "cash+10%")
    asked = {
        "bad": campaign(installed.folder / "bad", missing_column="demand"),
        "audit": ("audit", *audited),
        "what_if": ("what_if", *changed),
    }
    asked |= {f"help of {job}": (job, "--help") for job in LACKING}
    asked |= {job: (job, "--warehouse", str(installed.folder / "nowhere")) for job in LACKING}
    commands = [[str(installed.command), *words] for words in asked.values()]
    python = installed.command.parent / "python"
    ended = run_in_one_session(commands, installed.folder, new_users_environment(), python, spark)
    return dict(zip(asked, ended, strict=True))


def test_the_command_allocates_optimally_from_csv_files(allocated: Path) -> None:
    scores = pd.read_csv(allocated / "scores.csv")
    rows = pd.read_parquet(allocated / "allocation")
    assert sorted(rows["user_id"]) == list(range(USERS))  # C1, K = 1
    assert rows.groupby("fund_id").size().to_dict() == DEMAND  # C2
    joined = rows.merge(scores, on=["user_id", "fund_id"], suffixes=("", "_asked"))
    assert (joined["fund_id"].map(RISK) <= joined["risk_tolerance"]).all()  # C3
    assert joined["expected_revenue"].tolist() == joined["expected_revenue_asked"].tolist()
    summary = json.loads((allocated / "report" / "allocation.json").read_text())
    assert summary["objective"] == pytest.approx(best_objective(scores), rel=1e-9)
    assert summary["violations"] == {"c1": 0, "c2": 0, "c3": 0}


def test_bad_input_is_one_line(installed: Installed, others: dict[str, Ended]) -> None:
    done = others["bad"]
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.stderr.splitlines()[-1] == line
    assert "lacks column(s) demand" in line
    assert not (installed.folder / "bad" / "allocation").exists()


@pytest.mark.parametrize("job", ["audit", "what_if"])
def test_the_jobs_of_an_allocation_need_no_extra(others: dict[str, Ended], job: str) -> None:
    assert others[job].returncode == 0, others[job].stderr


@pytest.mark.parametrize("job", LACKING)
def test_a_job_that_lacks_a_package_names_its_extra(others: dict[str, Ended], job: str) -> None:
    assert others[f"help of {job}"].returncode == 0
    package, extra = LACKING[job]
    done = others[job]
    assert done.returncode == 2
    assert done.stderr == (
        f"error: the package {package} is not installed, which this job needs: pip install 'ptofa-spark[{extra}]'\n"
    )
