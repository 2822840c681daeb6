"""databricks.yml, offline: its structure, variables, settings and the order of its tasks; and the tasks themselves.

`databricks bundle validate` needs a workspace. `bundle` has models that refuse a key that they do not know.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from pydantic import ValidationError
from pyspark.sql import SparkSession

from ptofa_spark import cli
from ptofa_spark.config import load_yaml
from ptofa_spark.pipeline.every_setting import SETTINGS
from ptofa_spark.simulator.settings import GeneratePlatformSettings
from ptofa_spark.tables.names import in_warehouse
from tests.pipeline.bundle import BUNDLE, REFERENCE, ROOT, TASKS, TEXT, Bundle, Library, Task, packaged
from tests.run_job import JOBS

# The stages whose output a stage reads.
AFTER = {
    "build_features": {"generate_platform"},
    "train": {"build_features"},
    "score": {"build_features", "train"},
    "allocate": {"score"},
    "evaluate": {"train", "allocate"},
}
EXTRAS = "databricks_requirements.txt"
BUILT_IN = {"workspace.file_path", "workspace.current_user.userName", "bundle.name", "bundle.target"}
TASK = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


@pytest.mark.parametrize(
    ("place", "key"), [("python_wheel_task", "entrypoint"), ("new_cluster", "spark_verson"), ("targets", "prod2")]
)
def test_a_misspelt_key_is_refused(place: str, key: str) -> None:
    with pytest.raises(ValidationError):
        Bundle.model_validate(yaml.safe_load(re.sub(rf"( *){place}:\n", rf"\g<0>\1  {key}: x\n", TEXT, count=1)))


def test_the_entry_point_is_the_packages_own() -> None:
    name, entries = packaged()
    for task in TASKS.values():
        assert task.python_wheel_task.package_name == name.replace("-", "_")
        assert entries[task.python_wheel_task.entry_point].load() is cli.main
    (artifact,) = BUNDLE.artifacts.values()
    assert artifact.build.endswith("--wheel-dir dist .")


@TASK
def test_a_task_has_the_packages_of_its_job(task: Task) -> None:
    lists = [Library(requirements=f"${{workspace.file_path}}/conf/{EXTRAS}")]
    assert task.libraries == [Library(whl="dist/*.whl")] + (lists if task.job in ("train", "score", "evaluate") else [])


def test_the_list_of_packages_is_that_of_the_extras() -> None:
    asked = [Requirement(line) for line in metadata("ptofa-spark").get_all("Requires-Dist", [])]
    of_extras = [
        each for each in asked if each.marker and str(each.marker) in ('extra == "train"', 'extra == "report"')
    ]
    lines = (ROOT / "conf" / EXTRAS).read_text(encoding="utf-8").splitlines()
    listed = [Requirement(line) for line in lines if not line.startswith("#")]
    assert {(each.name, str(each.specifier)) for each in listed} == {
        (each.name, str(each.specifier)) for each in of_extras
    }


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


def test_the_settings_file_is_synchronised() -> None:
    assert "conf" in BUNDLE.sync.paths
    assert all((ROOT / path).is_dir() for path in BUNDLE.sync.paths)


def test_the_settings_file_loads() -> None:
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


def test_each_task_reads_where_an_earlier_one_wrote() -> None:
    assert len({TASKS[key].settings()["model-dir"] for key in ("train", "score", "evaluate")}) == 1
    report = TASKS["evaluate"].settings()["report"]
    for key in ("allocate_ha", "allocate_exact"):
        assert TASKS[key].settings()["report"] == f"{report}/{TASKS[key].settings()['method']}"


@pytest.mark.parametrize(
    "given", [{}, {"var.warehouse": "main.ptofa", "var.tables": "main.ptofa."}], ids=["volume", "catalog"]
)
def test_tables_are_those_of_the_warehouse(given: dict[str, str]) -> None:
    warehouse = BUNDLE.resolved("${var.warehouse}", given)
    for key in ("allocate_ha", "allocate_exact"):
        written = key.replace("allocate", "allocation")
        tables = {"scores": "scores", "funds": "funds", "demands": "demands", "output": written}
        for option, table in tables.items():
            assert BUNDLE.resolved(TASKS[key].settings()[option], given) == in_warehouse(warehouse, table)


def test_the_variables_in_use_are_those_declared() -> None:
    used = set(REFERENCE.findall(TEXT))
    assert used - BUILT_IN == {f"var.{name}" for name in BUNDLE.variables}
    for target in BUNDLE.targets.values():
        assert set(target.variables) <= set(BUNDLE.variables)


def test_the_development_target_is_the_default() -> None:
    assert [name for name, target in BUNDLE.targets.items() if target.default] == ["dev"]
    assert BUNDLE.targets["dev"].mode == "development"


def test_production_has_one_place() -> None:
    """The command line of Databricks refuses production without it."""
    assert BUNDLE.targets["prod"].workspace is not None


def test_every_task_runs_on_the_jobs_cluster() -> None:
    (cluster,) = BUNDLE.job().job_clusters
    assert {task.job_cluster_key for task in TASKS.values()} == {cluster.job_cluster_key}
    # The package asks for Spark 4.0 or later. Databricks Runtime 17 has 4.0.
    assert BUNDLE.resolved(cluster.new_cluster.spark_version, {}).startswith("17.")


def test_a_task_whose_input_is_missing_fails_by_an_exception(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ptofa", "score", f"--warehouse={tmp_path}/none", f"--model-dir={tmp_path}/none"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")
