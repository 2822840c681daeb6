"""Encodes raw feature columns into the codes and numbers of the three blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pyspark.sql import DataFrame

from ptofa_spark.features.columns import FUND, PAIR, USER
from ptofa_spark.features.encoders import Encoders
from ptofa_spark.features.fitting import fit_encoders
from ptofa_spark.feed.batches import Widths
from ptofa_spark.feed.blocks import Block, BlockLayout, Layout


@dataclass(frozen=True)
class BlockEncoding:
    """The encoders of one block's columns."""

    encoders: Encoders

    @property
    def columns(self) -> tuple[str, ...]:
        """The raw columns that the block reads."""
        return self.encoders.columns

    @property
    def layout(self) -> BlockLayout:
        """The block's columns, as a model needs them."""
        return BlockLayout(self.encoders.vocabulary_sizes, len(self.encoders.number_names))

    def block(self, frame: pd.DataFrame) -> Block:
        """Encodes raw rows: codes and numbers (rows, columns)."""
        codes, numbers = self.encoders.encode(frame)
        return Block(torch.from_numpy(codes), torch.from_numpy(numbers))


@dataclass(frozen=True)
class FeatureEncoding:
    """The encoders of all columns, and their three blocks."""

    encoders: Encoders

    @cached_property
    def user(self) -> BlockEncoding:
        """The u_ columns."""
        return BlockEncoding(self.encoders.subset(USER))

    @cached_property
    def fund(self) -> BlockEncoding:
        """The f_ columns."""
        return BlockEncoding(self.encoders.subset(FUND))

    @cached_property
    def pair(self) -> BlockEncoding:
        """The p_ columns."""
        return BlockEncoding(self.encoders.subset(PAIR))

    @property
    def blocks(self) -> tuple[BlockEncoding, BlockEncoding, BlockEncoding]:
        """User, fund and pair."""
        return self.user, self.fund, self.pair

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """All raw columns, block by block."""
        return tuple(name for block in self.blocks for name in block.columns)

    @cached_property
    def code_names(self) -> tuple[str, ...]:
        """Field names of the codes of `encode`. They are numbered, since a column's name may not be an identifier."""
        return tuple(f"code_{number}" for number in range(sum(self.widths.codes)))

    @cached_property
    def number_names(self) -> tuple[str, ...]:
        """Field names of the numbers of `encode`."""
        return tuple(f"number_{number}" for number in range(sum(self.widths.numbers)))

    @property
    def layout(self) -> Layout:
        """The columns of all blocks, as a model needs them."""
        return Layout(self.user.layout, self.fund.layout, self.pair.layout)

    @property
    def widths(self) -> Widths:
        """Number of code and number columns per block."""
        layouts = [block.layout for block in self.blocks]
        codes = [len(layout.vocabulary_sizes) for layout in layouts]
        numbers = [layout.numeric for layout in layouts]
        return Widths((codes[0], codes[1], codes[2]), (numbers[0], numbers[1], numbers[2]))

    def encode(self, frame: pd.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Encodes raw rows: codes and numbers (rows, columns of all blocks)."""
        parts = [block.encoders.encode(frame) for block in self.blocks]
        return np.concatenate([c for c, _ in parts], axis=1), np.concatenate([n for _, n in parts], axis=1)

    def to_json(self) -> str:
        """The encoders as readable JSON."""
        return self.encoders.to_json()

    @classmethod
    def from_json(cls, text: str) -> FeatureEncoding:
        """Reads what `to_json` wrote."""
        return cls(Encoders.from_json(text))


def fit_encoding(examples: DataFrame) -> FeatureEncoding:
    """Fits the encoders to the training split of the examples."""
    return FeatureEncoding(fit_encoders(examples))
