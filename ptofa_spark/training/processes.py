"""Runs training in this process, or in several processes that Spark's TorchDistributor starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession

from ptofa_spark.errors import MachineError, UserError
from ptofa_spark.feed.examples import ExamplesFeed
from ptofa_spark.models.build import build_model
from ptofa_spark.models.parts.heads import LabelMoments
from ptofa_spark.training.loop.checkpoint import Checkpoint
from ptofa_spark.training.loop.group import joined_group
from ptofa_spark.training.loop.trainer import Fitted, fit, seeded_single_thread
from ptofa_spark.training.settings import TrainSettings

# Each process has its own seed for dropout. The stride is larger than the difference between the seeds of usual runs.
_SEED_STRIDE = 1_000_003


@dataclass(frozen=True)
class TrainingTask:
    """All that a training process needs. It does not use Spark. checkpoint: path of the run's file, None for none."""

    feed: ExamplesFeed
    moments: LabelMoments
    settings: TrainSettings
    checkpoint: str | None


def run_training(spark: SparkSession, task: TrainingTask) -> Fitted:
    """Fits the task's model in as many processes as its settings say. Every process runs the same code.

    In local mode the processes run beside the driver. On a cluster they run in the tasks of one barrier stage. Each
    task opens the example files and the checkpoint's path itself.

    Raises:
        UserError: the loss diverged.
        MachineError: a process failed or ended without a model.
    """
    settings = task.settings
    if settings.processes == 1:
        return train_process(task)
    local = (spark.sparkContext.master or "").startswith("local")
    # gloo resolves the host's name to an address. A machine without a network cannot do this.
    interface = os.environ.get("GLOO_SOCKET_IFNAME")
    if local and interface is None:
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    try:
        distributor = TorchDistributor(settings.processes, local_mode=local, use_gpu=settings.device == "cuda")
        outcome: Fitted | UserError | None = distributor.run(_outcome, task)
    except RuntimeError as error:
        raise MachineError(
            f"{settings.processes} training processes did not finish ({' '.join(str(error).split())[:200]}): "
            "see the lines above, or train with --processes 1"
        ) from error
    finally:
        if local and interface is None:
            os.environ.pop("GLOO_SOCKET_IFNAME", None)
    if isinstance(outcome, UserError):
        raise outcome
    if outcome is None:
        raise MachineError(f"{settings.processes} training processes ended without a model: see the lines above")
    return outcome


def train_process(task: TrainingTask) -> Fitted:
    """Trains in this process, as one of the group that its environment names.

    Raises:
        UserError: the loss diverged.
    """
    settings = task.settings
    with joined_group(settings.device) as group, seeded_single_thread(settings.seed + group.rank * _SEED_STRIDE):
        feed = task.feed
        if group.size > 1:
            feed = feed.of_process(group.rank, group.size, group.share(settings.batch_size))
        model = build_model(settings.model, feed.encoding.layout, settings.of_model())
        model.start_at(task.moments)
        file = None if task.checkpoint is None else Path(task.checkpoint)
        return fit(model, feed, settings, group, Checkpoint(file, max(1, settings.checkpoint_steps)))


def _outcome(task: TrainingTask) -> Fitted | UserError:
    """What the first process returns. A UserError is returned, since raising it would look like a crash."""
    try:
        return train_process(task)
    except UserError as error:
        return error
