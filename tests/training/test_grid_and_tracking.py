"""The grid keeps the best of its points, and MLflow gets the settings and the results of a run."""

from __future__ import annotations

import json
from pathlib import Path

import mlflow
import pytest
from pyspark.sql import SparkSession

from ptofa_spark.errors import ConfigError, MachineError, UserError
from ptofa_spark.training.artifact import read_artifact
from ptofa_spark.training.grid import best_of_grid
from ptofa_spark.training.loop.trainer import Fitted
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.train import TrainedModel, train
from tests.feed.feature_tables import FeatureTables
from tests.run_job import run_job
from tests.training.in_memory import exposures, fitted


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a database of runs. MLflow takes seconds to make its tables."""
    return tmp_path_factory.mktemp("tracking")


def grid_run(spark: SparkSession, tables: FeatureTables, model_dir: Path, **more: object) -> TrainedModel:
    given = {"warehouse": tables.warehouse, "model_dir": str(model_dir), "epochs": 2, "seed": 5, "grid": True, **more}
    return train(spark, TrainSettings.model_validate(given))


def test_the_grid_keeps_the_point_of_the_least_validation_loss(
    spark: SparkSession, tables: FeatureTables, tmp_path: Path
) -> None:
    done = grid_run(
        spark, tables, tmp_path / "grid", grid_learning_rates=".00001,.01,1e30", grid_dropouts=".3", clip_norm=1e30
    )
    points = {(point.learning_rate, point.dropout): point.validation_loss for point in done.chosen.grid}
    assert list(points) == [(rate, 0.3) for rate in (0.00001, 0.01, 1e30)]
    assert points[1e30, 0.3] is None
    losses = {point: loss for point, loss in points.items() if loss is not None}
    best = min(losses, key=lambda point: losses[point])
    assert best[0] == 0.01
    assert (done.chosen.settings.learning_rate, done.chosen.settings.dropout) == best
    assert "learning rate 0.01 and dropout" in done.line()
    kept = json.loads((tmp_path / "grid" / "metrics.json").read_text(encoding="utf-8"))
    assert [point["validation_loss"] for point in kept["grid"]] == list(points.values())
    alone = TrainSettings(
        warehouse=tables.warehouse, model_dir=str(tmp_path / "alone"), epochs=2, seed=5, clip_norm=1e30,
        learning_rate=best[0], dropout=best[1],
    )  # fmt: skip
    train(spark, alone)
    assert read_artifact(str(tmp_path / "alone")) == read_artifact(str(tmp_path / "grid"))


def fit_in_memory(point: TrainSettings) -> Fitted:
    chosen = point.model_dump(include={"learning_rate", "dropout", "clip_norm"})
    return fitted(exposures(600, 0.1), epochs=1, **chosen)[1]


def test_a_grid_that_diverges_everywhere_says_so() -> None:
    settings = TrainSettings(grid=True, grid_learning_rates="1e30", grid_dropouts=".1", clip_norm=1e30)
    with pytest.raises(UserError, match=r"diverged at every point of the grid"):
        best_of_grid(settings, fit_in_memory)


def test_a_point_of_the_grid_out_of_bounds_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"dropout = '1.5'"):
        best_of_grid(TrainSettings(grid=True, grid_dropouts="1.5"), fit_in_memory)


def test_a_machine_that_fails_ends_the_grid() -> None:
    def fails(point: TrainSettings) -> Fitted:
        raise MachineError("2 training processes ended without a model")

    with pytest.raises(MachineError, match="ended without a model"):
        best_of_grid(TrainSettings(grid=True), fails)


def test_a_model_is_kept_when_the_tracking_server_goes_away(
    spark: SparkSession, tables: FeatureTables, tracking: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise ConnectionResetError("connection reset")

    monkeypatch.setattr(mlflow, "log_artifacts", gone)
    given = {"warehouse": tables.warehouse, "model_dir": str(tmp_path / "model"), "epochs": 1, "tracking": True}
    settings = TrainSettings.model_validate(given | {"tracking_uri": f"sqlite:///{tracking}/runs.db"})
    with pytest.raises(MachineError, match=r"is written to .*model, but its run could not be logged"):
        train(spark, settings)
    assert read_artifact(str(tmp_path / "model")).name == "ptofa"


def test_a_run_is_found_again_in_mlflow(
    spark: SparkSession, tables: FeatureTables, tracking: Path, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tracking}/runs.db"
    done = grid_run(
        spark, tables, tmp_path / "model", grid_learning_rates=".001,.01", grid_dropouts=".1", tracking=True,
        tracking_uri=uri, experiment="a test",
    )  # fmt: skip
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("a test")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parent = next(run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert len(runs) == 3
    chosen = done.chosen
    assert parent.data.params["learning_rate"] == str(chosen.settings.learning_rate)
    assert parent.data.tags[f"version of {tables.warehouse}/examples"] == "0"
    losses = client.get_metric_history(parent.info.run_id, "validation_loss")
    assert [(found.step, found.value) for found in sorted(losses, key=lambda found: found.step)] == [
        (epoch.number, epoch.validation_loss) for epoch in chosen.fitted.history
    ]
    assert parent.data.metrics["validation_auc"] == done.validation.auc
    stored = sorted(file.path for file in client.list_artifacts(parent.info.run_id, "model"))
    assert stored == [f"model/{name}" for name in ("encoders.json", "metrics.json", "model.json", "model.safetensors")]
    assert (tracking / "mlartifacts").is_dir()
    nested = {run.info.run_name: run.data.metrics["validation_loss"] for run in runs if run is not parent}
    assert nested == {
        f"learning_rate={point.learning_rate:g} dropout={point.dropout:g}": point.validation_loss
        for point in chosen.grid
    }


def test_a_tracking_server_out_of_reach_is_refused_before_training(
    tables: FeatureTables, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--warehouse", tables.warehouse, "--model-dir", str(tmp_path / "m"), "--tracking"]
    code, line = run_job("train", *words, "--tracking-uri", "nowhere://host", capsys=capsys)
    assert code == 2
    assert "tracking_uri nowhere://host cannot be used" in line
    assert not (tmp_path / "m").exists()
