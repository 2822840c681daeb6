"""A model's input: separate blocks of user, fund and pair features.

They are separate up to the first layer, so that scoring computes a user's part once for all funds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class BlockLayout:
    """Columns of a block. vocabulary_sizes: codes per categorical column; numeric: number of numeric columns."""

    vocabulary_sizes: tuple[int, ...]
    numeric: int


@dataclass(frozen=True)
class Layout:
    """Columns of a model's input."""

    user: BlockLayout
    fund: BlockLayout
    pair: BlockLayout


@dataclass(frozen=True)
class Block:
    """Encoded features of users, funds or pairs.

    codes: (..., categorical columns) int64; numbers: (..., numeric columns) float32.

    Leading dimensions: (examples,) in training; (users, 1), (1, funds) or (users, funds) in scoring.
    """

    codes: Tensor
    numbers: Tensor


@dataclass(frozen=True)
class Features:
    """Features of user-fund pairs; the blocks' leading dimensions broadcast against each other."""

    user: Block
    fund: Block
    pair: Block


@dataclass(frozen=True)
class Labels:
    """Outcomes of exposures, float32 (examples,). conversion, click: 1 or 0; revenue: money, 0 without a conversion."""

    conversion: Tensor
    click: Tensor
    revenue: Tensor


@dataclass(frozen=True)
class Batch:
    """The examples of one training step."""

    features: Features
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels.revenue)

    def to(self, device: torch.device) -> Batch:
        """The batch on the device; the same object if it is there already."""
        if self.labels.revenue.device == device:
            return self
        blocks = (self.features.user, self.features.fund, self.features.pair)
        features = Features(*[Block(block.codes.to(device), block.numbers.to(device)) for block in blocks])
        labels = self.labels
        return Batch(features, Labels(*[each.to(device) for each in (labels.conversion, labels.click, labels.revenue)]))
