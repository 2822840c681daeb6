"""Trains a model on the warehouse's examples and writes it as a folder."""

from __future__ import annotations

import logging
import shutil
from dataclasses import asdict, dataclass
from typing import Any

from pyspark.sql import SparkSession

from ptofa_spark.feed.encoding import fit_encoding
from ptofa_spark.feed.examples import ExamplesFeed
from ptofa_spark.feed.snapshot import Snapshot, files_digest, pin_snapshot, split_files
from ptofa_spark.models.build import build_model, model_of
from ptofa_spark.models.settings import ModelSettings
from ptofa_spark.reproducible.splits import TRAIN, VALIDATION
from ptofa_spark.running.progress import stage
from ptofa_spark.running.redaction import hidden
from ptofa_spark.tables.names import in_warehouse
from ptofa_spark.training.artifact import pack, require_place, write_artifact
from ptofa_spark.training.grid import Chosen, best_of_grid
from ptofa_spark.training.labels import SplitLabels, split_labels
from ptofa_spark.training.loop.checkpoint import checkpoint_folder, checkpoint_name
from ptofa_spark.training.loop.trainer import Fitted, seeded_single_thread
from ptofa_spark.training.processes import TrainingTask, run_training
from ptofa_spark.training.settings import TrainSettings
from ptofa_spark.training.tracking import open_experiment, track
from ptofa_spark.training.validation import ValidationMetrics, validate

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedModel:
    """A finished training.

    chosen: the best run; validation: figures of its weights; labels: statistics by split; files: digest of the files
    it read.
    """

    name: str
    model_dir: str
    chosen: Chosen
    validation: ValidationMetrics
    labels: dict[str, SplitLabels]
    files: str

    def line(self) -> str:
        """The result in one line."""
        fitted, found = self.chosen.fitted, self.validation
        best = fitted.history[fitted.best_epoch]
        return (
            f"{self.name} in {self.model_dir}: {self._point()}epoch {best.number + 1} of {len(fitted.history)} kept, "
            f"validation loss {best.validation_loss:.5f}, AUC {_shown(found.auc)}, predicted / actual conversions "
            f"{_shown(found.conversion_ratio)}, revenue {_shown(found.revenue_ratio)}"
        )

    def metrics(self) -> dict[str, Any]:
        """The content of `metrics.json`."""
        settings = self.chosen.settings
        return {
            "best_epoch": self.chosen.fitted.best_epoch,
            "cut_off": self.chosen.fitted.cut_off,
            "history": [asdict(epoch) for epoch in self.chosen.fitted.history],
            "grid": [asdict(point) for point in self.chosen.grid],
            "validation": asdict(self.validation),
            "labels": {split: asdict(labels) for split, labels in sorted(self.labels.items())},
            "files": self.files,
            "train_settings": hidden(settings.model_dump(mode="json", exclude=set(ModelSettings.model_fields))),
        }

    def _point(self) -> str:
        if not self.chosen.grid:
            return ""
        settings = self.chosen.settings
        return f"learning rate {settings.learning_rate:g} and dropout {settings.dropout:g} of the grid, "


def train(spark: SparkSession, settings: TrainSettings) -> TrainedModel:
    """Fits the model to the examples of the training split, as they are now, and writes it to `model_dir`.

    The version of the table is pinned for the run and recorded beside the weights. A killed run resumes from its last
    checkpoint if it is started again with the same settings on the same version.

    Raises:
        ConfigError: the model rejects the settings.
        TableError: the examples are missing, break their contract, or have no row to train or validate on.
        UserError: the loss diverged, `model_dir` cannot be written, or the tracking server cannot be reached.
    """
    require_place(settings.model_dir)
    open_experiment(settings)
    with stage("train", model=settings.model) as report:
        snapshot = pin_snapshot(spark, in_warehouse(settings.warehouse, "examples"), settings.snapshot_date)
        versions = {snapshot.table.name: snapshot.table.version}
        labels = split_labels(snapshot.frame, snapshot.table.name)
        feed = examples_feed(snapshot, labels, settings)
        checkpoints = checkpoint_folder(settings.model_dir)

        def run(point: TrainSettings) -> Fitted:
            file = str(checkpoints / checkpoint_name(point, feed, versions)) if point.checkpoint_steps else None
            return run_training(spark, TrainingTask(feed, labels[TRAIN].moments(), point, file))

        chosen = best_of_grid(settings, run)
        if chosen.fitted.cut_off:
            logger.warning("epochs=%d ended the training before its loss had stopped falling", settings.epochs)
        model = build_model(settings.model, feed.encoding.layout, chosen.settings.of_model())
        model.load_state_dict(chosen.fitted.weights)
        model.eval()
        with seeded_single_thread(settings.seed):
            validation = validate(model, model_of(settings.model), feed.validation())
        trained = TrainedModel(settings.model, settings.model_dir, chosen, validation, labels, files_digest(snapshot))
        write_artifact(pack(settings.model, model, feed.encoding, versions), trained.metrics(), settings.model_dir)
        shutil.rmtree(checkpoints, ignore_errors=True)
        track(chosen, validation, settings.model_dir, versions)
        epochs = len(chosen.fitted.history)
        report.counts |= {"rows": labels[TRAIN].rows, "epochs": epochs, "auc": _shown(validation.auc)}
    return trained


def examples_feed(snapshot: Snapshot, labels: dict[str, SplitLabels], settings: TrainSettings) -> ExamplesFeed:
    """The feed of a snapshot's examples, as the settings ask for it.

    Args:
        snapshot: of the table of examples.
        labels: what each split holds.
        settings: of the training.
    """
    return ExamplesFeed(
        train_files=split_files(snapshot, TRAIN),
        validation_files=split_files(snapshot, VALIDATION),
        encoding=fit_encoding(snapshot.frame),
        train_rows=labels[TRAIN].rows,
        validation_rows=labels[VALIDATION].rows,
        batch_size=settings.batch_size,
        buffer_rows=settings.shuffle_rows,
        seed=settings.seed,
        reader=settings.reader,
    )


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
