"""Trains a model on the warehouse's examples and writes it as a folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pyspark.sql import SparkSession

from ptofa_spark.feed.encoding import fit_encoding
from ptofa_spark.feed.examples import ExamplesFeed
from ptofa_spark.feed.snapshot import pin_snapshot, split_files
from ptofa_spark.models.registry import build_model, require_model
from ptofa_spark.models.settings import ModelSettings
from ptofa_spark.progress import stage
from ptofa_spark.splits import TRAIN, VALIDATION
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.training.artifact import pack, require_place, write_artifact
from ptofa_spark.training.labels import SplitLabels, split_labels
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.trainer import Fitted, fit, seeded_single_thread
from ptofa_spark.training.validation import ValidationMetrics, validate


@dataclass(frozen=True)
class TrainedModel:
    """A finished training. fitted: losses by epoch; validation: figures of the kept weights; labels: by split."""

    name: str
    model_dir: str
    fitted: Fitted
    validation: ValidationMetrics
    labels: dict[str, SplitLabels]

    def line(self) -> str:
        """The training in one line."""
        best, found = self.fitted.history[self.fitted.best_epoch], self.validation
        return (
            f"{self.name} in {self.model_dir}: epoch {best.number + 1} of {len(self.fitted.history)} kept, "
            f"validation loss {best.validation_loss:.5f}, AUC {_shown(found.auc)}, predicted / actual conversions "
            f"{_shown(found.conversion_ratio)}, revenue {_shown(found.revenue_ratio)}"
        )


def train(spark: SparkSession, settings: TrainSettings) -> TrainedModel:
    """Fits the model to the examples of the training split, as they are now, and writes it to `model_dir`.

    The version of the table is pinned for the run and recorded beside the weights.

    Raises:
        ConfigError: unknown model, or settings that the model refuses.
        TableError: the examples are missing, break their contract, or have no row to train or validate on.
        UserError: the loss diverged, or `model_dir` cannot be written.
    """
    require_model(settings.model)
    require_place(settings.model_dir)
    with stage("train", model=settings.model) as report:
        snapshot = pin_snapshot(spark, in_warehouse(settings.warehouse, "examples"), settings.snapshot_date)
        labels = split_labels(snapshot.frame, snapshot.table.name)
        encoding = fit_encoding(snapshot.frame)
        feed = ExamplesFeed(
            train_files=split_files(snapshot, TRAIN),
            validation_files=split_files(snapshot, VALIDATION),
            encoding=encoding,
            train_rows=labels[TRAIN].rows,
            validation_rows=labels[VALIDATION].rows,
            batch_size=settings.batch_size,
            buffer_rows=settings.shuffle_rows,
            seed=settings.seed,
        )
        with seeded_single_thread(settings.seed):
            model = build_model(settings.model, encoding.layout, _model_settings(settings))
            model.start_at(labels[TRAIN].moments())
            fitted = fit(model, feed, settings)
            validation = validate(model, feed.validation())
        artifact = pack(settings.model, model, encoding, {snapshot.table.name: snapshot.table.version})
        trained = TrainedModel(settings.model, settings.model_dir, fitted, validation, labels)
        write_artifact(artifact, _metrics(trained, settings), settings.model_dir)
        report.counts |= {"rows": labels[TRAIN].rows, "epochs": len(fitted.history), "auc": _shown(validation.auc)}
    return trained


def _model_settings(settings: TrainSettings) -> ModelSettings:
    return ModelSettings(**settings.model_dump(include=set(ModelSettings.model_fields)))


def _metrics(trained: TrainedModel, settings: TrainSettings) -> dict[str, Any]:
    """What `metrics.json` keeps."""
    return {
        "best_epoch": trained.fitted.best_epoch,
        "history": [asdict(epoch) for epoch in trained.fitted.history],
        "validation": asdict(trained.validation),
        "labels": {split: asdict(labels) for split, labels in sorted(trained.labels.items())},
        "train_settings": settings.model_dump(exclude=set(ModelSettings.model_fields)),
    }


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
