"""Reads Parquet row groups with pyarrow alone, in the order of Petastorm.

It needs no Petastorm. Petastorm's time is compared with its: both give the same batches, bit for bit.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import numpy as np
from pyarrow import parquet as pq

from ptofa_spark.feed.files import Files, open_files, path_of
from ptofa_spark.feed.row_groups import WHOLE, Array, RowGroupReader, RowGroupTransform, Shard, has_rows

_READ_AHEAD = 4


def read_row_groups(
    files: Sequence[str],
    columns: Sequence[str],
    transform: RowGroupTransform,
    order_seed: int | None,
    shard: Shard = WHOLE,
) -> Iterator[dict[str, Array]]:
    """Yields transformed row groups, see `ReadRowGroups`."""
    opened = open_files(files[0])
    pieces = [(path, group) for path in map(path_of, files) for group in range(_row_groups(opened, path))]
    order = row_group_order(len(pieces), order_seed, shard)

    def read(index: int) -> dict[str, Array]:
        path, group = pieces[index]
        with opened.open(path) as file:
            table = pq.ParquetFile(file).read_row_group(group, columns=sorted(columns))
        frame = transform.transform(table.to_pandas())
        return {name: frame[name].to_numpy(kind) for name, kind in transform.outputs.items()}

    coming: deque[Future[dict[str, Array]]] = deque()
    with ThreadPoolExecutor(1, "row groups") as thread:
        try:
            for index in order:
                coming.append(thread.submit(read, index))
                if len(coming) > _READ_AHEAD:
                    yield from _not_empty(coming.popleft())
            while coming:
                yield from _not_empty(coming.popleft())
        finally:
            # If the consumer stops early, what has not begun is dropped.
            wait([each for each in coming if not each.cancel()])


def row_group_order(count: int, order_seed: int | None, shard: Shard) -> list[int]:
    """The row groups of a shard, in the order in which Petastorm reads them.

    Petastorm shuffles twice: before it splits the row groups by shard, and before it reads. It treats a seed of 0 as no
    seed, so the seed is one more than `order_seed`.

    >>> row_group_order(5, None, Shard(1, 2))
    [1, 3]
    >>> row_group_order(2, None, Shard(0, 3)), row_group_order(2, None, Shard(2, 3))
    ([0, 1], [])
    """
    order = list(range(count))
    if shard != WHOLE and count < shard.count:
        if shard.place > 0:
            return []
    elif shard != WHOLE:
        if order_seed is not None:
            random.Random(order_seed + 1).shuffle(order)
        order = [index for index in order if index % shard.count == shard.place]
    if order_seed is None:
        return order
    return [int(index) for index in np.random.default_rng(order_seed + 1).permutation(order)]


def _row_groups(opened: Files, path: str) -> int:
    with opened.open(path) as file:
        return int(pq.ParquetFile(file).num_row_groups)


def _not_empty(group: Future[dict[str, Array]]) -> Iterator[dict[str, Array]]:
    arrays = group.result()
    if has_rows(arrays):
        yield arrays


READER = RowGroupReader(read_row_groups)
