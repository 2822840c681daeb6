"""Streams the examples table as batches. A reader's thread reads and encodes, and a buffer shuffles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from ptofa_spark.feed.batches import LABELS, Rows, ahead, cut, shuffled
from ptofa_spark.feed.blocks import Batch
from ptofa_spark.feed.encoding import FeatureEncoding
from ptofa_spark.feed.row_groups import READERS, WHOLE, RowGroupReader, RowGroupTransform, Shard
from ptofa_spark.reproducible.splits import TRAIN, VALIDATION

# Rows per validation batch: few enough to stay in the processor's cache.
_EVALUATION_ROWS = 8_192
# More than any number of epochs, so that runs with different seeds never use the same order seed.
_SEED_STRIDE = 100_003


@dataclass(frozen=True)
class ExamplesFeed:
    """Batches of the training and validation splits of one snapshot. It does not use Spark.

    train_files, validation_files: URLs of the files with the split's rows; encoding: of the feature columns;
    train_rows, validation_rows: number of rows, as Spark counts them; batch_size: rows per training batch; buffer_rows:
    rows in the shuffle buffer; seed: decides the order of rows, which differs per epoch; shard: the row groups to read;
    reader: of READERS.
    """

    train_files: tuple[str, ...]
    validation_files: tuple[str, ...]
    encoding: FeatureEncoding
    train_rows: int
    validation_rows: int
    batch_size: int
    buffer_rows: int
    seed: int
    shard: Shard = WHOLE
    reader: str = "petastorm"

    def train(self, epoch: int) -> Iterator[Batch]:
        """The training split in the epoch's order. The last batch may be smaller."""
        order_seed = self.seed * _SEED_STRIDE + epoch
        generator = torch.Generator().manual_seed(order_seed)
        groups = self._rows(self.train_files, order_seed, TRAIN, self.train_rows)
        for rows in cut(ahead(shuffled(groups, self.buffer_rows, generator)), self.batch_size):
            yield self.encoding.widths.batch(rows)

    def validation(self) -> Iterator[Batch]:
        """The validation split in the order of the files."""
        groups = self._rows(self.validation_files, None, VALIDATION, self.validation_rows)
        for rows in cut(groups, _EVALUATION_ROWS):
            yield self.encoding.widths.batch(rows)

    def nothing(self) -> Batch:
        """A batch without rows."""
        widths = self.encoding.widths
        codes = torch.empty((0, sum(widths.codes)), dtype=torch.int64)
        return widths.batch(Rows(codes, torch.empty((0, len(LABELS) + sum(widths.numbers)))))

    def of_process(self, place: int, count: int, batch_size: int) -> ExamplesFeed:
        """The part of the feed for one training process. place: its number, from 0; count: number of processes."""
        return replace(self, shard=Shard(place, count), batch_size=batch_size)

    def _rows(self, files: tuple[str, ...], order_seed: int | None, split: str, wanted: int) -> Iterator[Rows]:
        groups = encoded_rows(files, self.encoding, order_seed, self.shard, self.reader)
        return _all_of(groups, split, wanted) if self.shard == WHOLE else groups


def encoded_rows(
    files: Sequence[str],
    encoding: FeatureEncoding,
    order_seed: int | None,
    shard: Shard = WHOLE,
    reader: str = "petastorm",
) -> Iterator[Rows]:
    """Yields the encoded rows of the files, one row group at a time. Reads only the columns that the model uses."""
    transform = RowGroupTransform(
        lambda group: _encoded(group, encoding),
        {name: np.int64 for name in encoding.code_names}
        | {name: np.float32 for name in (*LABELS, *encoding.number_names)},
    )
    read_row_groups = READERS.load(reader, RowGroupReader).read
    for group in read_row_groups(files, (*LABELS, *encoding.columns), transform, order_seed, shard):
        rows = len(group["revenue"])
        yield Rows(
            codes=_side_by_side([group[name] for name in encoding.code_names], rows, np.int64),
            numbers=_side_by_side([group[name] for name in (*LABELS, *encoding.number_names)], rows, np.float32),
        )


def _all_of(groups: Iterator[Rows], split: str, wanted: int) -> Iterator[Rows]:
    """Passes the groups on and requires all rows. A model trained on half the data would look like any other."""
    rows = 0
    for group in groups:
        rows += len(group)
        yield group
    if rows != wanted:
        raise RuntimeError(f"the reader read {rows} rows of split {split}, Spark counted {wanted}")


def _encoded(rows: pd.DataFrame, encoding: FeatureEncoding) -> pd.DataFrame:
    """Encodes a row group. Runs on the reader's thread, in parallel to the training step."""
    codes, numbers = encoding.encode(rows)
    columns: dict[str, object] = {name: rows[name].to_numpy(np.float32) for name in LABELS}
    columns |= {name: codes[:, column] for column, name in enumerate(encoding.code_names)}
    columns |= {name: numbers[:, column] for column, name in enumerate(encoding.number_names)}
    return pd.DataFrame(columns)


def _side_by_side(columns: list[npt.NDArray[np.generic]], rows: int, dtype: type[np.generic]) -> torch.Tensor:
    joined = np.stack(columns, axis=1) if columns else np.empty((rows, 0))
    return torch.from_numpy(np.ascontiguousarray(joined, dtype=dtype))
