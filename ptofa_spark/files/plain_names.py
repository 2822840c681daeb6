"""Links to files whose names Spark would ignore or misread: hidden, with a colon, or compressed without .gz.

In local mode a link with a plain name is made. Elsewhere the user must rename such a file.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pyspark.sql import SparkSession

from ptofa_spark.errors import TableError
from ptofa_spark.files.formats import Format
from ptofa_spark.files.places import DataFile

_ENDINGS: dict[Format, str] = {"gzip": ".gz", "bzip2": ".bz2"}


def plainly_named(spark: SparkSession, files: Mapping[DataFile, Format]) -> list[str]:
    """Paths by which Spark reads the files correctly, in the files' order.

    Raises:
        TableError: a file must be renamed first.
    """
    return [_plain(spark, file, packed) for file, packed in files.items()]


def _plain(spark: SparkSession, file: DataFile, packed: Format) -> str:
    ending = _ENDINGS.get(packed, "")
    suffix = os.path.splitext(file.uri)[1].lower()
    unpacks = suffix in (".gz", ".bz2", ".deflate", ".zst", ".lz4", ".snappy", ".xz")
    if not file.hidden and (suffix == ending if ending else not unpacks):
        return file.uri
    if not file.uri.startswith("file:") or not str(spark.sparkContext.master).startswith("local"):
        wanted = f"ends in {ending}" if ending and not file.hidden else "does not begin with _ or . and has no colon"
        if not ending and unpacks:
            wanted = f"does not end in {suffix}, since it is not compressed"
        raise TableError(f"file {file.name}: Spark cannot read it by this name: rename it so that its name {wanted}")
    folder = Path(tempfile.mkdtemp(dir=_links()))
    link = folder / f"file{ending or ('.parquet' if packed == 'parquet' else '.csv')}"
    link.symlink_to("/" + file.uri.removeprefix("file:").lstrip("/"))
    return str(link)


@cache
def _links() -> str:
    """A folder for this process's links, removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="ptofa-links-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
