"""The epoch loop, for any model and any source of batches, in one process or several."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from ptofa_spark.errors import DivergedError
from ptofa_spark.feed.blocks import Batch
from ptofa_spark.models.parts.prediction import RevenueModel
from ptofa_spark.training.loop.averaging import averaged
from ptofa_spark.training.loop.checkpoint import NO_CHECKPOINT, Checkpoint
from ptofa_spark.training.loop.early_stopping import EarlyStopping
from ptofa_spark.training.loop.group import ALONE, Group
from ptofa_spark.training.loop.history import Epoch, Progress
from ptofa_spark.training.settings import TrainSettings

logger = logging.getLogger(__name__)
# Steps between two updates of the loss in the progress bar.
_STEPS_A_SIGN = 50


class Source(Protocol):
    """The source of a process's batches. train_rows, validation_rows: rows of the splits, over all processes."""

    @property
    def train_rows(self) -> int:
        """Rows of the training split."""

    @property
    def validation_rows(self) -> int:
        """Rows of the validation split."""

    def train(self, epoch: int) -> Iterator[Batch]:
        """This process's part of the training split, in an order that differs per epoch."""

    def validation(self) -> Iterator[Batch]:
        """This process's part of the validation split."""

    def nothing(self) -> Batch:
        """A batch without rows. A process adds it to a step when its own rows are used up."""


@dataclass(frozen=True)
class Fitted:
    """A finished run.

    history: all epochs; weights: those of the best, on the CPU; cut_off: whether `epochs` ended it, not `patience`.
    """

    best_epoch: int
    history: tuple[Epoch, ...]
    weights: dict[str, Tensor]
    cut_off: bool


def fit(
    model: RevenueModel[Any],
    source: Source,
    settings: TrainSettings,
    group: Group = ALONE,
    checkpoint: Checkpoint = NO_CHECKPOINT,
) -> Fitted:
    """Minimises the model's mean loss by Adam until the validation loss stops falling.

    The model then holds the weights of the best epoch. They are a running average (see `averaging`), as are the weights
    that are validated.

    Each step takes one batch from every process. Every row has the same weight, however the processes share the rows.
    Dropout draws from torch's own generator, so call this inside `seeded_single_thread`.

    Args:
        model: with fresh weights, after `start_at`.
        source: of this process's batches.
        settings: learning rate, epochs, patience and so on.
        group: the processes that train together.
        checkpoint: the run's file. If it exists, the run resumes from it.

    Raises:
        DivergedError: the loss is no longer finite.
        RuntimeError: the source yielded another number of rows than it declares.
    """
    stopping = EarlyStopping(settings.patience)
    model.to(group.device)
    # Fused: one pass over the weights per step. It trains twice the rows per second of the plain implementation.
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    average = averaged(model, settings.averaging)
    progress = checkpoint.resume(stopping, model, average, optimizer, group)
    if progress.epoch or progress.steps:
        logger.info("resumed epoch=%d steps=%d", progress.epoch, progress.steps)
    run = _Run(model, average, group.synchronised(model), source, optimizer, settings, group, checkpoint, stopping)
    while progress.epoch < settings.epochs and not stopping.enough:
        epoch = run.epoch(progress)
        stopping.note(epoch.number, epoch.validation_loss, average.module)
        progress.end_epoch(epoch)
        checkpoint.save(progress, stopping, model, average, optimizer, group)
        if group.rank == 0:
            logger.info(
                "epoch=%d train_loss=%.6f validation_loss=%.6f rows=%d seconds=%.1f rows_per_second=%.0f waited=%.2f",
                epoch.number, epoch.train_loss, epoch.validation_loss, epoch.rows, epoch.seconds,
                epoch.rows / epoch.seconds, epoch.waited,
            )  # fmt: skip
    model.to("cpu").load_state_dict(stopping.best_weights)
    model.eval()
    return Fitted(stopping.best_epoch, tuple(progress.history), stopping.best_weights, not stopping.enough)


def mean_loss(model: RevenueModel[Any], source: Source, group: Group = ALONE) -> float:
    """Mean loss per example of the validation split, without dropout.

    Raises:
        DivergedError: the mean is not finite.
        RuntimeError: the source yielded another number of rows than it declares.
    """
    model.eval()
    total, rows = 0.0, 0
    with torch.inference_mode():
        for batch in source.validation():
            batch = batch.to(group.device)
            total += float(model.loss(model(batch.features), batch.labels).double().sum())
            rows += len(batch)
    return _finite(group.total(total) / _all_rows(rows, source.validation_rows, group))


@contextmanager
def seeded_single_thread(seed: int) -> Iterator[None]:
    """Seeds torch and limits it to one thread inside the block. Afterwards, generator and thread count are as before.

    If Spark runs on the same cores, two threads of torch make a step a hundred times slower than one thread.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@dataclass(frozen=True)
class _Run:
    """What all epochs of a run share.

    average: of the model's weights; synchronised: the model as training steps call it (see `Group.synchronised`).
    """

    model: RevenueModel[Any]
    average: AveragedModel
    synchronised: nn.Module
    source: Source
    optimizer: torch.optim.Optimizer
    settings: TrainSettings
    group: Group
    checkpoint: Checkpoint
    stopping: EarlyStopping

    def epoch(self, progress: Progress) -> Epoch:
        """Trains the rest of the current epoch and validates."""
        model, group, done = self.model, self.group, progress.steps
        model.train()
        parameters = list(model.parameters())
        # In float64 and on the device. Reading it in every step would make the step wait for the device.
        total = torch.tensor(progress.loss, dtype=torch.float64, device=group.device)
        waiting = _Waiting(self.source.train(progress.epoch))
        started = time.perf_counter()
        with tqdm(
            total=self.source.train_rows,
            initial=progress.rows,
            desc=f"epoch {progress.epoch}",
            unit=" rows",
            unit_scale=True,
            disable=None if group.rank == 0 else True,
        ) as bar:
            for mine, rows in islice(_steps(waiting, self.source.nothing(), group), done, None):
                batch = mine.to(group.device)
                loss = model.loss(self.synchronised(batch.features), batch.labels).sum()
                self.optimizer.zero_grad()
                # Gradients are averaged over the processes. Times size / rows, they are the mean over all rows.
                (loss * (group.size / rows)).backward()
                nn.utils.clip_grad_norm_(parameters, self.settings.clip_norm)
                self.optimizer.step()
                self.average.update_parameters(model)
                total += loss.detach().double()
                progress.steps, progress.rows = progress.steps + 1, progress.rows + len(batch)
                if progress.steps % _STEPS_A_SIGN == 1:
                    bar.set_postfix(loss=f"{float(total) / max(1, progress.rows):.5f}", refresh=False)
                bar.update(rows)
                if self.checkpoint.due(progress.steps):
                    progress.loss = float(total)
                    self.checkpoint.save(progress, self.stopping, model, self.average, self.optimizer, group)
        trained = time.perf_counter() - started
        every = _all_rows(progress.rows, self.source.train_rows, group)
        loss_of_all = _finite(group.total(float(total)) / every)
        validation_loss = mean_loss(cast("RevenueModel[Any]", self.average.module), self.source, group)
        return Epoch(
            number=progress.epoch,
            train_loss=loss_of_all,
            validation_loss=validation_loss,
            rows=every,
            seconds=time.perf_counter() - started,
            waited=waiting.seconds / trained,
        )


class _Waiting(Iterator[Batch]):
    """The batches, and the seconds that the consumer waited for them."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self.seconds = 0.0

    def __next__(self) -> Batch:
        asked = time.perf_counter()
        try:
            return next(self._batches)
        finally:
            self.seconds += time.perf_counter() - asked


def _steps(batches: Iterator[Batch], nothing: Batch, group: Group) -> Iterator[tuple[Batch, int]]:
    """Yields, per step, this process's batch and the number of rows of all processes, until all are used up."""
    while True:
        batch = next(batches, nothing)
        rows = int(group.total(len(batch)))
        if rows == 0:
            return
        yield batch, rows


def _all_rows(mine: int, wanted: int, group: Group) -> int:
    """The rows of all processes; requires the wanted number. A model trained on half the data looks like any other."""
    rows = int(group.total(mine))
    if rows != wanted:
        raise RuntimeError(f"the training processes read {rows} rows, but Spark counted {wanted}")
    return rows


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise DivergedError(f"the loss became {loss}: lower learning_rate, or look for extreme values in the features")
    return loss
