"""databricks.yml, offline: its structure, variables, settings and the order of its tasks; and the tasks themselves.

`databricks bundle validate` needs a workspace. The models here are the part of `databricks bundle schema` that the file
uses; a key that they do not know is refused.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pyspark.sql import SparkSession

from ptofa_spark import cli
from ptofa_spark.config import load_yaml
from ptofa_spark.pipeline.every_setting import SETTINGS
from ptofa_spark.simulator.settings import GeneratePlatformSettings
from ptofa_spark.tables.names import in_warehouse
from tests.run_job import JOBS

ROOT = JOBS.parent
REFERENCE = re.compile(r"\$\{([^}]*)\}")
# What a stage reads of the stages before it.
AFTER = {
    "build_features": {"generate_platform"},
    "train": {"build_features"},
    "score": {"build_features", "train"},
    "allocate": {"score"},
    "evaluate": {"train", "allocate"},
}
BUILT_IN = {"workspace.file_path", "workspace.current_user.userName", "bundle.name", "bundle.target"}


class Part(BaseModel):
    """A mapping of the bundle."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Name(Part):
    name: str


class Artifact(Part):
    type: Literal["whl"]
    build: str


class Sync(Part):
    paths: list[str]


class Variable(Part):
    description: str
    default: str | int


class Cluster(Part):
    spark_version: str
    node_type_id: str
    num_workers: str | int
    data_security_mode: Literal["SINGLE_USER", "DATA_SECURITY_MODE_DEDICATED"]
    spark_env_vars: dict[str, str]


class JobCluster(Part):
    job_cluster_key: str
    new_cluster: Cluster


class Dependency(Part):
    task_key: str


class Library(Part):
    whl: str


class WheelTask(Part):
    package_name: str
    entry_point: str
    parameters: list[str]


class Task(Part):
    task_key: str = Field(pattern=r"^[\w-]{1,100}$")
    depends_on: list[Dependency] = []
    job_cluster_key: str
    libraries: list[Library]
    python_wheel_task: WheelTask

    @property
    def job(self) -> str:
        """The job that the task calls."""
        return self.python_wheel_task.parameters[0]

    def settings(self) -> dict[str, str]:
        """The task's settings by option, `--config` among them."""
        pairs = [word.removeprefix("--").split("=", 1) for word in self.python_wheel_task.parameters[1:]]
        return {option: value for option, value in pairs}


class Job(Part):
    name: str
    max_concurrent_runs: int
    job_clusters: list[JobCluster]
    tasks: list[Task]


class Resources(Part):
    jobs: dict[str, Job]


class Presets(Part):
    artifacts_dynamic_version: bool


class Workspace(Part):
    root_path: str


class Target(Part):
    default: bool = False
    mode: Literal["development", "production"]
    presets: Presets | None = None
    workspace: Workspace | None = None
    variables: dict[str, str | int] = {}


class Bundle(Part):
    bundle: Name
    artifacts: dict[str, Artifact]
    sync: Sync
    variables: dict[str, Variable]
    resources: Resources
    targets: dict[str, Target]

    def job(self) -> Job:
        """The only job."""
        (job,) = self.resources.jobs.values()
        return job

    def resolved(self, text: str, given: dict[str, str]) -> str:
        """The text with each reference replaced: by what is given, else by the variable's default."""

        def value(found: re.Match[str]) -> str:
            name = found[1]
            return given[name] if name in given else str(self.variables[name.removeprefix("var.")].default)

        while REFERENCE.search(text):
            text = REFERENCE.sub(value, text)
        return text


TEXT = (ROOT / "databricks.yml").read_text(encoding="utf-8")
BUNDLE = Bundle.model_validate(yaml.safe_load(TEXT))
TASKS = {task.task_key: task for task in BUNDLE.job().tasks}
TASK = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


def packaged() -> tuple[str, dict[str, EntryPoint]]:
    """The package's name and its entry points, as setup.py says: an installed copy may be older."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (call,) = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "setup"]
    said = {word.arg: word.value for word in call.keywords}
    pairs = [line.split(" = ") for line in ast.literal_eval(said["entry_points"])["console_scripts"]]
    return ast.literal_eval(said["name"]), {name: EntryPoint(name, value, "console_scripts") for name, value in pairs}


@pytest.mark.parametrize(
    ("place", "key"), [("python_wheel_task", "entrypoint"), ("new_cluster", "spark_verson"), ("targets", "prod2")]
)
def test_a_misspelt_key_would_be_seen(place: str, key: str) -> None:
    with pytest.raises(ValidationError):
        Bundle.model_validate(yaml.safe_load(re.sub(rf"( *){place}:\n", rf"\g<0>\1  {key}: x\n", TEXT, count=1)))


def test_the_entry_point_is_the_packages_own() -> None:
    name, entries = packaged()
    for task in TASKS.values():
        assert task.python_wheel_task.package_name == name.replace("-", "_")
        assert entries[task.python_wheel_task.entry_point].load() is cli.main
        assert task.libraries == [Library(whl="dist/*.whl")]
    (artifact,) = BUNDLE.artifacts.values()
    assert artifact.build.endswith("--wheel-dir dist .")


@TASK
def test_a_tasks_settings_are_settings_of_its_job(task: Task) -> None:
    assert (JOBS / f"{task.job}.py").is_file()
    words = task.python_wheel_task.parameters[1:]
    assert all(re.fullmatch(r"--[a-z-]+=\S+", word) for word in words)
    settings = task.settings()
    assert len(settings) == len(words)
    assert settings.pop("config") == "${workspace.file_path}/conf/cluster.yaml"
    given = {option.replace("-", "_"): BUNDLE.resolved(value, {}) for option, value in settings.items()}
    # Strict about names, values and what is required.
    SETTINGS[task.job].model_validate(given)


def test_the_settings_file_is_synchronised_and_loads() -> None:
    assert "conf" in BUNDLE.sync.paths
    assert all((ROOT / path).is_dir() for path in BUNDLE.sync.paths)
    assert load_yaml(str(ROOT / "conf" / "cluster.yaml"))


def test_tasks_follow_each_other_as_the_data_do() -> None:
    before: dict[str, set[str]] = {}
    for key, task in TASKS.items():
        assert {each.task_key for each in task.depends_on} <= set(before)  # listed before: acyclic
        earlier = {each.task_key for each in task.depends_on}
        before[key] = earlier.union(*(before[each] for each in earlier))
        assert AFTER.get(task.job, set()) <= {TASKS[each].job for each in before[key]}
    # The evaluation waits for every allocation that it compares.
    compared = {f"allocate_{name}" for name in TASKS["evaluate"].settings()["allocations"].split(",")}
    assert compared == {key for key, task in TASKS.items() if task.job == "allocate"} <= before["evaluate"]
    assert {task.job for task in TASKS.values()} == {"generate_platform", *AFTER}


def test_the_campaign_is_the_one_that_the_generator_ends_with() -> None:
    weeks = GeneratePlatformSettings().weeks
    assert BUNDLE.variables["campaign"].default == f"week_{weeks + 1:02d}"


def test_what_one_task_writes_is_what_another_reads() -> None:
    assert len({TASKS[key].settings()["model-dir"] for key in ("train", "score", "evaluate")}) == 1
    report = TASKS["evaluate"].settings()["report"]
    for key in ("allocate_ha", "allocate_exact"):
        assert TASKS[key].settings()["report"] == f"{report}/{TASKS[key].settings()['method']}"


@pytest.mark.parametrize(
    "given", [{}, {"var.warehouse": "main.ptofa", "var.tables": "main.ptofa."}], ids=["volume", "catalog"]
)
def test_tables_are_the_warehouses_in_a_volume_and_in_a_catalog(given: dict[str, str]) -> None:
    warehouse = BUNDLE.resolved("${var.warehouse}", given)
    for key in ("allocate_ha", "allocate_exact"):
        written = key.replace("allocate", "allocation")
        tables = {"scores": "scores", "funds": "funds", "demands": "demands", "output": written}
        for option, table in tables.items():
            assert BUNDLE.resolved(TASKS[key].settings()[option], given) == in_warehouse(warehouse, table)


def test_every_variable_is_declared_and_used() -> None:
    used = set(REFERENCE.findall(TEXT))
    assert used - BUILT_IN == {f"var.{name}" for name in BUNDLE.variables}
    for target in BUNDLE.targets.values():
        assert set(target.variables) <= set(BUNDLE.variables)


def test_one_target_is_the_default_and_production_has_one_place() -> None:
    assert [name for name, target in BUNDLE.targets.items() if target.default] == ["dev"]
    assert BUNDLE.targets["dev"].mode == "development"
    # The CLI refuses production without it.
    assert BUNDLE.targets["prod"].workspace is not None


def test_every_task_runs_on_the_jobs_cluster() -> None:
    (cluster,) = BUNDLE.job().job_clusters
    assert {task.job_cluster_key for task in TASKS.values()} == {cluster.job_cluster_key}
    # Spark 4.0, which the package asks for, is Databricks Runtime 17.
    assert BUNDLE.resolved(cluster.new_cluster.spark_version, {}).startswith("17.")


def test_all_tasks_run_one_after_the_other_with_the_bundles_own_parameters(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Databricks calls them: the entry point by name, in a session that runs, with tables of a catalog.

    A local directory stands for the volume. Each task that writes a table runs twice: into none, and into its own.
    """
    config: dict[str, Any] = {
        "generate_platform": {"weeks": 2, "unrecorded_below": 0.0},
        "train": {"epochs": 1, "batch_size": 128},
        "evaluate": {"bootstrap": 100, "metric_bootstrap": 100},
    }
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "cluster.yaml").write_text(yaml.safe_dump(config))
    _, entries = packaged()
    given = {
        "workspace.file_path": str(tmp_path),
        "var.files": str(tmp_path / "volume"),
        "var.users": "2000",
        "var.campaign": "week_03",
        "var.warehouse": "spark_catalog.ptofa_bundle",
        "var.tables": "spark_catalog.ptofa_bundle.",
    }
    spark.sql(f"CREATE SCHEMA ptofa_bundle LOCATION '{tmp_path}/tables'")
    for key, task in TASKS.items():
        words = [BUNDLE.resolved(word, given) for word in task.python_wheel_task.parameters]
        monkeypatch.setattr(sys, "argv", ["ptofa", *words])
        for _ in range(1 if task.job in ("train", "evaluate") else 2):
            assert entries[task.python_wheel_task.entry_point].load()() is None, key
        assert SparkSession.getActiveSession() is not None, "a task stopped the session that it was given"
    evaluation = json.loads((tmp_path / "volume" / "reports" / "evaluation.json").read_text())
    assert [each["name"] for each in evaluation["allocations"]] == ["ha", "exact"]
    assert all(each["summary"]["violations"] == {"c1": 0, "c2": 0, "c3": 0} for each in evaluation["allocations"])
    assert (tmp_path / "volume" / "reports" / "report.html").is_file()
    # And a task whose input is missing fails as a task does: by an exception.
    monkeypatch.setattr(sys, "argv", ["ptofa", "score", f"--warehouse={tmp_path}/none", f"--model-dir={tmp_path}/none"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")
