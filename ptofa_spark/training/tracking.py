"""Logs a training run to MLflow: its settings, its figures per epoch, and the model's folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException

from ptofa_spark.errors import MachineError, UserError
from ptofa_spark.running.redaction import hidden, without_secrets
from ptofa_spark.training.grid import Chosen
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.validation import ValidationMetrics

_SQLITE = "sqlite:///"
_NOT_OF_THE_RUN = {"tracking", "tracking_uri", "experiment"}


def open_experiment(settings: TrainSettings) -> None:
    """Checks that the run can be tracked. It is called before training, not after it.

    The artifacts of an SQLite database are beside it, in `mlartifacts`. Otherwise the server decides where they are.

    Raises:
        UserError: the tracking server or database cannot be reached.
    """
    if not settings.tracking:
        return
    try:
        mlflow.set_tracking_uri(settings.tracking_uri)
        if mlflow.get_experiment_by_name(settings.experiment) is None:
            beside = None
            if settings.tracking_uri.startswith(_SQLITE):
                database = Path(settings.tracking_uri.removeprefix(_SQLITE)).absolute()
                beside = (database.parent / "mlartifacts").as_uri()
            mlflow.create_experiment(settings.experiment, artifact_location=beside)
        mlflow.set_experiment(settings.experiment)
    except MlflowException as error:
        raise UserError(
            f"tracking_uri {settings.tracking_uri} cannot be used ({_reason(error)}): name another, or leave tracking "
            "off"
        ) from error


def track(chosen: Chosen, validation: ValidationMetrics, model_dir: str, versions: dict[str, int | None]) -> None:
    """Logs the run. Call `open_experiment` first. The points of a grid become nested runs.

    Raises:
        MachineError: the run could not be logged. The model is already written.
    """
    if not chosen.settings.tracking:
        return
    try:
        _log(chosen, validation, model_dir, versions)
    except Exception as error:  # each artifact store raises its own errors; the model is already written
        raise MachineError(
            f"the model is written to {model_dir}, but its run could not be logged to {chosen.settings.tracking_uri} "
            f"({_reason(error)}): train again when it can be reached, or leave tracking off"
        ) from error


def _log(chosen: Chosen, validation: ValidationMetrics, model_dir: str, versions: dict[str, int | None]) -> None:
    settings = chosen.settings
    with mlflow.start_run(run_name=settings.model):
        mlflow.log_params(hidden(settings.model_dump(mode="json", exclude=_NOT_OF_THE_RUN)))
        mlflow.set_tags({f"version of {without_secrets(table)}": str(version) for table, version in versions.items()})
        for epoch in chosen.fitted.history:
            figures = {name: float(value) for name, value in asdict(epoch).items() if name != "number"}
            mlflow.log_metrics(figures, step=epoch.number)
        found = {f"validation_{name}": float(value) for name, value in asdict(validation).items() if value is not None}
        mlflow.log_metrics(found, step=chosen.fitted.best_epoch)
        mlflow.log_artifacts(model_dir, "model")
        for point in chosen.grid:
            name = f"learning_rate={point.learning_rate:g} dropout={point.dropout:g}"
            with mlflow.start_run(run_name=name, nested=True):
                mlflow.log_params({"learning_rate": point.learning_rate, "dropout": point.dropout})
                if point.validation_loss is not None:
                    mlflow.log_metric("validation_loss", point.validation_loss)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
