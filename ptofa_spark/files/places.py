"""Finds the files at a path. A path is never a pattern, and every file there is either read or reported."""

from __future__ import annotations

import bz2
import codecs
import gzip
import os
import re
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from py4j.java_gateway import JavaClass  # type: ignore[import-untyped]  # has no stubs
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]  # has no stubs
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from ptofa_spark.errors import TableError
from ptofa_spark.files.formats import HEAD_BYTES, Foreign, Format, format_of

# With this option off, Spark does not expand brackets and stars in a path.
AS_A_NAME = {"__globPaths__": "false"}
_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:/")
_PARTITION = re.compile(r"(?P<key>[^=]+)=(?P<value>.*)")
# Files that writers leave beside the data: Spark, Databricks, Hadoop's checksums, Parquet's summaries, macOS.
_MARK = re.compile(r"\.crc$|(^|/)(_SUCCESS|_committed_[^/]*|_started_[^/]*|_metadata|_common_metadata|\.DS_Store)$")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_LONGEST_HEAD = 4 * 2**20
_READERS = 16  # file heads read at once, since an object store answers slowly
_CHUNK = 8 * 2**20


@dataclass(frozen=True)
class DataFile:
    """A data file. uri: for Spark; name: for messages; size: bytes; partition: (key, text) of each partition folder."""

    uri: str
    name: str
    size: int
    partition: tuple[tuple[str, str | None], ...] = ()

    @property
    def hidden(self) -> bool:
        """Whether Spark ignores a file of this name, or cannot open it because of a colon."""
        own = self.uri.rsplit("/", 1)[-1]
        return own.startswith(("_", ".")) or ":" in own


@dataclass(frozen=True)
class Place:
    """The files at a path.

    argument: the path as the user gave it; root: the path as Spark opens it; one_file: whether the path is a file;
    files: the data files, sorted by URI; hidden: names of files that begin with _ or ., or are in such a folder, except
    those that known writers leave; empty: names of files of 0 bytes.
    """

    argument: str
    root: str
    one_file: bool
    files: tuple[DataFile, ...]
    hidden: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()


def java_class(spark: SparkSession, name: str) -> Any:
    """A Java class by its full name. `spark._jvm.a.b.C` would look for `a` and `a.b` in every JAR first."""
    jvm: Any = spark._jvm
    return JavaClass(name, jvm._gateway_client)


def hadoop_path(spark: SparkSession, argument: str) -> tuple[Any, Any]:
    """Hadoop's path and file system for an argument: local, HDFS or an object store.

    Raises:
        TableError: no file system can open such a path.
    """
    configuration = spark._jsc.hadoopConfiguration()
    file_system = java_class(spark, "org.apache.hadoop.fs.FileSystem")
    if not _URI.match(argument) and file_system.get(configuration).getScheme() == "file":
        # Hadoop takes the text before a colon for a scheme unless a slash comes first.
        argument = os.path.abspath(argument)
    try:
        path = java_class(spark, "org.apache.hadoop.fs.Path")(argument)
    except (Py4JJavaError, PySparkException) as error:
        reason = str(error).strip().splitlines()[0]
        raise TableError(f"path {argument!r} is none that a file system can open ({reason}): rename it") from error
    return path, path.getFileSystem(configuration)


def exists(spark: SparkSession, argument: str) -> bool:
    """Whether a file, or a folder that contains a file, exists there."""
    path, system = hadoop_path(spark, argument)
    if not system.exists(path):
        return False
    return bool(system.isFile(path)) or any(True for _ in _files_below(system, path))


def find_files(spark: SparkSession, argument: str) -> Place:
    """Finds the data files at a path or URI.

    Raises:
        TableError: nothing exists there, or subfolders are not partitions (`key=value`) of one table.
    """
    path, system = hadoop_path(spark, argument)
    if not system.exists(path):
        raise TableError(f"table {argument} does not exist: give the path of a Delta table, Parquet or CSV")
    if system.isFile(path):
        status = system.getFileStatus(path)
        whole = str(status.getPath().toString())
        if not status.getLen():
            raise TableError(f"table {argument} is empty, a file of 0 bytes: write it again")
        return Place(argument, whole, True, (DataFile(whole, argument, int(status.getLen())),))
    root = str(system.makeQualified(path).toString()).rstrip("/")
    files: list[DataFile] = []
    hidden: list[str] = []
    empty: list[str] = []
    for uri, size in _files_below(system, path):
        inner = uri[len(root) :].lstrip("/")
        folders = inner.split("/")[:-1]
        if any(part.startswith((".", "_")) and "=" not in part for part in inner.split("/")):
            if not _MARK.search(inner):
                hidden.append(inner)
            continue
        if not size:
            empty.append(inner)
            continue
        partition = []
        for folder in folders:
            match = _PARTITION.fullmatch(folder)
            if match is None:
                raise TableError(
                    f"table {argument} holds the folder {folder!r} with {inner}, which is no partition (key=value): "
                    "move its files up, or name one folder of files"
                )
            value = unquote(match["value"])
            partition.append((unquote(match["key"]), None if value == _NO_VALUE else value))
        files.append(DataFile(uri, f"{argument.rstrip('/')}/{inner}", size, tuple(partition)))
    keys = {tuple(key for key, _ in file.partition) for file in files}
    if len(keys) > 1:
        raise TableError(
            f"table {argument}: its folders are partitions by different columns ({_listed(keys)}): "
            "move the files into folders of one kind"
        )
    by_uri = tuple(sorted(files, key=lambda file: file.uri))
    return Place(argument, root, False, by_uri, tuple(sorted(hidden)), tuple(sorted(empty)))


def formats(spark: SparkSession, place: Place) -> dict[DataFile, Format | Foreign]:
    """The format of each file, by its first bytes."""

    def one(file: DataFile) -> Format | Foreign:
        return format_of(raw_head(spark, file, HEAD_BYTES))

    with ThreadPoolExecutor(_READERS) as pool:
        return dict(zip(place.files, pool.map(one, place.files), strict=True))


def raw_head(spark: SparkSession, file: DataFile, count: int) -> bytes:
    """The first bytes of a file, not decompressed."""
    local = _local(spark, file)
    if local is not None:
        with open(local, "rb") as opened:
            return opened.read(count)
    path, system = hadoop_path(spark, file.uri)
    stream = system.open(path)
    try:
        return bytes(stream.readNBytes(count))
    finally:
        stream.close()


def text_head(spark: SparkSession, file: DataFile, packed: Format) -> bytes:
    """The first bytes of a text file, decompressed, with at least one line end if the first 4 MiB have one."""
    count = HEAD_BYTES
    while True:
        raw = raw_head(spark, file, count)
        head = _unpacked_start(raw, packed)
        if b"\n" in head or b"\r" in head or count >= min(file.size, _LONGEST_HEAD):
            return head
        count *= 8


def all_bytes(spark: SparkSession, file: DataFile, packed: Format) -> bytes:
    """The whole content of a small text file, decompressed, without its byte order mark."""
    raw = raw_head(spark, file, file.size)
    content = bz2.decompress(raw) if packed == "bzip2" else gzip.decompress(raw) if packed == "gzip" else raw
    return content.removeprefix(codecs.BOM_UTF8)


def lines_of(spark: SparkSession, file: DataFile, packed: Format) -> Iterator[list[bytes]]:
    """Yields the lines of a text file in chunks, without line ends, to search for a bad line."""
    left, at_start = b"", True
    for chunk in _chunks(spark, file, packed):
        left += chunk.removeprefix(codecs.BOM_UTF8) if at_start else chunk
        at_start = at_start and not chunk
        # A carriage return at the end of the chunk may be half of a line end.
        cut = max(left.rfind(b"\n"), left.rfind(b"\r", 0, len(left) - 1)) + 1
        if cut:
            yield left[:cut].splitlines()
            left = left[cut:]
    if left:
        yield left.splitlines()


def _chunks(spark: SparkSession, file: DataFile, packed: Format) -> Iterator[bytes]:
    stream = _unpacker(packed)
    for raw in _raw_chunks(spark, file):
        if stream is None:
            yield raw
            continue
        left = raw
        while left:
            yield stream.decompress(left)
            left = stream.unused_data
            if left:  # concatenated compressed files are one file
                stream = _unpacker(packed)


def _unpacker(packed: Format) -> Any:
    if packed == "gzip":
        return zlib.decompressobj(wbits=31)
    return bz2.BZ2Decompressor() if packed == "bzip2" else None


def _raw_chunks(spark: SparkSession, file: DataFile) -> Iterator[bytes]:
    local = _local(spark, file)
    if local is not None:
        with open(local, "rb") as opened:
            while chunk := opened.read(_CHUNK):
                yield chunk
        return
    path, system = hadoop_path(spark, file.uri)
    stream = system.open(path)
    try:
        while chunk := bytes(stream.readNBytes(_CHUNK)):
            yield chunk
    finally:
        stream.close()


def _unpacked_start(raw: bytes, packed: Format) -> bytes:
    stream = _unpacker(packed)
    try:
        return raw if stream is None else bytes(stream.decompress(raw))
    except zlib.error as error:
        raise OSError(str(error)) from error


def _local(spark: SparkSession, file: DataFile) -> str | None:
    """The file's path on this machine; None if it is elsewhere."""
    if not file.uri.startswith("file:"):
        return None
    path = "/" + file.uri.removeprefix("file:").lstrip("/")
    return path if os.path.isfile(path) else None


def _files_below(system: Any, path: Any) -> Iterator[tuple[str, int]]:
    statuses = system.listFiles(path, True)
    while statuses.hasNext():
        status = statuses.next()
        yield str(status.getPath().toString()), int(status.getLen())


def _listed(keys: set[tuple[str, ...]]) -> str:
    return "; ".join(sorted(", ".join(key) or "none" for key in keys))
