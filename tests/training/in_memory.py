"""Exposures in memory, whose truth is known, and `ptofa` fitted to them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from ptofa_spark.feed.blocks import Batch, Block, BlockLayout, Features, Labels, Layout
from ptofa_spark.models.ptofa import Ptofa
from ptofa_spark.models.settings import ModelSettings
from ptofa_spark.training.labels import SplitLabels
from ptofa_spark.training.loop.checkpoint import NO_CHECKPOINT, Checkpoint
from ptofa_spark.training.loop.group import ALONE, Group
from ptofa_spark.training.loop.trainer import Fitted, fit, seeded_single_thread
from ptofa_spark.training.settings import TrainSettings

LAYOUT = Layout(BlockLayout((), 1), BlockLayout((), 0), BlockLayout((), 0))


@dataclass(frozen=True)
class InMemory:
    """One numeric feature x and a revenue; the last quarter validates."""

    x: torch.Tensor
    revenue: torch.Tensor

    @property
    def train_rows(self) -> int:
        return len(self.x) * 3 // 4

    def batch(self, rows: torch.Tensor) -> Batch:
        empty = Block(torch.empty((len(rows), 0), dtype=torch.int64), torch.empty((len(rows), 0)))
        user = Block(empty.codes, self.x[rows, None])
        converted = (self.revenue[rows] > 0).float()
        return Batch(Features(user, empty, empty), Labels(converted, converted, self.revenue[rows]))

    def train(self, epoch: int) -> Iterator[Batch]:
        order = torch.randperm(self.train_rows, generator=torch.Generator().manual_seed(epoch))
        return (self.batch(rows) for rows in order.split(256))

    @property
    def validation_rows(self) -> int:
        return len(self.x) - self.train_rows

    def nothing(self) -> Batch:
        return self.batch(torch.arange(0))

    def validation(self) -> Iterator[Batch]:
        return iter([self.batch(torch.arange(self.train_rows, len(self.x)))])


def exposures(rows: int, rate: float, seed: int = 0) -> InMemory:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, generator=generator)
    p = torch.sigmoid(math.log(rate / (1 - rate)) + x) if rate else torch.zeros(rows)
    money = torch.exp(4.0 + 0.8 * torch.randn(rows, generator=generator))
    return InMemory(x, torch.where(torch.rand(rows, generator=generator) < p, money, 0.0))


def fitted(
    source: InMemory, checkpoint: Checkpoint = NO_CHECKPOINT, group: Group = ALONE, **more: object
) -> tuple[Ptofa, Fitted]:
    settings = TrainSettings.model_validate({"epochs": 4, "learning_rate": 0.003, **more})
    revenue = source.revenue[: source.train_rows]
    log_revenue = torch.log(revenue[revenue > 0])
    mean, deviation = (float(log_revenue.mean()), float(log_revenue.std())) if len(log_revenue) > 1 else (None, None)
    labels = SplitLabels(len(revenue), len(log_revenue), len(log_revenue), float(revenue.sum()), mean, deviation)
    with seeded_single_thread(settings.seed):
        kept = settings.model_dump(include=set(ModelSettings.model_fields))
        model = Ptofa(LAYOUT, ModelSettings(**kept))
        model.start_at(labels.moments())
        return model, fit(model, source, settings, group, checkpoint)
