"""What Petastorm asks of pyarrow and NumPy and no longer finds there, written with their current interfaces.

Petastorm 0.13.1 reads through pyarrow's legacy datasets, which pyarrow 15 removed. NumPy 2 renamed two of the types
that it uses. `make_batch_reader`, called with a list of Parquet files and an open file system, needs little of both.
The stand-ins are the same on every pyarrow that setup.py admits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import parquet as pq

from ptofa_spark.feed.files import Files

OpenFile = Callable[[str], "pa.NativeFile | BinaryIO"]


class Piece:
    """A Parquet file, or one row group of it. It replaces `pyarrow.parquet.ParquetDatasetPiece`.

    path: of the file, without its scheme; open_file_func: opens it; row_group: None for the whole file. partition_keys
    is always empty: directories name no columns here.
    """

    def __init__(
        self, path: str, open_file_func: OpenFile, row_group: int | None = None, partition_keys: Sequence[object] = ()
    ) -> None:
        self.path = path
        self.row_group = row_group
        self.partition_keys = partition_keys
        self._open = open_file_func

    def get_metadata(self) -> pq.FileMetaData:
        """The footer of the file."""
        with self._open(self.path) as file:
            return pq.ParquetFile(file).metadata

    def read(self, columns: Collection[str], partitions: object) -> pa.Table:
        """The row group's values of the named columns, in the order of their names."""
        with self._open(self.path) as file:
            return pq.ParquetFile(file).read_row_group(self.row_group, columns=sorted(columns))


class Dataset:
    """A list of Parquet files. It replaces `pyarrow.parquet.ParquetDataset`.

    Directories name no columns. Metadata files beside the data are not read: Petastorm would unpickle what is in them.
    """

    metadata = common_metadata = partitions = None

    def __init__(
        self,
        path_or_paths: Sequence[str],
        filesystem: Files,
        validate_schema: bool = False,
        metadata_nthreads: int = 1,
        filters: object = None,
    ) -> None:
        """path_or_paths: of the files, without their scheme; metadata_nthreads: ignored.

        Raises:
            NotImplementedError: one path, which could be a directory, or filters, or a check of the schemas.
        """
        if isinstance(path_or_paths, str) or filters is not None or validate_schema:
            raise NotImplementedError("the adapter of Petastorm reads lists of Parquet files, without filters")
        self.fs = filesystem
        self.paths = list(path_or_paths)
        self.pieces = [Piece(path, filesystem.open) for path in self.paths]


class NumpyNames:
    """NumPy with the two names that NumPy 2 removed."""

    unicode_ = np.str_
    string_ = np.bytes_

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)
