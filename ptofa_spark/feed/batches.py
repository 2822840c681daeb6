"""Turns row groups into batches: shuffles them in a buffer and cuts them to one size. The last batch may be smaller."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

import torch
from torch import Tensor

from ptofa_spark.feed.blocks import Batch, Block, Features, Labels


@dataclass(frozen=True)
class Rows:
    """Encoded examples. The columns of all blocks are in two tensors, so that moving a row is cheap.

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
        """Concatenates the rows of the parts."""
        return cls(torch.cat([part.codes for part in parts]), torch.cat([part.numbers for part in parts]))


LABELS = ("conversion", "click", "revenue")


@dataclass(frozen=True)
class Widths:
    """Number of columns of the user, fund and pair blocks, by which `Rows` is split into blocks."""

    codes: tuple[int, int, int]
    numbers: tuple[int, int, int]

    def features(self, codes: Tensor, numbers: Tensor) -> Features:
        """Splits codes and numbers, (..., columns), into blocks. The result has views, no copies."""
        parts = zip(codes.split(self.codes, -1), numbers.split(self.numbers, -1), strict=True)
        return Features(*[Block(*part) for part in parts])

    def batch(self, rows: Rows) -> Batch:
        """The rows in the form that a model takes."""
        labels, numbers = rows.numbers[:, : len(LABELS)], rows.numbers[:, len(LABELS) :]
        return Batch(self.features(rows.codes, numbers), Labels(*labels.unbind(1)))


def shuffled(groups: Iterator[Rows], capacity: int, generator: torch.Generator) -> Iterator[Rows]:
    """Yields the same rows in random order. When the buffer is full it is permuted, and its first half is yielded.

    Args:
        groups: row groups in random order; rows within a group are neighbours in the table.
        capacity: rows in a full buffer, not counting the rest of the last row group.
        generator: the only source of randomness.
    """
    buffer: list[Rows] = []
    held = 0
    for group in groups:
        buffer.append(group)
        held += len(group)
        if held >= capacity:
            pool = _permuted(buffer, generator)
            ready = held - capacity // 2
            yield pool[:ready]
            buffer, held = [pool[ready:]], held - ready
    if held:
        yield _permuted(buffer, generator)


def cut(groups: Iterator[Rows], size: int) -> Iterator[Rows]:
    """Yields the same rows in the same order, in pieces of `size` rows. The last piece may be smaller."""
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
    """Yields the same items in order. A thread computes the next item while the consumer uses the current one."""
    with ThreadPoolExecutor(1, "feed", initializer=torch.set_num_threads, initargs=(1,)) as thread:
        coming = thread.submit(next, items, None)
        try:
            while (item := coming.result()) is not None:
                coming = thread.submit(next, items, None)
                yield item
        finally:
            # If the consumer stops early, the thread still uses the source, which cannot be closed meanwhile.
            wait([coming])
            if isinstance(items, Generator):
                items.close()


def _permuted(parts: list[Rows], generator: torch.Generator) -> Rows:
    rows = Rows.joined(parts)
    return rows[torch.randperm(len(rows), generator=generator)]
