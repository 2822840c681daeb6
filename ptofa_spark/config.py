"""Loads settings: the defaults of a settings class, then a YAML file, then `--key value` on the command line.

A settings class is a frozen pydantic model in the room that it configures. This module only loads and checks it.
The YAML file has top-level values that several jobs share (`warehouse`, `seed`, ...), a `spark:` section, and one
section per job, with the job's name.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ptofa_spark.errors import DEBUG, ConfigError


class Settings(BaseModel):
    """Base of every settings class: frozen, rejects unknown keys, validates defaults too.

    former_names: former name of a setting to its present name; both work. moved: a setting that another job has now,
    to the words that name the job; it is rejected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
    former_names: ClassVar[Mapping[str, str]] = {}
    moved: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _by_their_names(cls, values: Any) -> Any:
        return cls.by_their_names(values) if isinstance(values, dict) else values

    @classmethod
    def by_their_names(cls, values: dict[Any, Any]) -> dict[Any, Any]:
        """Replaces former names of settings by the present ones.

        Raises:
            ValueError: a setting is another job's now, or is given by both of its names. It is reported as a
                `ConfigError`.
        """
        moved = [f"{name} has moved: {where}" for name, where in cls.moved.items() if name in values]
        if moved:
            raise ValueError("; ".join(moved))
        twice = [name for former, name in cls.former_names.items() if former in values and name in values]
        if twice:
            raise ValueError(f"{twice[0]} is given twice, once by its former name: give it once")
        return {cls.former_names.get(key, key): value for key, value in values.items()}


S = TypeVar("S", bound=Settings)

SECTIONS = (
    "spark",
    "generate_platform",
    "ingest",
    "build_features",
    "train",
    "score",
    "allocate",
    "audit",
    "evaluate",
    "compare_models",
    "simulate_campaign",
    "what_if",
    "run_pipeline",
)
SHARED_KEYS = ("warehouse", "seed", "test_share", "validation_share", "csv_separator", "csv_decimal")


class _OneLineParser(argparse.ArgumentParser):
    """An argparse parser that raises `ConfigError` instead of printing its usage."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}; --help lists the options")


def parse_job(
    job: str, settings_class: type[S], spark_class: type[Settings], description: str, argv: Sequence[str] | None = None
) -> tuple[S, Any]:
    """Reads the command line of a job: `--config FILE`, `--key value` and `--spark.key value`.

    Args:
        job: the job's name, which is also its section in the YAML file.
        settings_class: the job's settings; one option per field, `max_users` as `--max-users`.
        spark_class: the Spark session's settings; one option per field, as `--spark.driver-memory`.
        description: the first lines of `--help`.
        argv: the arguments after the program's name; those of the process if None.

    Returns:
        The job's settings and the session's settings.

    Raises:
        ConfigError: an unknown key, a missing required key or a value outside its bounds, in one line.
    """
    settings, session, _ = parse_pipeline(job, settings_class, spark_class, description, argv)
    return settings, session


def parse_pipeline(
    job: str, settings_class: type[S], spark_class: type[Settings], description: str, argv: Sequence[str] | None = None
) -> tuple[S, Any, dict[str, Any]]:
    """As `parse_job`, but also returns the whole config file, for a job that runs others.

    Raises:
        ConfigError: see `parse_job`.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _OneLineParser(
        prog=_program(job),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", metavar="FILE", help="YAML file with the settings (conf/local.yaml shows its shape)"
    )
    parser.add_argument("--debug", action="store_true", help="show the trace of an error before its one line")
    _add_options(parser, settings_class, prefix="")
    _add_options(parser, spark_class, prefix="spark.")
    given = {key: value for key, value in vars(parser.parse_args(words)).items() if value is not None}
    if given.pop("debug"):
        os.environ[DEBUG] = "1"
    file = load_yaml(given.pop("config", None))
    own = {key: value for key, value in file.items() if key in SHARED_KEYS and key in settings_class.model_fields}
    section = file.get(job) or {}
    try:
        own |= settings_class.by_their_names(section)
    except ValueError as error:
        raise ConfigError(f"{job}: {error}") from error
    own |= {key: value for key, value in given.items() if not key.startswith("spark.")}
    session = dict(file.get("spark") or {})
    session |= {key.removeprefix("spark."): value for key, value in given.items() if key.startswith("spark.")}
    return validated(settings_class, own, job), validated(spark_class, session, "spark"), file


def _program(job: str) -> str:
    """The program's name in `--help`: of the console command, or of a script in jobs/."""
    return f"ptofa {job}" if Path(sys.argv[0]).name == "ptofa" else f"{job}.py"


def load_yaml(path: str | None) -> dict[str, Any]:
    """Reads the settings file into a dict of shared keys and sections; empty if path is None.

    Raises:
        ConfigError: the file is missing, is no YAML mapping, or has an unknown top-level key.
    """
    if path is None:
        return {}
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"config file {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"config file {path} holds no mapping of keys to values")
    for key, value in content.items():
        if key not in SECTIONS + SHARED_KEYS:
            raise ConfigError(f"config file {path}: unknown key {key!r}; allowed: {', '.join(SHARED_KEYS + SECTIONS)}")
        if key in SECTIONS and not isinstance(value, dict | None):
            raise ConfigError(f"config file {path}: section {key} must hold keys and values, found {value!r}")
    return content


def validated(settings_class: type[S], values: dict[str, Any], where: str) -> S:
    """An instance of the settings class.

    Raises:
        ConfigError: all problems in one line, with the allowed keys if a key is unknown.
    """
    try:
        return settings_class.model_validate(values)
    except ValidationError as error:
        allowed = ", ".join(settings_class.model_fields)
        raise ConfigError("; ".join(_in_words(problem, where, allowed) for problem in error.errors())) from error


def _in_words(problem: Any, where: str, allowed: str) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if not key:
        return f"{where}: {problem['msg'].removeprefix('Value error, ')}"
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key {key!r}; allowed: {allowed}"
    if problem["type"] == "missing":
        return f"{where}: {key!r} is required (--{key.replace('_', '-')} VALUE, or the config file)"
    return f"{where}: {key} = {problem['input']!r}: {problem['msg'].removeprefix('Value error, ')}"


def _add_options(parser: argparse.ArgumentParser, settings_class: type[Settings], prefix: str) -> None:
    group = parser.add_argument_group("Spark session" if prefix else "settings")
    for name, field in settings_class.model_fields.items():
        default = "required" if field.is_required() else f"default: {field.default}"
        group.add_argument(
            f"--{prefix}{name.replace('_', '-')}",
            dest=f"{prefix}{name}",
            metavar="VALUE",
            # `--grid` without a value means true.
            nargs="?" if field.annotation is bool else None,
            const="true" if field.annotation is bool else None,
            help=f"{field.description or name.replace('_', ' ')} ({default})".replace("%", "%%"),
        )
    for former, name in settings_class.former_names.items():
        group.add_argument(f"--{prefix}{former.replace('_', '-')}", dest=f"{prefix}{name}", help=argparse.SUPPRESS)
    for name in settings_class.moved:
        # Parsed with a value or none; the settings class refuses it and says where it is now.
        group.add_argument(
            f"--{prefix}{name.replace('_', '-')}",
            dest=f"{prefix}{name}",
            nargs="?",
            const="true",
            help=argparse.SUPPRESS,
        )
