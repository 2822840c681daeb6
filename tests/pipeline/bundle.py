"""databricks.yml, read by models of the part of `databricks bundle schema` that it uses; they refuse other keys."""

from __future__ import annotations

import ast
import re
from importlib.metadata import EntryPoint
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from tests.run_job import JOBS

ROOT = JOBS.parent
REFERENCE = re.compile(r"\$\{([^}]*)\}")


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
    whl: str | None = None
    requirements: str | None = None


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


def packaged() -> tuple[str, dict[str, EntryPoint]]:
    """The package's name and its entry points, as setup.py says: an installed copy may be older."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (call,) = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "setup"]
    said = {word.arg: word.value for word in call.keywords}
    pairs = [line.split(" = ") for line in ast.literal_eval(said["entry_points"])["console_scripts"]]
    return ast.literal_eval(said["name"]), {name: EntryPoint(name, value, "console_scripts") for name, value in pairs}
