"""Petastorm, completed with the stand-ins. No other module of the package imports it.

Only the modules of Petastorm see the stand-ins. pyarrow and NumPy stay unchanged for every other module.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from types import ModuleType, SimpleNamespace

from ptofa_spark.errors import MachineError
from ptofa_spark.feed.adapter.stand_ins import Dataset, NumpyNames, Piece
from ptofa_spark.feed.files import Files, path_of

COMPLETED = "0.13.1"


def require_version(installed: str) -> None:
    """Rejects every version of Petastorm but the one whose calls of pyarrow the stand-ins answer.

    Raises:
        MachineError: another version.
    """
    if installed != COMPLETED:
        raise MachineError(
            f"petastorm {installed} is installed, and the feed completes the internals of {COMPLETED} alone: "
            f"pip install petastorm=={COMPLETED}"
        )


@contextmanager
def _removed_modules() -> Iterator[None]:
    """Modules that Petastorm imports and that pyarrow no longer has, while Petastorm is imported.

    `petastorm.hdfs.namenode` imports `pyarrow.hdfs` and `distutils`. It is replaced for good, and nothing calls it:
    `feed/files.py` opens HDFS.
    """
    filesystem = ModuleType("pyarrow.filesystem")
    filesystem.LocalFileSystem = Files  # type: ignore[attr-defined]
    namenode = ModuleType("petastorm.hdfs.namenode")
    namenode.HdfsNamenodeResolver = namenode.HdfsConnector = object  # type: ignore[attr-defined]
    sys.modules[namenode.__name__] = namenode
    sys.modules[filesystem.__name__] = filesystem
    try:
        yield
    finally:
        del sys.modules[filesystem.__name__]


require_version(version("petastorm"))
with _removed_modules():
    from petastorm import TransformSpec, arrow_reader_worker, fs_utils, make_batch_reader, reader, unischema
    from petastorm.errors import NoDataAvailableError
    from petastorm.etl import dataset_metadata
    from petastorm.reader import Reader
    from petastorm.workers_pool.thread_pool import ThreadPool

_parquet = SimpleNamespace(ParquetDataset=Dataset, ParquetDatasetPiece=Piece)
for _module in (reader, arrow_reader_worker, dataset_metadata):
    _module.pq = _parquet
for _module in (unischema, arrow_reader_worker):
    _module.np = NumpyNames()
# Petastorm would ask fsspec, which needs a further package per object store.
fs_utils.get_dataset_path = lambda url: path_of(url.geturl())

__all__ = ["NoDataAvailableError", "Reader", "ThreadPool", "TransformSpec", "make_batch_reader"]
