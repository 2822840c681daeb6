"""The feature embedding that all models share, and the first layer, which multiplies the three blocks separately."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ptofa_spark.feed.blocks import Block, BlockLayout, Features, Layout


@dataclass(frozen=True)
class Embedded:
    """The blocks after embedding, each (..., its width) float32. Their leading dimensions broadcast."""

    user: Tensor
    fund: Tensor
    pair: Tensor


class FeatureEmbedding(nn.Module):
    """Replaces each categorical code by a vector. Numeric columns, which the encoders scaled, stay unchanged."""

    def __init__(self, layout: Layout, dimension: int) -> None:
        super().__init__()
        self.user = BlockEmbedding(layout.user, dimension)
        self.fund = BlockEmbedding(layout.fund, dimension)
        self.pair = BlockEmbedding(layout.pair, dimension)

    @property
    def widths(self) -> tuple[int, int, int]:
        """Width of each block after embedding: user, fund, pair."""
        return self.user.width, self.fund.width, self.pair.width

    def forward(self, features: Features) -> Embedded:
        """Embeds each block by itself."""
        return Embedded(self.user(features.user), self.fund(features.fund), self.pair(features.pair))


class BlockEmbedding(nn.Module):
    """One table of vectors per block. In it, the codes of each categorical column follow those of the column before."""

    offsets: Tensor

    def __init__(self, layout: BlockLayout, dimension: int) -> None:
        super().__init__()
        sizes = torch.tensor(layout.vocabulary_sizes, dtype=torch.int64)
        self.register_buffer("offsets", sizes.cumsum(0) - sizes, persistent=False)
        # A block without categorical columns needs a table too. Its one row is never read.
        self.table = nn.Embedding(max(1, sum(layout.vocabulary_sizes)), dimension)
        nn.init.normal_(self.table.weight, std=dimension**-0.5)
        self.width = len(layout.vocabulary_sizes) * dimension + layout.numeric

    def forward(self, block: Block) -> Tensor:
        """(..., categorical) and (..., numeric) to (..., width)."""
        vectors = self.table(block.codes + self.offsets).flatten(-2)
        return torch.cat([vectors, block.numbers], dim=-1)


class BlockLinear(nn.Module):
    """A linear layer on the concatenated blocks, computed block by block and summed by broadcasting.

    Scoring has a user block of (users, 1, width) and a fund block of (1, funds, width). The product of the user block,
    the most expensive one, is then computed once for all funds. With equal leading dimensions, this is the plain linear
    layer.
    """

    def __init__(self, widths: tuple[int, int, int], out_features: int) -> None:
        super().__init__()
        self.widths = widths
        self.linear = nn.Linear(sum(widths), out_features)

    def forward(self, embedded: Embedded) -> Tensor:
        """Blocks of (..., width) to (..., out_features)."""
        blocks = (embedded.user, embedded.fund, embedded.pair)
        if embedded.user.shape[:-1] == embedded.fund.shape[:-1] == embedded.pair.shape[:-1]:
            # One product is faster than three when nothing is shared.
            out: Tensor = self.linear(torch.cat(blocks, dim=-1))
            return out
        weights = torch.split_with_sizes(self.linear.weight, self.widths, dim=1)
        user, fund, pair = (nn.functional.linear(block, weight) for block, weight in zip(blocks, weights, strict=True))
        return user + (fund + self.linear.bias) + pair
