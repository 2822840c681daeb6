"""Reads Parquet row groups through Petastorm."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from ptofa_spark.feed.adapter.petastorm import NoDataAvailableError, Reader, TransformSpec, make_batch_reader
from ptofa_spark.feed.files import open_files
from ptofa_spark.feed.row_groups import WHOLE, Array, RowGroupReader, RowGroupTransform, Shard, has_rows


def read_row_groups(
    files: Sequence[str],
    columns: Sequence[str],
    transform: RowGroupTransform,
    order_seed: int | None,
    shard: Shard = WHOLE,
) -> Iterator[dict[str, Array]]:
    """Yields transformed row groups, see `ReadRowGroups`."""
    spec = TransformSpec(
        transform.transform,
        edit_fields=[(name, kind, (), False) for name, kind in transform.outputs.items()],
        selected_fields=list(transform.outputs),
    )
    read = partial(
        make_batch_reader,
        list(files),
        filesystem=open_files(files[0]),
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
            if has_rows(arrays):
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


READER = RowGroupReader(read_row_groups)
