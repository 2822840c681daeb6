"""What a reader of row groups gets and gives, and the readers by name. All readers give the same batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from ptofa_spark.registry import Entry, Registry

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Shard:
    """One of `count` parts of the row groups, as equal as whole row groups allow. place: number of the part, from 0."""

    place: int
    count: int


WHOLE = Shard(0, 1)


@dataclass(frozen=True)
class RowGroupTransform:
    """A function that the reader's thread applies to each row group, from raw columns to numeric columns.

    transform: the function; outputs: the name and NumPy type of each column that it returns.
    """

    transform: Callable[[pd.DataFrame], pd.DataFrame]
    outputs: dict[str, type[np.generic]]


def has_rows(group: dict[str, Array]) -> bool:
    """Whether a transformed row group has rows."""
    return len(next(iter(group.values()))) > 0


class ReadRowGroups(Protocol):
    """Reads row groups; a second thread reads a few of them ahead."""

    def __call__(
        self,
        files: Sequence[str],
        columns: Sequence[str],
        transform: RowGroupTransform,
        order_seed: int | None,
        shard: Shard = WHOLE,
    ) -> Iterator[dict[str, Array]]:
        """Yields transformed row groups.

        Args:
            files: URLs of Parquet files, not empty.
            columns: the only columns that are read.
            transform: applied to each row group on the reader's thread.
            order_seed: seed for shuffling the row groups; None: in the order of the files.
            shard: the row groups to read. If there are fewer row groups than shards, the first shard has all of them.

        Yields:
            Column name to (rows,), for row groups that are not empty after the transform.
        """


@dataclass(frozen=True)
class RowGroupReader:
    """What the module of a reader declares. read: reads row groups."""

    read: ReadRowGroups


READERS = Registry(
    "reader",
    "ptofa_spark.feed",
    "READER",
    {
        "petastorm": Entry("petastorm_reader", "Petastorm"),
        "arrow": Entry("arrow_reader", "pyarrow alone, without Petastorm; the same batches, bit for bit"),
    },
)
