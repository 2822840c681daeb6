"""Opens files by their URLs through pyarrow's file systems, for both readers."""

from __future__ import annotations

from urllib.parse import urlparse

import pyarrow as pa
from pyarrow import fs

from ptofa_spark.errors import MachineError


class Files:
    """A file system that opens files to read."""

    def __init__(self, filesystem: fs.FileSystem) -> None:
        """filesystem: one of pyarrow.fs, which opens paths without their scheme."""
        self._filesystem = filesystem

    def open(self, path: str) -> pa.NativeFile:
        """The file at the path, open to read."""
        return self._filesystem.open_input_file(path)


def open_files(url: str) -> Files:
    """The file system of a URL: a local one, or HDFS, S3 and others that pyarrow knows, or one of fsspec.

    Raises:
        MachineError: neither of them knows the scheme, or fsspec lacks the package for it.
    """
    if url.startswith("file:"):
        return Files(fs.LocalFileSystem())
    root = _root(url)
    try:
        return Files(fs.FileSystem.from_uri(root)[0])
    except pa.ArrowInvalid:  # pyarrow does not know the scheme
        return Files(fs.PyFileSystem(fs.FSSpecHandler(_of_fsspec(root))))


def _root(url: str) -> str:
    """The store of a URL, without the path, which pyarrow would decode. Spark and Hadoop name S3 s3a.

    >>> _root("s3a://bucket/a b/part-0.parquet")
    's3://bucket/'
    """
    parsed = urlparse(url)
    return f"{'s3' if parsed.scheme == 's3a' else parsed.scheme}://{parsed.netloc}/"


def _of_fsspec(root: str) -> object:
    try:
        import fsspec  # type: ignore[import-untyped]

        return fsspec.core.url_to_fs(root)[0]
    except (ImportError, ValueError) as error:
        raise MachineError(f"files of {root} cannot be opened: {error}") from error


def path_of(url: str) -> str:
    """The path of a URL in its file system, as written: nothing is decoded. A bucket or container is part of the path.

    >>> path_of("file:///tables/a%20b/part-0.parquet"), path_of("s3a://bucket/part-0.parquet")
    ('/tables/a%20b/part-0.parquet', 'bucket/part-0.parquet')
    >>> path_of("abfss://container@account.dfs.core.windows.net/part-0.parquet")
    'container/part-0.parquet'
    """
    parsed = urlparse(url)
    if parsed.scheme in ("file", "hdfs"):
        return parsed.path
    container = parsed.netloc.partition("@")[0] if parsed.scheme in ("abfs", "abfss") else parsed.netloc
    return container + parsed.path
