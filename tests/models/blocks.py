"""Random input of a small network: one block each of a user, a fund and a pair."""

from __future__ import annotations

import torch

from ptofa_spark.feed.blocks import Block, BlockLayout, Layout

LAYOUT = Layout(BlockLayout((5, 3), 4), BlockLayout((7,), 2), BlockLayout((), 3))


def block(layout: BlockLayout, shape: tuple[int, ...], generator: torch.Generator) -> Block:
    codes = [torch.randint(0, size, (*shape, 1), generator=generator) for size in layout.vocabulary_sizes]
    empty = torch.empty((*shape, 0), dtype=torch.int64)
    return Block(torch.cat([empty, *codes], dim=-1), torch.randn((*shape, layout.numeric), generator=generator))
