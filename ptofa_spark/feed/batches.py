"""Row groups to batches: shuffled through a buffer, cut to one size, the last partial batch kept."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

import torch
from torch import Tensor

from ptofa_spark.feed.blocks import Batch, Block, Features, Labels


@dataclass(frozen=True)
class Rows:
    """Encoded examples, columns of all blocks side by side: a row is moved by moving two pieces.

    codes: (rows, categorical columns) int64; numbers: (rows, labels + numeric columns) float32, labels first.
    """

    codes: Tensor
    numbers: Tensor

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: slice | Tensor) -> Rows:
        return Rows(self.codes[rows], self.numbers[rows])

    @classmethod
    def joined(cls, parts: list[Rows]) -> Rows:
        """The parts' rows, one after the other."""
        return cls(torch.cat([part.codes for part in parts]), torch.cat([part.numbers for part in parts]))


LABELS = ("conversion", "click", "revenue")


@dataclass(frozen=True)
class Widths:
    """Columns of each block, user, fund, pair: how `Rows` falls apart into blocks."""

    codes: tuple[int, int, int]
    numbers: tuple[int, int, int]

    def features(self, codes: Tensor, numbers: Tensor) -> Features:
        """Features of columns that lie side by side; views, no copies."""
        parts = zip(codes.split(self.codes, -1), numbers.split(self.numbers, -1), strict=True)
        return Features(*[Block(*part) for part in parts])

    def batch(self, rows: Rows) -> Batch:
        """The rows as the model takes them."""
        labels, numbers = rows.numbers[:, : len(LABELS)], rows.numbers[:, len(LABELS) :]
        return Batch(self.features(rows.codes, numbers), Labels(*labels.unbind(1)))


def shuffled(groups: Iterator[Rows], capacity: int, generator: torch.Generator) -> Iterator[Rows]:
    """The same rows in random order: the buffer fills to its capacity, is permuted, and gives away its first half.

    Args:
        groups: row groups in random order; Spark leaves neighbours of a table together in them.
        capacity: rows that the buffer holds beyond the row group that fills it.
        generator: the only source of randomness.
    """
    buffer: list[Rows] = []
    held = 0
    for group in groups:
        buffer.append(group)
        held += len(group)
        if held >= capacity:
            pool = _permuted(buffer, generator)
            given = held - capacity // 2
            yield pool[:given]
            buffer, held = [pool[given:]], held - given
    if held:
        yield _permuted(buffer, generator)


def cut(groups: Iterator[Rows], size: int) -> Iterator[Rows]:
    """The same rows in the same order, in pieces of `size`; the last piece holds what is left."""
    left: Rows | None = None
    for group in groups:
        start = 0
        if left is not None:
            start = size - len(left)
            left = Rows.joined([left, group[:start]])
            if len(left) < size:
                continue
            yield left
        end = len(group) - (len(group) - start) % size
        for first in range(start, end, size):
            yield group[first : first + size]
        left = group[end:] if end < len(group) else None
    if left is not None:
        yield left


def ahead(items: Iterator[Rows]) -> Iterator[Rows]:
    """The same items in the same order; a thread makes the next one while the taker works on this one."""
    with ThreadPoolExecutor(1, "feed", initializer=torch.set_num_threads, initargs=(1,)) as thread:
        coming = thread.submit(next, items, None)
        try:
            while (item := coming.result()) is not None:
                coming = thread.submit(next, items, None)
                yield item
        finally:
            # Left early, the next item is still being made: only after it can the source be closed.
            wait([coming])
            if isinstance(items, Generator):
                items.close()


def _permuted(parts: list[Rows], generator: torch.Generator) -> Rows:
    rows = Rows.joined(parts)
    return rows[torch.randperm(len(rows), generator=generator)]
