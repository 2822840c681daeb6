"""The shape of a model's input: the user's, the fund's and the pair's features, apart.

They stay apart all the way into the first layer, so that scoring computes a user's part once for all funds.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class BlockLayout:
    """Columns of a block. vocabulary_sizes: codes of each categorical column; numeric: number of numeric columns."""

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
    """Encoded features of one subject.

    codes: (..., categorical columns) int64; numbers: (..., numeric columns) float32.

    The leading dimensions are free: (examples,) in training; (users, 1), (1, funds), (users, funds) in scoring.
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
    """What came of each exposure, float32 (examples,). conversion, click: 1 or 0; revenue: money, 0 without one."""

    conversion: Tensor
    click: Tensor
    revenue: Tensor


@dataclass(frozen=True)
class Batch:
    """Examples of one step."""

    features: Features
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels.revenue)

    def to(self, device: torch.device) -> Batch:
        """The batch on the device; itself if it is there."""
        if self.labels.revenue.device == device:
            return self
        blocks = (self.features.user, self.features.fund, self.features.pair)
        features = Features(*[Block(block.codes.to(device), block.numbers.to(device)) for block in blocks])
        labels = self.labels
        return Batch(features, Labels(*[each.to(device) for each in (labels.conversion, labels.click, labels.revenue)]))
