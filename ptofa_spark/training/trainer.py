"""The epoch loop: any model, any source of batches."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn
from tqdm import tqdm

from ptofa_spark.errors import UserError
from ptofa_spark.feed.blocks import Batch
from ptofa_spark.models.prediction import RevenueModel
from ptofa_spark.training.early_stopping import EarlyStopping
from ptofa_spark.training.settings import TrainSettings

logger = logging.getLogger(__name__)


class Source(Protocol):
    """Where batches come from. train_rows: rows of an epoch, for the progress bar."""

    @property
    def train_rows(self) -> int:
        """Rows of the training split."""

    def train(self, epoch: int) -> Iterator[Batch]:
        """The training split, in an order of the epoch's own."""

    def validation(self) -> Iterator[Batch]:
        """The validation split."""


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to: mean losses an example, examples trained on, seconds of training and of validation."""

    number: int
    train_loss: float
    validation_loss: float
    rows: int
    seconds: float


@dataclass(frozen=True)
class Fitted:
    """A finished run; the model holds the best epoch's weights."""

    best_epoch: int
    history: tuple[Epoch, ...]


def fit(model: RevenueModel[Any], source: Source, settings: TrainSettings) -> Fitted:
    """Minimises the model's mean loss by Adam until the validation loss stops falling.

    Dropout draws from torch's own generator: call it inside `seeded_single_thread`.

    Raises:
        UserError: the loss is no longer finite.
    """
    history: list[Epoch] = []
    stopping = EarlyStopping(settings.patience)
    # Fused: one pass over the weights a step, twice the rows a second of the plain implementation.
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate, fused=True)
    for number in range(settings.epochs):
        started = time.perf_counter()
        loss, rows = _train_epoch(model, source, optimizer, settings, number)
        epoch = Epoch(number, loss, mean_loss(model, source.validation()), rows, time.perf_counter() - started)
        history.append(epoch)
        logger.info(
            "epoch=%d train_loss=%.6f validation_loss=%.6f rows=%d seconds=%.1f",
            number, epoch.train_loss, epoch.validation_loss, rows, epoch.seconds,
        )  # fmt: skip
        if stopping.enough(number, epoch.validation_loss, model):
            break
    model.load_state_dict(stopping.best_weights)
    model.eval()
    return Fitted(stopping.best_epoch, tuple(history))


def mean_loss(model: RevenueModel[Any], batches: Iterator[Batch]) -> float:
    """Mean loss an example, without dropout.

    Raises:
        UserError: it is not finite.
    """
    model.eval()
    total, rows = 0.0, 0
    with torch.inference_mode():
        for batch in batches:
            total += float(model.loss(model(batch.features), batch.labels).double().sum())
            rows += len(batch)
    return _finite(total / rows)


@contextmanager
def seeded_single_thread(seed: int) -> Iterator[None]:
    """Seeds torch for what runs inside, and leaves the process's generator and thread count as they were.

    One thread: beside Spark on the same cores, two threads of torch make a step a hundred times slower, not faster.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _train_epoch(
    model: RevenueModel[Any], source: Source, optimizer: torch.optim.Optimizer, settings: TrainSettings, number: int
) -> tuple[float, int]:
    model.train()
    parameters = list(model.parameters())
    total, rows = torch.zeros((), dtype=torch.float64), 0
    with tqdm(total=source.train_rows, desc=f"epoch {number}", unit=" rows", unit_scale=True, disable=None) as bar:
        for batch in source.train(number):
            loss = model.loss(model(batch.features), batch.labels).mean()
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
            optimizer.step()
            total += loss.detach().double() * len(batch)
            rows += len(batch)
            bar.set_postfix(loss=f"{float(total) / rows:.5f}", refresh=False)
            bar.update(len(batch))
    return _finite(float(total) / rows), rows


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise UserError(f"the loss became {loss}: lower learning_rate, or look for extreme values in the features")
    return loss
