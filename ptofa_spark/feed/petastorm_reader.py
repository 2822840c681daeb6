"""Reads Parquet row groups through Petastorm. No other module imports it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
from petastorm import TransformSpec, make_batch_reader
from petastorm.errors import NoDataAvailableError
from petastorm.reader import Reader

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


def read_row_groups(
    files: Sequence[str],
    columns: Sequence[str],
    transform: RowGroupTransform,
    order_seed: int | None,
    shard: Shard = WHOLE,
) -> Iterator[dict[str, Array]]:
    """Yields transformed row groups. A second thread reads a few of them ahead.

    Args:
        files: URLs of Parquet files, not empty.
        columns: the only columns that are read.
        transform: applied to each row group on the reader's thread.
        order_seed: seed for shuffling the row groups; None: in the order of the files.
        shard: the row groups to read. If there are fewer row groups than shards, the first shard has all of them.

    Yields:
        Column name to (rows,), for row groups that are not empty after the transform.
    """
    _ignore_deprecations()
    spec = TransformSpec(
        transform.transform,
        edit_fields=[(name, kind, (), False) for name, kind in transform.outputs.items()],
        selected_fields=list(transform.outputs),
    )
    read = partial(
        make_batch_reader,
        list(files),
        schema_fields=[f"^{re.escape(column)}$" for column in columns],
        # One thread: with several, a race would decide the row groups' order, and so the trained weights.
        reader_pool_type="thread",
        workers_count=1,
        results_queue_size=4,
        shuffle_row_groups=order_seed is not None,
        # Petastorm treats a seed of 0 as no seed.
        seed=None if order_seed is None else order_seed + 1,
        transform_spec=spec,
        convert_early_to_numpy=True,
    )
    reader = _sharded(read, shard)
    if reader is None:
        return
    try:
        for arrays in _every_group(reader):
            if len(next(iter(arrays.values()))):
                yield arrays
    finally:
        # Not `with reader`, whose exit prints a line to standard output.
        reader.stop()
        reader.join()


def _sharded(read: Callable[..., Reader], shard: Shard) -> Reader | None:
    """The shard's reader; None if the shard is empty."""
    if shard == WHOLE:
        return read()
    try:
        return read(cur_shard=shard.place, shard_count=shard.count)
    except NoDataAvailableError:  # Petastorm has no empty shards
        return read() if shard.place == 0 else None


def _every_group(reader: Reader) -> Iterator[dict[str, Array]]:
    """All row groups of the reader.

    Petastorm's pool first checks whether its thread is idle, then whether all row groups were handed out. If the last
    ones are handed out between the two checks, the pool reports the end, and they are lost silently (seen: a whole
    epoch of three row groups). Another call of `next` returns them.
    """
    handed_out = reader.ventilator
    while True:
        try:
            yield next(reader)._asdict()
        except StopIteration:
            if handed_out._processed_items_count == handed_out._ventilated_items_count:
                return


def _ignore_deprecations() -> None:
    """Silences pyarrow's warning, on every call, that Petastorm uses its old interface. The lock file pins both."""
    warnings.filterwarnings("ignore", message=r"(?s).*deprecated as of", category=FutureWarning, module=r"petastorm\.")
