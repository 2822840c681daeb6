"""A training is left out only if its folder holds the model that it would make."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ptofa_spark.training.artifact import METRICS, MODEL
from ptofa_spark.training.finished import is_trained
from ptofa_spark.training.settings import TrainSettings

VERSIONS: dict[str, int | None] = {"w/examples": 3}
FILES = "a digest"


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    """Settings of a training whose folder is there, as `train` writes it."""
    found = TrainSettings(model_dir=str(tmp_path), model="ziln", seed=4)
    kept = found.model_dump(mode="json")
    described = {"name": "ziln", "settings": {"eps": kept["eps"]}, "table_versions": VERSIONS}
    (tmp_path / MODEL).write_text(json.dumps(described), encoding="utf-8")
    (tmp_path / METRICS).write_text(json.dumps({"train_settings": kept, "files": FILES}), encoding="utf-8")
    return found


def test_the_same_training_is_finished(settings: TrainSettings) -> None:
    assert is_trained(settings, VERSIONS, FILES)
    assert is_trained(settings.model_copy(update={"warehouse": "elsewhere", "tracking": True}), VERSIONS, FILES)


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 5}, {"model": "ptofa"}, {"learning_rate": 0.1}, {"eps": 5.0}, {"epochs": 1}, {"grid": True},
        {"snapshot_date": date(2025, 3, 3)}, {"processes": 2},
    ],
    ids=str,
)  # fmt: skip
def test_another_training_is_not_finished(settings: TrainSettings, change: dict[str, Any]) -> None:
    assert not is_trained(settings.model_copy(update=change), VERSIONS, FILES)


def test_a_model_older_than_a_setting_of_models_has_its_default(settings: TrainSettings, tmp_path: Path) -> None:
    kept = {name: value for name, value in settings.model_dump(mode="json").items() if name != "hidden"}
    (tmp_path / METRICS).write_text(json.dumps({"train_settings": kept, "files": FILES}), encoding="utf-8")
    assert is_trained(settings, VERSIONS, FILES)
    assert not is_trained(settings.model_copy(update={"hidden": "64"}), VERSIONS, FILES)


def test_a_training_on_other_data_is_not_finished(settings: TrainSettings) -> None:
    assert not is_trained(settings, {"w/examples": 4}, FILES)
    assert not is_trained(settings, VERSIONS, "of a table that was made anew")


def test_a_folder_without_whole_metrics_is_not_finished(settings: TrainSettings, tmp_path: Path) -> None:
    (tmp_path / METRICS).write_text("{", encoding="utf-8")
    assert not is_trained(settings, VERSIONS, FILES)
    (tmp_path / METRICS).unlink()
    assert not is_trained(settings, VERSIONS, FILES)
