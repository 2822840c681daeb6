"""The examples table as a stream of batches: Petastorm reads, its thread encodes, a buffer shuffles."""

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
from ptofa_spark.feed.petastorm_reader import WHOLE, RowGroupTransform, Shard, read_row_groups
from ptofa_spark.reproducible.splits import TRAIN, VALIDATION

# Rows of a batch where nothing is learnt: few enough to stay in the processor's cache.
_EVALUATION_ROWS = 8_192
# Seeds of two runs must not meet in some epoch: further apart than any number of epochs.
_SEED_STRIDE = 100_003


@dataclass(frozen=True)
class ExamplesFeed:
    """Batches of the training and of the validation split of one snapshot; knows no Spark.

    train_files, validation_files: URLs of the files with the split's rows; encoding: of the feature
    columns; train_rows, validation_rows: rows of the splits, as Spark counts them; batch_size: rows of a training
    batch; buffer_rows: rows of the shuffling buffer; seed: of the order of rows, another order each epoch; shard: which
    of the row groups are read.
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

    def train(self, epoch: int) -> Iterator[Batch]:
        """The training split in the epoch's own order; the last batch holds what is left."""
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
        """A batch of no rows."""
        widths = self.encoding.widths
        codes = torch.empty((0, sum(widths.codes)), dtype=torch.int64)
        return widths.batch(Rows(codes, torch.empty((0, len(LABELS) + sum(widths.numbers)))))

    def of_process(self, place: int, count: int, batch_size: int) -> ExamplesFeed:
        """One training process's part of the feed, in batches of its own size."""
        return replace(self, shard=Shard(place, count), batch_size=batch_size)

    def _rows(self, files: tuple[str, ...], order_seed: int | None, split: str, wanted: int) -> Iterator[Rows]:
        groups = encoded_rows(files, self.encoding, order_seed, self.shard)
        return _all_of(groups, split, wanted) if self.shard == WHOLE else groups


def encoded_rows(
    files: Sequence[str], encoding: FeatureEncoding, order_seed: int | None, shard: Shard = WHOLE
) -> Iterator[Rows]:
    """The rows of the files, a row group at a time; only the columns that the model uses are read."""
    transform = RowGroupTransform(
        lambda group: _encoded(group, encoding),
        {name: np.int64 for name in encoding.code_names}
        | {name: np.float32 for name in (*LABELS, *encoding.number_names)},
    )
    for group in read_row_groups(files, (*LABELS, *encoding.columns), transform, order_seed, shard):
        rows = len(group["revenue"])
        yield Rows(
            codes=_side_by_side([group[name] for name in encoding.code_names], rows, np.int64),
            numbers=_side_by_side([group[name] for name in (*LABELS, *encoding.number_names)], rows, np.float32),
        )


def _all_of(groups: Iterator[Rows], split: str, wanted: int) -> Iterator[Rows]:
    """The groups, and an error instead of an end where a row is missing: a model of half the data looks like any."""
    rows = 0
    for group in groups:
        rows += len(group)
        yield group
    if rows != wanted:
        raise RuntimeError(f"Petastorm read {rows} rows of split {split}, Spark counted {wanted}")


def _encoded(rows: pd.DataFrame, encoding: FeatureEncoding) -> pd.DataFrame:
    """A row group, encoded; runs on the reader's thread, beside the training step."""
    codes, numbers = encoding.encode(rows)
    columns: dict[str, object] = {name: rows[name].to_numpy(np.float32) for name in LABELS}
    columns |= {name: codes[:, place] for place, name in enumerate(encoding.code_names)}
    columns |= {name: numbers[:, place] for place, name in enumerate(encoding.number_names)}
    return pd.DataFrame(columns)


def _side_by_side(columns: list[npt.NDArray[np.generic]], rows: int, kind: type[np.generic]) -> torch.Tensor:
    joined = np.stack(columns, axis=1) if columns else np.empty((rows, 0))
    return torch.from_numpy(np.ascontiguousarray(joined, dtype=kind))
